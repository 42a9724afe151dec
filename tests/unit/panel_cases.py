# SPDX-License-Identifier: GPL-3.0-or-later
"""The statuses whose pages are kept as reference pictures: every page, and the messiest inputs for each."""

from __future__ import annotations

from muleteer.agent.status import Bay, BayState, Phase, Problem, Progress, Queue, RoundSummary, Status
from muleteer.agent.trouble import problem_of
from muleteer.errors import RunnerReadOnly, SpoolError

NOW = 1_800_000_000.0
ROUND = RoundSummary("left", "BLUE", NOW - 7300, 9, 123_000, 14, 9_900_000, acknowledged=3, waiting=5)
QUEUES = (Queue("stick", 14, 3_200_000), Queue("radio", 3, 4100), Queue("", 1, 2_400_000_000))
LEFT, RIGHT = Bay("left"), Bay("right")
READ_ONLY = problem_of(RunnerReadOnly(runner="BLUE"), NOW)
SPOOL = problem_of(SpoolError(path="/var/spool/nncp", problem="Input/output error"), NOW)
RAMBLING = Problem("Something went wrong and I shall tell you all about it, at length. " * 9, "Read the log.")
LONG = "a-stick-with-a-label-nobody-should-ever-have-written-on-it"


def working(name: str = "left", **progress: object) -> Bay:
    facts = {"phase": Phase.SENDING, "packets_done": 3, "packets_total": 9, "seconds_left": 130.0}
    facts |= {"bytes_done": 1_200_000_000, "bytes_total": 3_400_000_000}
    return Bay(name, BayState.WORKING, "BLUE", Progress(**{**facts, **progress}))  # type: ignore[arg-type]


def safe(name: str = "left", last: RoundSummary | None = ROUND) -> Bay:
    return Bay(name, BayState.SAFE, "BLUE", None, last)


def box(*bays: Bay, name: str = "home", **more: object) -> Status:
    return Status(name, now=NOW, bays=bays or (LEFT,), **more)  # type: ignore[arg-type]


FOUR = (
    working("left"),
    safe("middle"),
    Bay("right", BayState.ATTENTION, problem=READ_ONLY),
    Bay("top", BayState.PULLED),
)

CASES: dict[str, Status | None] = {
    "agent": None,
    "idle": box(queue=QUEUES, last_round=ROUND),
    "idle-empty": box(),
    "idle-nothing-known": Status("", queue=(), bays=()),
    "idle-tossing": box(tossing=True, waiting_toss=12, queue=QUEUES[:1]),
    "idle-many": box(queue=(*QUEUES, Queue("wire", 99_999, 10**18), Queue("modem", 10**15, 10**30)), last_round=ROUND),
    "idle-umlauts": box(name="Kärntner Hütte über dem See", queue=(Queue("Öl-Ähre Ü", 4, 99), Queue("ñandú ça", 1, 7))),
    "idle-cyrillic": box(name="Дом над рекой Ёй", queue=(Queue("Щука", 4, 99),)),
    "idle-hostile": box(name="\x1b[2J\nhome\u202e", queue=(Queue("\0\t\x9b漢字", 4, 99),)),
    "idle-long": box(name=LONG, queue=(Queue(LONG, 4, 99),)),
    "working": box(working()),
    "working-of-two": box(working(), RIGHT),
    "working-starting": box(Bay("left", BayState.WORKING)),
    "working-unknown": box(working(bytes_total=0, packets_total=0, seconds_left=None)),
    "working-huge": box(
        working(LONG, phase=Phase.ACKNOWLEDGING, packets_done=10**9, packets_total=10**12, bytes_done=10**17,
                bytes_total=10**18, seconds_left=1e7), RIGHT),
    "working-full": box(working(bytes_done=9 * 10**9, packets_done=9, seconds_left=0.0)),
    "safe": box(safe()),
    "safe-of-two": box(safe(), RIGHT),
    "safe-huge": box(safe(LONG, RoundSummary("", "", None, 123_456, 0, 10**9, 0, refused=10**7)), RIGHT),
    "safe-unsaid": box(safe(last=None)),
    "stuck": box(Bay("left", BayState.STUCK, problem=Problem("still mounted", "do not pull it")), RIGHT),
    "attention": box(Bay("left", BayState.ATTENTION, problem=READ_ONLY)),
    "attention-unsaid": box(Bay("left", BayState.ATTENTION)),
    "problem": box(problems=(SPOOL,)),
    "problem-long": box(problems=(RAMBLING,)),
    "pulled": box(Bay("left", BayState.PULLED)),
    "foreign": box(Bay("left", BayState.FOREIGN), RIGHT),
    "four-bays": box(*FOUR),
}  # fmt: skip

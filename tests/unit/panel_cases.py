# SPDX-License-Identifier: GPL-3.0-or-later
"""The statuses whose pages are kept as reference pictures: every page, and the messiest inputs for each."""

from __future__ import annotations

from dataclasses import replace

from muleteer.agent.status import (
    Bay,
    BayState,
    Line,
    LineState,
    Phase,
    Problem,
    Progress,
    Queue,
    RoundSummary,
    SessionProgress,
    SessionSummary,
    Status,
)
from muleteer.agent.trouble import problem_of
from muleteer.errors import RunnerReadOnly, SpoolError

NOW = 1_800_000_000.0
ROUND = RoundSummary("left", "BLUE", NOW - 7300, 9, 123_000, 14, 9_900_000, acknowledged=3, waiting=5)
QUEUES = (Queue("stick", 14, 3_200_000), Queue("radio", 3, 4100), Queue("", 1, 2_400_000_000))
LEFT, RIGHT = Bay("left"), Bay("right")
READ_ONLY = problem_of(RunnerReadOnly(runner="BLUE"), NOW)
SPOOL = problem_of(SpoolError(path="/var/spool/nncp", problem="Input/output error"), NOW)
RAMBLING = Problem("Something went wrong and I shall tell you all about it, at length. " * 9, "Read the log.")
BOTH_WAYS = SessionProgress(3, 1_200_000, 11, 400_000, receiving_total=3_400_000, sending_total=2_100_000)
ONE_WAY = SessionProgress(0, 0, 2, 51_000, sending_total=64_000)
HUGE = SessionProgress(10**9, 10**17, 10**12, 10**15, receiving_total=10**18, sending_total=10**18)
CALL = SessionSummary(NOW - 7300, established=True, received=3, sent=5, complete=True, said="cabin at 10.0.0.7")
UNANSWERED = SessionSummary(NOW - 240, said="cabin at 10.0.0.7: connection refused")
LONG = "a-stick-with-a-label-nobody-should-ever-have-written-on-it"

MB = 1_000_000


def working(name: str = "left", **progress: object) -> Bay:
    facts = {"phase": Phase.SENDING, "packets_done": 3, "packets_total": 9, "seconds_left": 130.0}
    facts |= {"bytes_done": 1_200_000_000, "bytes_total": 3_400_000_000}
    return Bay(name, BayState.WORKING, "BLUE", Progress(**{**facts, **progress}))  # type: ignore[arg-type]


def safe(name: str = "left", last: RoundSummary | None = ROUND) -> Bay:
    return Bay(name, BayState.SAFE, "BLUE", None, last)


def line(carrier: str = "lan", state: LineState = LineState.IDLE, neighbour: str = "cabin", **facts: object) -> Line:
    return Line(carrier, neighbour, state, **facts)  # type: ignore[arg-type]


def talking(carrier: str = "lan", progress: SessionProgress | None = BOTH_WAYS, **facts: object) -> Line:
    return line(carrier, LineState.TALKING, progress=progress, **{"since": NOW - 130, **facts})


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
    "session": box(queue=QUEUES[:1], lines=(talking(),)),
    "session-out": box(lines=(talking("cell", ONE_WAY, since=NOW - 8),), queue=(Queue("cell", 2, 64_000),)),
    "session-in": box(lines=(talking(progress=SessionProgress(41, 900_000, receiving_total=8 * MB), incoming=True),)),
    "session-connected": box(lines=(talking(progress=None),)),
    "session-many": box(lines=(talking(), talking(neighbour="shed"), talking("cell", ONE_WAY), *(
        talking(f"wire {n}") for n in range(6)))),
    "session-huge": box(lines=(talking(LONG, HUGE, since=NOW - 10**7),)),
    "session-done": box(lines=(talking("Öl-Ähre", SessionProgress(4, 99, 0, 0, receiving_total=99)),)),
    "carrier-up": box(lines=(line(last=CALL, next_call=NOW + 600, since=NOW - 9e5),), queue=(Queue("lan", 2, 8100),)),
    "carrier-calling": box(lines=(line("cell", LineState.CALLING, since=NOW - 4, last=UNANSWERED),)),
    "carrier-budget": box(
        lines=(line("cell", LineState.WAITING, since=NOW - 9e3, budget=5 * MB, budget_left=1_800_000, metered=True,
                    takes="up to 64 KiB, FLASH or more urgent", next_call=NOW + 7 * 3600, last=CALL),),
        queue=(Queue("cell", 3, 4100), *QUEUES)),
    "carrier-spent": box(
        lines=(line("cell", LineState.EXHAUSTED, since=NOW - 7000, budget=5 * MB, budget_left=0,
                    next_call=NOW + 5 * 3600, last=CALL),),
        queue=(Queue("cell", 12, 41_000),)),
    "carrier-down": box(lines=(line("cell", LineState.DOWN, since=NOW - 2 * 86400),), queue=(Queue("cell", 3, 4100),)),
    "carrier-failing": box(lines=(line(state=LineState.WAITING, last=UNANSWERED, next_call=NOW + 140),)),
    "carrier-held": box(lines=(line(last=replace(CALL, held=3), since=NOW - 500),), queue=QUEUES[2:]),
    "carrier-huge": box(
        lines=(line(LONG, LineState.DOWN, since=NOW - 10**9, budget=10**18, budget_left=10**17,
                    next_call=NOW + 10**9, last=replace(CALL, received=10**9, sent=10**9)),),
        queue=(Queue(LONG, 10**9, 10**18),)),
    "carrier-many": box(
        lines=tuple(line(f"wire {n}", LineState.WAITING, next_call=NOW + 60 * n) for n in range(9)), name="hub"),
    "time-unsure": box(
        time_sure=False, last_round=ROUND, queue=QUEUES[:1],
        lines=(line("cell", LineState.WAITING, since=NOW - 60, next_call=NOW + 600, last=CALL),)),
}  # fmt: skip

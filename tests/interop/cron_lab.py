# SPDX-License-Identifier: GPL-3.0-or-later
"""Random cron expressions, asked of the real nncp-cronexpr and of `muleteer.config.cron`.

By hand, for thousands: `PYTHONPATH=firmware python tests/interop/cron_lab.py SEED COUNT`.

The reference prints what follows the last time printed, as if that were one that the expression names. Where daylight
saving moved it, it is not, and all further lines follow from that; nncp-caller, which asks the clock anew, does not
do so. West of Greenwich it also goes back in time, again and again. Lines are compared up to the first of either.
"""

import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, zip_longest
from zoneinfo import ZoneInfo

from muleteer.config.cron import parse
from muleteer.errors import BadCron

ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "Africa/Casablanca"),
    *("Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/Havana"),
)
CHANGES = {
    "Europe/Berlin": ((28, 3, 2027), (31, 10, 2027), (26, 3, 2028)),
    "Europe/London": ((28, 3, 2027), (31, 10, 2027), (25, 3, 2029)),
    "America/New_York": ((14, 3, 2027), (7, 11, 2027), (12, 3, 2028)),
    "America/St_Johns": ((14, 3, 2027), (7, 11, 2027)),
    "Africa/Casablanca": ((7, 2, 2027), (14, 3, 2027), (5, 3, 2028)),
    "Asia/Beirut": ((28, 3, 2027), (31, 10, 2027)),
    "Australia/Lord_Howe": ((3, 10, 2027), (4, 4, 2027)),
    "Pacific/Chatham": ((26, 9, 2027), (4, 4, 2027)),
    "America/Havana": ((14, 3, 2027), (7, 11, 2027)),
}
"""Days on which the clock is put forward or back, or near it: day, month, year."""

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
RANGES = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "weekday": (0, 6),
    "year": (2024, 2040),
}
FIVE = ("minute", "hour", "day", "month", "weekday")
WRONG = (
    *("60", "x", "-1", "*/0", "*/61", "1-", "5#2", "L", "1/", ",", "24", "32", "13", "8", "2100", "1969", "?/2", "*-3"),
    *("1-2-3", "3W", "*5", "5*", "LW", "1-3W", "0", "007", "L-3", "1-5L", "mon", "feb", "MONDAY", "*/a", "32W", "0W"),
    *("8L", "5#0", "5#6", "#2", "W", "5##2", "5#2L", "é", "1.5", "+1", "\uff11", "*/99", "1-5#2", "wl", "7", "31"),
)
ALIASES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly", "@reboot", "@daily x", "@Daily", "@")
LINES = 8


@dataclass(frozen=True)
class Question:
    """What is asked: an expression, in a time zone, for how many times."""

    text: str
    zone: str
    lines: int = LINES


class Asker:
    """Makes expressions up, by its seed."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def question(self):
        return Question(self.expression(), self._random.choice(ZONES))

    def question_of_a_change(self):
        """Ask for times around one when the clock is put forward or back."""
        choose = self._random.choice
        zone = choose(sorted(CHANGES))
        day, month, year = choose(CHANGES[zone])
        minute = choose(["*/15", "*/7", "30", "0", "*", "5/20", "0,59"])
        hour = choose(["*", "0-4", "2", "1", "3", "1-3", "0", "*/2", "23,0,1"])
        days = choose([f"{day}", f"{max(1, day - 1)}-{day}", f"{day},L"])
        second = choose(["", "0 ", "59 ", "*/30 "])
        return Question(f"{second}{minute} {hour} {days} {month} * {year}", zone, choose([5, 30, 150]))

    def expression(self):
        pick = self._random.random()
        if pick < 0.03:
            return self._random.choice(ALIASES)
        names = FIVE if pick < 0.6 else (*FIVE, "year") if pick < 0.75 else ("second", *FIVE, "year")
        fields = [self._field(name) for name in names]
        if pick > 0.98:
            fields.append("ignored")
        return self._random.choice([" ", " ", " ", "\t", "  "]).join(fields)

    def _field(self, name):
        pick = self._random.random()
        if pick < 0.3:
            return self._random.choice("***?")
        if pick < 0.32:
            return self._random.choice(WRONG)
        return ",".join(self._entry(name) for _ in range(self._random.choice([1, 1, 1, 2, 2, 3])))

    def _entry(self, name):
        pick = self._random.random()
        step = self._random.randint(1, min(59, RANGES[name][1]))
        if pick < 0.2:
            return self._random.choice("*?")
        if pick < 0.5:
            (first, low), (last, high) = self._value(name), self._value(name)
            pair = f"{first}-{last}" if low <= high else f"{last}-{first}"
            return pair if pick < 0.4 else f"{pair}/{step}"
        if pick < 0.65:
            return f"*/{step}" if pick < 0.6 else f"{self._value(name)[0]}/{step}"
        if pick < 0.8 and name == "day":
            return self._random.choice(["L", "LW", "l", "lw", f"{self._random.randint(1, 31)}W"])
        if pick < 0.8 and name == "weekday":
            text = self._value(name)[0]
            return self._random.choice([f"{text}L", f"{text}#{self._random.randint(1, 5)}"])
        return self._value(name)[0]

    def _value(self, name):
        """Return a value as it is written, and its number."""
        number = self._random.randint(*RANGES[name])
        pick = self._random.random()
        names = {"month": MONTHS, "weekday": WEEKDAYS}.get(name)
        if names and pick < 0.4:
            word = names[number - RANGES[name][0]]
            return self._random.choice([word, word[:3], word[:3].upper(), word.title()]), number
        if name == "weekday" and number == 0 and pick < 0.7:
            return "7", number
        padded = not names and name != "year" and pick < 0.15
        return f"{number:02}" if padded else str(number), number


def offset_in(zone):
    """Return an Offset for a zone by name."""
    info = ZoneInfo(zone)
    return lambda unix: int(datetime.fromtimestamp(unix, info).utcoffset().total_seconds())


def difference(question, tally):
    """Return in words how ours differs from the reference's answer, None if it does not."""
    command = ["nncp-cronexpr", "-num", str(question.lines), question.text]
    environ = {**os.environ, "TZ": question.zone}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=20)
    try:
        ours = parse(question.text)
    except BadCron as error:
        tally["refused"] += 1
        return f"{question}: only we refuse it: {error}" if done.returncode == 0 else None
    if done.returncode:
        return f"{question}: only the reference refuses it: {done.stderr[:200]}"
    now, *theirs = [datetime.fromisoformat(line.split("\t")[1][:19] + "+00:00").timestamp() for line in _lines(done)]
    offset = offset_in(question.zone)
    found = list(_times(ours, now, offset, question.lines))
    same = next((at for at, pair in enumerate(pairwise(theirs), 1) if _astray(ours, pair, offset)), question.lines)
    tally["expressions"] += 1
    tally["times"] += len(theirs[:same])
    tally["moved by daylight saving"] += same < len(theirs)
    pairs = zip_longest(theirs[:same], found[:same])
    first = next((pair for pair in pairs if pair[0] != pair[1]), None)
    return None if first is None else f"{question}: {first[0]} is said, and by us {first[1]}"


def _astray(cron, pair, offset):
    return pair[1] <= pair[0] or not cron.matches(pair[0], offset)


def _lines(done):
    return [line for line in done.stdout.split("\n") if line]


def _times(cron, now, offset, lines):
    for _ in range(lines):
        now = cron.next(now, offset)
        if now is None:
            return
        yield now


def differences(questions, tally):
    """Ask all, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return [words for words in pool.map(lambda question: difference(question, tally), questions) if words]


if __name__ == "__main__":
    asker = Asker(int(sys.argv[1]))
    counts = Counter()
    asked = [asker.question() for _ in range(int(sys.argv[2]))]
    asked += [asker.question_of_a_change() for _ in range(int(sys.argv[2]) // 4)]
    told = differences(asked, counts)
    print(*told[:20], dict(counts), f"{len(told)} differences", sep="\n")

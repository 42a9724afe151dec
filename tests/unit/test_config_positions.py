# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the line of a key."""

import pytest

from muleteer.config.positions import hjson_lines, toml_lines

HJSON = """\
# spool: in a comment
/* neigh: {
   bob: */ { spool: /srv, not: a key {
  log: "x # y", "quoted key": 'it # s'
  Neigh:
  {
    bob: { id: ABC # quoteless: to the end of the line }
      exec: { mail: ["/bin/mail"
        "-x", "{"], other: [] }
      text: '''
        fake: 5
      '''
      calls: [ { cron: "*/2 * * * *" } // x
               { cron: "1" , nice: 5 }
      ]
    }, carol: { id: 5, rate: 7 }
  }
  after: 1
}
"""

TOML = '''\
nncp = "/x"   # [fake]
[carrier.stick]
nice = """
nice = 5
[fake]
"""
size = "5 MB"
[ runner . "blue one" ]
"label" = 'X'
carry = [
  "a", # b = 3
]
panel.lamps.power = 5
[panel]
lamps = { power = 5 }
x = \'\'\' """ \'\'\'
y = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("spool",), 3),
        (("log",), 4),
        (("quoted key",), 4),
        (("neigh", "bob"), 7),
        (("Neigh", "bob", "id"), 7),
        (("neigh", "bob", "exec", "mail"), 8),
        (("neigh", "bob", "exec", "mail", 0), 8),
        (("neigh", "bob", "exec", "mail", 1), 9),
        (("neigh", "bob", "exec", "other"), 9),
        (("neigh", "bob", "text"), 10),
        (("neigh", "bob", "fake"), 7),  # inside a text: the section around it
        (("neigh", "bob", "calls", 0, "cron"), 13),
        (("neigh", "bob", "calls", 1, "nice"), 14),
        (("neigh", "carol", "rate"), 16),
        (("neigh", "carol", "missing"), 16),
        (("after",), 18),
        (("nowhere",), None),
    ],
)
def test_hjson(path, line):
    assert hjson_lines(HJSON).of(path) == line


def test_hjson_without_braces():
    lines = hjson_lines("spool: /a\nneigh: {\n a: { id: x\n }\n}\nlog: /b")
    assert [lines.of(path) for path in [("spool",), ("neigh", "a", "id"), ("log",)]] == [1, 3, 6]


def test_of_a_key_written_twice_the_last():
    assert hjson_lines("a: 1\na: 2").of(("a",)) == 2


def test_hjson_of_many_lines_is_quick():
    # Two hundred neighbours; counting line feeds from the start for each key would still do, but not much worse.
    text = "neigh: {\n" + "".join(f"n{n}: {{\n id: X\n via: [a\n b\n]\n}}\n" for n in range(200)) + "}"
    assert hjson_lines(text).of(("neigh", "n199", "via", 1)) == 1 + 199 * 6 + 4


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("nncp",), 1),
        (("carrier", "stick"), 2),
        (("carrier", "stick", "nice"), 3),
        (("carrier", "stick", "size"), 7),
        (("runner", "blue one"), 8),
        (("runner", "blue one", "label"), 9),
        (("runner", "blue one", "carry", 0), 10),
        (("runner", "blue one", "panel", "lamps", "power"), 13),
        (("panel", "lamps"), 15),
        (("panel", "lamps", "power"), 15),
        (("panel", "y"), 17),
        (("fake",), None),
    ],
)
def test_toml(path, line):
    assert toml_lines(TOML).of(path) == line

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wrong nncp.hjson is told: where, what, and what would be right."""

import json
from pathlib import Path

import pytest

from muleteer.config.check import check
from muleteer.config.compiled import to_config, to_plain
from muleteer.config.complaints import COMPLAINTS_MAX, Complaints, show_path
from muleteer.config.load import load
from muleteer.config.model import NO_LIMIT, Call, Freq, Mail
from muleteer.config.read import read_config
from muleteer.config.write import new_keys
from muleteer.errors import ConfigError, ConfigErrors
from muleteer.formats.ids import b32encode

VECTORS = Path(__file__).parent.parent / "vectors" / "data" / "cfg"
KEYS = json.loads((VECTORS / "keys.json").read_text())["nodes"]
AREA = json.loads((VECTORS / "keys.json").read_text())["area_ar"]
BOB = "".join(f"      {key}: {KEYS['bob'][key]}\n" for key in ("id", "exchpub", "signpub", "noisepub"))
SELF = "".join(f"      {key}: {KEYS['alice'][key]}\n" for key in ("id", "exchpub", "signpub", "noisepub"))


def text(bob="", top="", bob_keys=BOB):
    return f"""\
spool: /srv/spool
log: /srv/log
{top}
neigh: {{
  self: {{
{SELF}  }}
  bob: {{
{bob_keys}{bob}
  }}
}}
"""


def parse(tmp_path, content):
    path = tmp_path / "nncp.hjson"
    path.write_text(content)
    return load(str(path), {}, ())


def complaint(tmp_path, content):
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, content)
    assert type(caught.value) is ConfigError, str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


def line(content, part):
    return next(number for number, found in enumerate(content.split("\n"), 1) if part in found)


BOB_COMPLAINTS = [
    ("incoming: here", "neigh.bob.incoming", "'here' is no absolute path. Begin it with `/`."),
    ("incoming: 5", "neigh.bob.incoming", "the number 5 stands where text is wanted. Put it in double quotes."),
    ("freq: {chunked: 0}", "neigh.bob.freq.chunked", "0 is no chunk size."),
    (
        "freq: {minsize: -1}",
        "neigh.bob.freq.minsize",
        "the number -1 stands where a whole number, not negative, is wanted.",
    ),
    ("freq: {maxsize: 1e18}", "neigh.bob.freq.maxsize", "1000000000000000000 KiB is beyond all bounds."),
    ("freq: {path: 'pub'}", "neigh.bob.freq.path", "'pub' is no absolute path."),
    ("freq: []", "neigh.bob.freq", "a list stands where {...} is wanted. Write { key: value } with braces."),
    ("rxrate: 1.5", "neigh.bob.rxrate", "the number 1.5 stands where a whole number is wanted."),
    (
        "rxrate: '5'",
        "neigh.bob.rxrate",
        "'5' stands where a whole number is wanted. Write digits only, without quotes.",
    ),
    ("rxrate: true", "neigh.bob.rxrate", "true stands where a whole number is wanted."),
    ("onlinedeadline: 0", "neigh.bob.onlinedeadline", "0 is no deadline. Write at least 1 (seconds)."),
    (
        "via: ['self', 'eve']",
        "neigh.bob.via[1]",
        "'eve' is no neighbour. Write the name of an entry in `neigh`, or its id.",
    ),
    ("via: 'self'", "neigh.bob.via", "a text stands where a list is wanted. Write [first, second] with brackets."),
    ("exec: {x: []}", "neigh.bob.exec.x", "it names no program."),
    ("exec: {x: ['']}", "neigh.bob.exec.x", "it names no program."),
    ("exec: {x.y: null}", 'neigh.bob.exec."x.y"', "it names no program."),
    (
        "calls: [{cron: '* * * * *', nice: FALSH\n}]",
        "neigh.bob.calls[0].nice",
        "'FALSH' is no niceness. Write FLASH, PRIORITY,",
    ),
    ("calls: [{cron: '* * * * *', xx: up\n}]", "neigh.bob.calls[0].xx", "'up' is no direction. Write rx or tx,"),
    (
        "calls: [{cron: daily\n}]",
        "neigh.bob.calls[0].cron",
        "'daily' is no cron expression: it has 1 field, not 5 to 7. Write minute,",
    ),
    (
        "calls: [{cron: '* * * * *', nock: yes\n}]",
        "neigh.bob.calls[0].nock",
        "'yes' stands where true or false is wanted.",
    ),
    ('addrs: {lan: "a\\u0000b"}', "neigh.bob.addrs.lan", "it holds a NUL character."),
]


@pytest.mark.parametrize(("bob", "where", "rest"), BOB_COMPLAINTS, ids=[case[1] for case in BOB_COMPLAINTS])
def test_complaints_about_a_neighbour(tmp_path, bob, where, rest):
    content = text(bob)
    shown = where.replace('"', "'")
    found = complaint(tmp_path, content)
    assert found.startswith(f"nncp.hjson: {shown} (line {line(content, bob.split(chr(10))[0])}): {rest}")


@pytest.mark.parametrize(
    ("top", "where", "rest"),
    [
        ("umask: 22", "umask", "the number 22 stands where text is wanted. Put it in double quotes."),
        ('umask: "9"', "umask", "'9' is no umask. Write octal digits in quotes, like \"022\"."),
        ("noprogress: yes", "noprogress", "'yes' stands where true or false is wanted."),
        ("mcd-send: {.*: soon\n}", "mcd-send..*", "'soon' stands where a whole number is wanted."),
        (f"areas: {{a: {{id: {AREA['id']}\nprv: {AREA['prv']}\n}}}}", "areas.a.prv", "it stands without `pub`."),
        ("areas: {a: {}}", "areas.a.id", "it is missing. Copy it again, whole: 52 characters A-Z and 2-7."),
        (f"areas: {{a: {{id: {AREA['id']}\nsubs: ['zoe']}}}}", "areas.a.subs[0]", "'zoe' is no neighbour."),
    ],
)
def test_complaints_about_the_rest(tmp_path, top, where, rest):
    found = complaint(tmp_path, text(top=top))
    assert f": {rest}" in found
    assert where.split(".")[0] in found
    assert "(line " in found


def test_missing_things(tmp_path):
    assert complaint(tmp_path, text().replace("spool: /srv/spool\n", "")).startswith(
        "nncp.hjson: spool: it is missing. "
    )
    assert "nncp.hjson: log: it is missing" in complaint(tmp_path, text().replace("log: /srv/log\n", ""))
    without_self = f"spool: /a\nlog: /b\nneigh: {{\n bob: {{\n{BOB}}}}}"
    assert complaint(tmp_path, without_self).startswith("nncp.hjson: neigh.self (line 3): it is missing. ")
    for name in ("id", "exchpub", "signpub"):
        keys = "".join(part for part in BOB.splitlines(keepends=True) if f" {name}:" not in part)
        found = complaint(tmp_path, text(bob_keys=keys))
        assert found.startswith(f"nncp.hjson: neigh.bob.{name} (line 11): it is missing. Copy it again, whole: 52")
    keys = "".join(part for part in BOB.splitlines(keepends=True) if "noisepub" not in part)
    assert parse(tmp_path, text(bob_keys=keys)).find("bob").noisepub is None


def test_a_key_never_appears_in_a_complaint(tmp_path):
    keys = new_keys()
    own = {name: b32encode(getattr(keys, name)) for name in keys.__match_args__}
    for name in ("exchprv", "signprv", "noiseprv"):
        for spoilt in (own[name][:-1], own[name].lower(), own[name] + "====", f'["{own[name]}"]', own[name][:40]):
            section = "\n".join(f"{key}: {spoilt if key == name else value}" for key, value in own.items())
            found = complaint(tmp_path, text(top=f"self: {{\n{section}\n}}"))
            assert f"self.{name} (line " in found
            for start in range(0, 40, 8):
                assert own[name][start : start + 8].lower() not in found.lower()


def test_all_complaints_come_at_once_in_the_order_of_lines(tmp_path):
    content = text("incoming: here\nrxrate: x\nvia: ['eve']", top="umask: 5")
    with pytest.raises(ConfigErrors) as caught:
        parse(tmp_path, content)
    lines = str(caught.value).split("\n")
    assert [part.split(" (")[0].rsplit(" ", 1)[1] for part in lines] == [
        "umask",
        "neigh.bob.incoming",
        "neigh.bob.rxrate",
        "neigh.bob.via[0]",
    ]
    assert caught.value.exit_code != ConfigError.exit_code


def test_a_thousand_complaints_are_one_screen(tmp_path):
    via = ", ".join(f'"n{number}"' for number in range(1000))
    with pytest.raises(ConfigErrors) as caught:
        parse(tmp_path, text(f"via: [{via}]"))
    lines = str(caught.value).split("\n")
    assert len(lines) == COMPLAINTS_MAX + 1
    assert lines[-1] == f"... and {1000 - COMPLAINTS_MAX} more."


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("spool: /a\nlog: [1, 2\n", "nncp.hjson (line 3): not valid Hjson: "),
        ("spool: /a\nneigh: {\n  a b: 1\n}", "nncp.hjson (line 3): not valid Hjson: Found whitespace in your key name"),
        ("/* never\nends", "nncp.hjson: not valid Hjson: a comment that never ends"),
        ("a: 1e999\n", "nncp.hjson: not valid Hjson: a comment that never ends, or a number beyond"),
        (f"a: {'9' * 5000}\n", "nncp.hjson: not valid Hjson: a comment that never ends, or a number beyond"),
        ("[" * 100_000, "nncp.hjson: not valid Hjson: it is nested too deep"),
        ("[1, 2]", "nncp.hjson: it holds no keys and values"),
        ('"text"', "nncp.hjson: it holds no keys and values"),
    ],
)
def test_texts_that_are_no_hjson(tmp_path, content, found):
    assert complaint(tmp_path, content).startswith(found)


def test_an_empty_file_says_what_is_needed(tmp_path):
    with pytest.raises(ConfigErrors, match="spool: it is missing") as caught:
        parse(tmp_path, "")
    assert len(str(caught.value).split("\n")) == 3


# ---------------------------------------------------------------------------------------------- right values

RICH = """
  incoming: "//srv/x/../in//"
  exec: {handle: ["/bin/prog", "-a", ""]}
  freq: {path: "/pub", chunked: 1, minsize: 2, maxsize: 3}
  via: ["self"]
  addrs: {lan: "[::1]:5400"}
  rxrate: -3
  txrate: 7
  onlinedeadline: 9
  maxonlinetime: 0
  calls: [
    {cron: "@daily"}
    {cron: "0 0 1 1 *", nice: "p+5", xx: "rx", addr: "lan", rxrate: 1, txrate: -1, onlinedeadline: 2, maxonlinetime: 3
     when-tx-exists: true, nock: true, mcd-ignore: true, autotoss: true, autotoss-doseen: true, autotoss-nofile: true
     autotoss-nofreq: true, autotoss-noexec: true, autotoss-notrns: true, autotoss-noarea: true}
    {cron: "* * * * *", addr: "other:5400"}
  ]
"""
RICH_TOP = f"""
umask: "027"
nohdr: true
mcd-listen: [".*"]
mcd-send: {{.*: 10}}
yggdrasil-aliases: {{a: b
}}
notify: {{
  file: {{from: "a@b", to: "c@d"}}
  freq: {{}}
  exec: {{bob.h: {{from: "x", to: "y"}}, "*.h": {{to: "z"}}, nobody: null}}
}}
self: {{
{"".join(f"{key}: {value}{chr(10)}" for key, value in KEYS["alice"].items())}}}
areas: {{
  news: {{id: {AREA["id"]}
   pub: {AREA["pub"]}
   prv: {AREA["prv"]}
   subs: ["bob"], incoming: "relative/./x"
   exec: {{h: ["p"]}}, allow-unknown: true}}
}}
unknown-key: [1, {{}}]
"""


def test_every_value_of_a_rich_configuration(tmp_path):
    config = parse(tmp_path, text(RICH, RICH_TOP))
    bob = config.find("bob")
    assert bob.incoming == "/srv/in"
    assert bob.exec == {"handle": ("/bin/prog", "-a", "")}
    assert bob.freq == Freq("/pub", 1024, 2048, 3072)
    assert bob.via == (config.me.id,)
    assert (bob.rxrate, bob.txrate, bob.onlinedeadline, bob.maxonlinetime) == (0, 7, 9, 0)
    assert bob.calls[0] == Call("@daily", 255, None, None, 0, 7, 9, 0, *[False] * 10)
    assert bob.calls[1] == Call("0 0 1 1 *", 101, "rx", "[::1]:5400", 1, 0, 2, 3, *[True] * 10)
    assert bob.calls[2].addr == "other:5400"
    assert (config.umask, config.nohdr, config.noprogress) == (0o27, True, False)
    assert (config.mcd_listen, config.mcd_send, config.yggdrasil_aliases) == ((".*",), {".*": 10}, {"a": "b"})
    assert config.notify.file == Mail("a@b", "c@d")
    assert config.notify.freq == Mail("", "")
    assert config.notify.for_exec("bob", "h") == Mail("x", "y")
    assert config.notify.for_exec("eve", "h") == Mail("", "z")
    assert config.notify.for_exec("eve", "other") is None
    area = config.find_area("news")
    assert area is config.find_area(AREA["id"])
    assert (area.subs, area.incoming, area.exec, area.allow_unknown) == ((bob.id,), "relative/x", {"h": ("p",)}, True)
    assert to_config(to_plain(config)) == config


def test_defaults(tmp_path):
    config = parse(tmp_path, text("freq: {}"))
    assert config.find("bob").freq == Freq(None, 0, 0, NO_LIMIT)
    assert config.me.freq is None
    assert (config.own, config.umask, config.areas, config.notify.exec) == (None, None, {}, {})


def test_a_name_that_looks_like_an_id_wins(tmp_path):
    content = text(top="").replace("  bob: {", f"  {KEYS['dave']['id']}: {{")
    assert b32encode(parse(tmp_path, content).find(KEYS["dave"]["id"]).id) == KEYS["bob"]["id"]


def test_self_wins_over_another_name_of_this_node(tmp_path):
    # Configurations shared among nodes list every node, this one too, by its name.
    content = text(bob_keys=SELF)
    config = parse(tmp_path, content)
    assert list(config.neighbours) == [config.me.id]
    assert config.find("bob").name == "self"


@pytest.mark.parametrize(
    ("top", "spool"),
    [
        ("spool: /twice", "/twice"),
        ("Spool: /other", "/srv/spool"),  # capitals come first, so the small one wins
        ("SPOOL: relative", "/srv/spool"),
        ("\u017fpool: /long-s", "/long-s"),  # folds to an s and comes after it
    ],
)
def test_keys_written_twice(tmp_path, top, spool):
    assert parse(tmp_path, text(top=top)).spool == spool


def test_spellings_of_one_section_merge(tmp_path):
    content = text("Freq: {path: '/a', chunked: 4}\nfreq: {path: '/b'}\nEXEC: {x: ['a']}\nexec: {y: ['b']}")
    bob = parse(tmp_path, content).find("bob")
    assert bob.freq == Freq("/b", 4096)
    assert bob.exec == {"x": ("a",), "y": ("b",)}


def test_a_byte_order_mark_is_no_harm(tmp_path):
    path = tmp_path / "nncp.hjson"
    path.write_text(text(), encoding="utf-8-sig")
    assert load(str(path), {}, ()).spool == "/srv/spool"


def test_half_a_surrogate_becomes_the_replacement_character(tmp_path):
    config = parse(tmp_path, text('addrs: {"\\ud800": "x\\udc80", pair: "\\ud83d\\ude00"}'))
    assert config.find("bob").addrs == {"\ufffd": "x\ufffd", "pair": "\U0001f600"}
    json.dumps(config.find("bob").addrs).encode()


def test_a_multiline_text_on_the_first_line_keeps_its_spaces(tmp_path):
    # The library would take the indent of a ''' text on line 1 from the end of the file.
    path = tmp_path / "nncp.hjson"
    path.write_text("{spool: '''/a\n          b''', log: /l\n" + text().split("log: /srv/log\n")[1] + "     }")
    assert read_config(str(path))[0].spool == "/a\n  b"


def test_paths_are_shown_as_people_write_them():
    assert show_path(("neigh", "bob", "calls", 0, "cron")) == "neigh.bob.calls[0].cron"
    assert show_path(("notify", "exec", "*.h")) == "notify.exec.'*.h'"
    assert show_path(("a", "", "\x1b[2J")) == "a.''.'\\x1b[2J'"


def test_a_checker_without_lines():
    with pytest.raises(ConfigErrors, match="spool: it is missing"):
        check({}, "x", Complaints("x", lambda _: None))

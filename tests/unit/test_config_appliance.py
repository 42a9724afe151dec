# SPDX-License-Identifier: GPL-3.0-or-later
"""muleteer.toml: defaults, values and complaints."""

from pathlib import Path

import pytest

import muleteer.config
from muleteer.config.appliance import (
    AgentRules,
    BayRule,
    NeighbourRule,
    PanelRules,
    RunnerRule,
    TossRules,
    load_appliance,
    parse_appliance,
    require_known_names,
)
from muleteer.config.carrier_rules import CarrierRule
from muleteer.config.load import load
from muleteer.errors import ConfigError, ConfigErrors

EXAMPLE = Path(muleteer.config.__file__).parent / "example.toml"
ALICE = Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"


def parse(text):
    return parse_appliance(text.encode(), "muleteer.toml")


def complaint(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert type(caught.value) is ConfigError, str(caught.value)
    return str(caught.value)


def test_an_empty_file_is_a_whole_box():
    box = parse("")
    assert box.nncp == "/etc/nncp.hjson"
    assert box.agent == AgentRules("muleteer", "/run/muleteer/agent.sock")
    assert box.toss == TossRules("/usr/local/bin:/usr/bin:/bin", 600, True)
    assert box.carriers == {"stick": CarrierRule("stick", "stick", 255, None)}
    assert box.bays == {"usb": BayRule("usb", "stick", None, "*")}
    assert (box.runners, box.neighbours) == ((), {})
    assert box.panel == PanelRules("none", None, {}, {})
    assert box.neighbour("cabin") == NeighbourRule("cabin", True, False, 14 * 86400)


def test_the_example_says_the_defaults():
    # The example promises that what stands in it uncommented is the default.
    example, empty = load_appliance(str(EXAMPLE)), parse("")
    for field in ("nncp", "agent", "toss", "carriers", "bays", "runners", "neighbours", "panel"):
        assert getattr(example, field) == getattr(empty, field), field


def test_the_commented_lines_of_the_example_are_valid():
    lines = EXAMPLE.read_text().split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("[agent]"))
    code = [
        line[2:] if line.startswith("# ") and ("=" in line or line.startswith("# [")) else line
        for line in lines[start:]
    ]
    prose = [line for line in code if not line.startswith(("#", "[")) and line and "=" not in line]
    assert not prose, prose
    box = parse("\n".join(line for line in code if line[:1] != "#" and not line.startswith(("Lamps", "hardware"))))
    assert box.carriers["stick"].size == 500 * 10**9
    assert box.bays["simulated"].directory == "/srv/muleteer/bay"
    assert box.bays["left"].port == "platform-*-usb-0:1.2*"
    assert box.runners == (RunnerRule("blue", "BLUE", None, None, 96, 100 * 10**6, ("cabin", "self"), True),)
    assert box.neighbours == {"cabin": NeighbourRule("cabin", True, True, 14 * 86400)}
    assert box.panel.lamps == {"power": 5, "working": 6, "attention": 13}
    assert box.panel.pull == {"usb": 19}
    assert box.panel.png == "/run/muleteer/frames"


def test_a_bay_without_a_word_takes_the_only_carrier():
    box = parse('[carrier.slow]\nnice = 64\n[bay.x]\ndirectory = "/b"')
    assert box.bays["x"].carrier == "slow"
    assert box.carriers["slow"].nice == 64
    assert parse("[carrier.slow]\n").bays["usb"].carrier == "slow"


COMPLAINTS = [
    (
        '[carrier.stick]\n\nnice = "FALSH"',
        (
            "carrier.stick.nice (line 3): 'FALSH' is no niceness. "
            "Write FLASH, PRIORITY, NORMAL, BULK, MAX, FLASH+1... or 1-255."
        ),
    ),
    ("[carrier.stick]\nnice = 0", "carrier.stick.nice (line 2): '0' is no niceness. Write FLASH"),
    ("[carrier.stick]\nnice = true", "carrier.stick.nice (line 2): true stands where a whole number is wanted."),
    ("[carrier.stick]\nnice = 1.5", "carrier.stick.nice (line 2): 1.5 stands where a text is wanted."),
    (
        "[carrier.stick]\nsize = 5",
        'carrier.stick.size (line 2): 5 has no unit. Write a number and a unit, like "64 KiB"',
    ),
    ('[carrier.stick]\nsize = "5 mb"', "carrier.stick.size (line 2): '5 mb' is no size. Write a number and a unit"),
    (
        '[carrier.stick]\nkind = "sneaker"',
        "carrier.stick.kind (line 2): 'sneaker' is not possible here. Known here: net, pipe, stick.",
    ),
    ("[toss]\ntime_limit = 600", "toss.time_limit (line 2): 600 has no unit."),
    (
        '[toss]\ntime_limit = "10 m"',
        "toss.time_limit (line 2): '10 m' is no duration. Write a number and a unit, like \"10 min\"",
    ),
    ('[toss]\nseen = "yes"', "toss.seen (line 2): 'yes' stands where true or false is wanted."),
    ("[toss]\nseen = 1", "toss.seen (line 2): 1 stands where true or false is wanted."),
    ('[toss]\npath = "/bin:"', "toss.path (line 2): not all of its directories are absolute."),
    ('[toss]\npath = "bin"', "toss.path (line 2): not all of its directories are absolute."),
    ("nccp = 5", "nccp (line 1): nothing is known by this name. Did you mean `nncp`?"),
    ('nncp = "nncp.hjson"', "nncp (line 1): 'nncp.hjson' is no absolute path. Begin it with `/`."),
    ("[agnet]\n", "agnet (line 1): nothing is known by this name. Did you mean `agent`?"),
    ("zzz = 1", "zzz (line 1): nothing is known by this name. Known here: agent, bay, carrier, "),
    ("agent = 5", "agent (line 1): 5 stands where a table is wanted."),
    ('[agent]\nname = ""', "agent.name (line 2): '' is no text that can be used."),
    ('[agent]\nname = "a\\u001b[2J"', "agent.name (line 2): 'a\\x1b[2J' is no text that can be used."),
    (f'[agent]\nsocket = "/{"x" * 107}"', "agent.socket (line 2): this path is too long for a socket."),
    ("[bay.left]\n", "bay.left (line 1): it says neither `directory` nor `port`."),
    ('[bay.left]\nport = "*"\ndirectory = "/b"', "bay.left (line 1): it says both `directory` and `port`."),
    (
        '[bay.left]\nport = "*"\ncarrier = "stik"',
        "bay.left.carrier (line 3): 'stik' is no carrier. Did you mean `stick`?",
    ),
    ('[bay."a\\tb"]\nport = "*"', "this name cannot be shown. Choose one of at most 32 letters."),
    ("[runner.blue]\n", "runner.blue (line 1): it does not say which stick it is."),
    ('[runner.blue]\nlabel = "B"\ncarry = "x"', "runner.blue.carry (line 3): 'x' stands where a list is wanted."),
    ('[runner.blue]\nlabel = "B"\ncarry = ["x", 5]', "runner.blue.carry[1] (line 3): 5 stands where a text is wanted."),
    (
        "[neighbour.cabin]\nacknowleges = true",
        "neighbour.cabin.acknowleges (line 2): nothing is known by this name. Did you mean `acknowledges`?",
    ),
    ('[panel]\noled = "ssd1306"', "panel.oled (line 2): 'ssd1306' is not possible here. Did you mean `ssd1306-128x"),
    ("[panel.lamps]\npower = 28", "panel.lamps.power (line 2): 28 is no pin of the header. Write a BCM number, 0-27."),
    ("[panel.lamps]\npower = 5\nworking = 5", "panel.lamps.working (line 3): pin 5 is already the lamp of `power`."),
    ("[panel.lamps.pull]\nlift = 5", "panel.lamps.pull.lift (line 2): nothing is known by this name. Known here: usb."),
    ("[panel\n", "muleteer.toml (line 1): not valid TOML: "),
    ("a = 1\na = 2\n", "muleteer.toml (line 2): not valid TOML: cannot overwrite a value"),
    (f"a = {'[' * 100_000}", "muleteer.toml: not valid TOML: nested too deep"),
    (f"a = {'9' * 5000}", "muleteer.toml: not valid TOML: nested too deep, or a number beyond all bounds"),
]


@pytest.mark.parametrize(("text", "found"), COMPLAINTS, ids=range(len(COMPLAINTS)))
def test_complaints(text, found):
    assert found in complaint(text)


def test_several_complaints_come_together():
    with pytest.raises(ConfigErrors) as caught:
        parse('[agent]\nnmae = "x"\n[carrier.stick]\nnice = "x"\nsize = "y"\n')
    assert [line.split(":")[1] for line in str(caught.value).split("\n")] == [
        " agent.nmae (line 2)",
        " carrier.stick.nice (line 4)",
        " carrier.stick.size (line 5)",
    ]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no such file\. Copy example\.toml there"):
        load_appliance(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_appliance(str(tmp_path))
    (tmp_path / "latin").write_bytes(b"# fine\n# \xe9")
    with pytest.raises(ConfigError, match=r"latin \(line 2\): byte 0xE9 is not UTF-8"):
        load_appliance(str(tmp_path / "latin"))


def test_a_file_written_on_windows(tmp_path):
    path = tmp_path / "muleteer.toml"
    path.write_bytes(b'\xef\xbb\xbf[agent]\r\nname = "home"\r\n')
    assert load_appliance(str(path)).agent.name == "home"


def test_names_must_be_neighbours(tmp_path):
    config = load(str(ALICE), {}, ())
    path = tmp_path / "muleteer.toml"
    path.write_text('[neighbour.bob]\n[runner.x]\nlabel = "X"\ncarry = ["carol", "self"]\n')
    require_known_names(load_appliance(str(path)), config)
    path.write_text('[neighbour.bbo]\n\n[runner.x]\nlabel = "X"\ncarry = ["eve"]\n')
    with pytest.raises(ConfigErrors) as caught:
        require_known_names(load_appliance(str(path)), config)
    first, second = str(caught.value).split("\n")
    assert "neighbour.bbo (line 1): 'bbo' is no neighbour in " in first
    assert first.endswith("Did you mean `bob`?")
    assert "runner.x.carry (line 5): 'eve' is no neighbour in " in second
    assert second.endswith("Known here: bob, carol, dave, self.")
    gone = load_appliance(str(path))
    path.unlink()
    with pytest.raises(ConfigErrors, match=r"neighbour\.bbo: 'bbo'"):
        require_known_names(gone, config)


def test_a_misspelt_table_that_only_a_dotted_header_makes_is_told_with_its_line():
    with pytest.raises(ConfigError) as caught:
        parse_appliance(b"# rules\n[carier.usb]\nnice = 7\n", "muleteer.toml")
    assert "line 2" in str(caught.value)
    assert "carrier" in str(caught.value)


def test_a_misspelt_directory_is_not_answered_with_the_advice_to_open_all_ports():
    with pytest.raises(ConfigError) as caught:
        parse_appliance(b'[bay.left]\ndirectry = "/srv/bay"\n', "muleteer.toml")
    assert "directory" in str(caught.value)
    assert "port" not in str(caught.value)

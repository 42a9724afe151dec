# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer VERB``: dispatch, help, and exit statuses."""

import sys
import types

import pytest

from muleteer import __version__
from muleteer.cli.main import VERBS, main
from muleteer.errors import SpoolMissing


@pytest.fixture
def verb(monkeypatch):
    """A verb of our own; `verb.does` is what it does."""
    module = types.ModuleType("muleteer_test_verb")
    module.does = lambda _args: 0
    module.add_arguments = lambda parser: parser.add_argument("--number", type=int, default=0)
    module.run = lambda args: module.does(args)  # noqa: PLW0108 - `does` is set later
    monkeypatch.setitem(sys.modules, "muleteer_test_verb", module)
    monkeypatch.setitem(VERBS, "test", ("muleteer_test_verb", "a verb for tests"))
    return module


def ended(words):
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


def test_a_verb_gets_its_arguments_and_gives_the_status(verb):
    verb.does = lambda args: args.number
    assert main(["test", "--number", "7"]) == 7


def test_an_error_is_its_sentence_and_its_code(verb, capsys):
    def missing(_args):
        raise SpoolMissing(path="/nowhere", problem="gone")

    verb.does = missing
    assert main(["test"]) == SpoolMissing.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("muleteer test: Cannot stat spool /nowhere: gone.")


def test_ctrl_c(verb):
    def interrupted(_args):
        raise KeyboardInterrupt

    verb.does = interrupted
    assert main(["test"]) == 130


@pytest.mark.parametrize(
    "words", [[], ["nosuchverb"], ["--nosuchflag"], ["test", "--nosuchflag"], ["test", "--number", "x"]]
)
def test_misuse_ends_with_2(verb, capsys, words):
    assert ended(words) == 2
    assert "usage: muleteer" in capsys.readouterr().err


def test_help_names_every_verb(capsys):
    assert ended(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in VERBS)


def test_version(capsys):
    assert ended(["--version"]) == 0
    assert capsys.readouterr().out == f"Muleteer {__version__}\n"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_describes_itself(capsys, name):
    assert ended([name, "--help"]) == 0
    assert f"usage: muleteer {name}" in capsys.readouterr().out

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the source tree and keeps the house in order: import arrows, toll gates, hot path, docstrings, dead modules."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
from dataclasses import dataclass

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "firmware" / "muleteer"

# Which layer may import which. `errors`, `record` and the package itself are open to all.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "record": set(),
    "crypto": set(),
    "formats": {"crypto"},
    "config": {"formats", "crypto"},
    "spool": {"formats", "crypto"},
    "tossing": {"spool", "formats", "config", "crypto"},
    "carriers": {"spool", "config", "formats", "crypto"},
    "hotplug": {"config", "formats"},
    "agent": {"carriers", "hotplug", "tossing", "spool", "config", "formats", "crypto"},
    "panel": {"agent", "config", "spool"},
    "demo": {"agent", "panel", "spool", "config", "formats", "crypto"},
    "cli": {"demo", "agent", "panel", "carriers", "hotplug", "tossing", "spool", "config", "formats", "crypto"},
    "testing": {"agent", "panel", "carriers", "hotplug", "tossing", "spool", "config", "formats", "crypto", "cli"},
}

# One library (or one dangerous piece of the standard library), one owner.
GATES: dict[str, tuple[str, ...]] = {
    "pyudev": ("hotplug.udev",),
    "serial": (),
    "RPi": ("panel.pins",),
    "luma": ("panel.oled", "panel.draw"),
    "PIL": ("panel.",),
    "hjson": ("config.hjson",),
    "tomllib": ("config.toml",),
    "zstandard": ("formats.zstd",),
    "nacl": ("crypto.",),
    "cryptography": ("crypto.",),
    "blake3": ("crypto.",),
    "_blake2": ("crypto.",),
    "hashlib": ("crypto.",),
    "random": ("testing.",),
    "secrets": (),
    "subprocess": ("tossing.handles", "hotplug.mounts", "demo.", "testing."),
    "trio": ("agent.", "carriers.", "panel.app", "panel.feed", "hotplug.", "cli."),
    "datetime": ("agent.clock",),
}

# Attributes of `os`/`time` that only one module may touch. config.cache keeps nothing that must last, the mount helper
# is a program of its own with root rights that imports next to nothing.
CALL_GATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            f"os.{verb}"
            for verb in (
                *("rename", "replace", "renames", "unlink", "remove", "removedirs", "mkdir", "makedirs", "rmdir"),
                *("link", "symlink", "fsync", "fdatasync", "sync", "truncate", "ftruncate", "write", "posix_fallocate"),
            )
        ),
        ("spool.disk", "config.cache", "hotplug.mount_helper", "testing."),
    ),
    **dict.fromkeys(("time.time", "time.time_ns", "time.localtime", "time.gmtime"), ("agent.clock", "testing.")),
    "os.urandom": ("crypto.entropy",),
    "os.getrandom": ("crypto.entropy",),
    "os.system": (),
    "os.popen": (),
}

# What an nncp-* command pays for at every start (milliseconds of import, measured in DECISIONS.md).
SLOW_IMPORTS = (
    *("argparse", "asyncio", "base64", "collections", "contextlib", "cryptography", "dataclasses", "datetime", "enum"),
    *("functools", "hashlib", "hjson", "json", "logging", "nacl", "pathlib", "re", "shutil", "subprocess", "tempfile"),
    *("tomllib", "trio", "typing", "urllib", "zstandard"),
)
HOT = (
    *("crypto.", "formats.", "spool.", "tossing.", "config.model", "config.load", "config.cache", "carriers.xfer"),
    *("cli.nncp", "cli.flags"),
)
HOT_EXCEPT = ("formats.zstd", "crypto.aead_bulk", "tossing.handles")

ENTRIES = ("cli.main", "cli.nncp", "hotplug.mount_helper")
THREADS = ("spool.overlap", "tossing.channel")  # the top of a thread: hands whatever happened to the thread that waits
BANNED_NAMES = ("utils", "helpers", "common", "misc", "util")
LINES_MAX = 400


@dataclass(frozen=True)
class Module:
    name: str
    path: pathlib.Path
    text: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]


def read_modules() -> list[Module]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        text = path.read_text("utf-8")
        modules.append(Module(".".join(parts), path, text, ast.parse(text)))
    return modules


MODULES = read_modules()
BY_NAME = {module.name: module for module in MODULES}


def imports(tree: ast.AST) -> list[tuple[str, int]]:
    """Every imported module name in the tree with its line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def is_typing_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def top_level_imports(tree: ast.Module) -> list[tuple[str, int]]:
    """What importing the module imports: not what stands in functions or under TYPE_CHECKING."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += imports(ast.Module([node], []))
        elif isinstance(node, ast.If | ast.Try) and not is_typing_block(node):
            found += [pair for child in ast.iter_child_nodes(node) for pair in imports(child)]
    return found


def allowed(module: str, owners: tuple[str, ...]) -> bool:
    return any(module == owner or (owner.endswith(".") and module.startswith(owner)) for owner in owners)


def local(name: str) -> str | None:
    return name.removeprefix("muleteer.") if name.startswith("muleteer.") else None


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_imports_follow_the_arrows(module: Module) -> None:
    if module.layer == "__init__":
        return
    may = ARROWS[module.layer] | {module.layer, "errors", "record", "__version__"}
    ours = [(low, line) for name, line in imports(module.tree) if (low := local(name))]
    wrong = [(low, line) for low, line in ours if low.split(".")[0] not in may]
    assert not wrong, f"{module.name} may not import {wrong}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_toll_gates(module: Module) -> None:
    for name, line in imports(module.tree):
        owners = GATES.get(name.split(".")[0])
        assert owners is None or allowed(module.name, owners), f"{module.name}:{line} imports {name}, owned by {owners}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_dangerous_calls_stay_with_their_owner(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owners = CALL_GATES.get(f"{node.value.id.replace('posix', 'os')}.{node.attr}")
            where = f"{module.name}:{node.lineno} {node.value.id}.{node.attr}"
            assert owners is None or allowed(module.name, owners), where
        opens = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        if opens and module.layer != "testing":
            second = node.args[1] if len(node.args) > 1 else None
            mode = second.value if isinstance(second, ast.Constant) else "r"
            assert set(str(mode)) <= set("rbt"), f"{module.name}:{node.lineno} opens a file for writing"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_hot_path_imports_nothing_slow(module: Module) -> None:
    if not any(module.name.startswith(hot) for hot in HOT) or module.name in HOT_EXCEPT:
        return
    paid = [(name, line) for name, line in top_level_imports(module.tree) if name != "nacl._sodium"]
    slow = [(name, line) for name, line in paid if name.split(".")[0] in SLOW_IMPORTS]
    assert not slow, f"{module.name} imports {slow} at start-up"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_module_says_what_it_is(module: Module) -> None:
    assert module.text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
    assert ast.get_docstring(module.tree), f"{module.name} has no docstring"
    assert module.name.rsplit(".", 1)[-1] not in BANNED_NAMES
    assert module.text.count("\n") <= LINES_MAX, f"{module.name} holds more than one idea"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_broad_except_only_at_the_top_of_a_process(module: Module) -> None:
    if module.name in (*ENTRIES, *THREADS):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            kind = node.type
            broad = kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
            reraises = any(isinstance(child, ast.Raise) and child.exc is None for child in ast.walk(node))
            assert not broad or reraises, f"{module.name}:{node.lineno} catches everything"


def test_no_dead_modules() -> None:
    used = {low for module in MODULES for name, _ in imports(module.tree) if (low := local(name))}
    used |= {low.rsplit(".", 1)[0] for low in used if "." in low}
    text = "\n".join(module.text for module in MODULES)
    dead = [
        module.name
        for module in MODULES
        if not module.name.endswith("__init__")
        and module.name not in ENTRIES
        and module.layer != "testing"
        and module.name not in used
        and f'"muleteer.{module.name}"' not in text  # lazily imported by name
        and f'"{module.name.split(".")[-1]}"' not in text
    ]
    assert not dead, f"nobody imports {dead}"


def test_error_sentences_and_exit_codes() -> None:
    sys.path.insert(0, str(PACKAGE.parent))
    from muleteer import errors

    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.MuleteerError)]
    assert len(kinds) > 20
    codes = [k.exit_code for k in kinds if k.exit_code != 1]
    assert len(codes) == len(set(codes)), "two errors share an exit code"
    for kind in kinds:
        assert str(kind()).strip(), kind


def test_no_loose_ends_in_the_words() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        if path == pathlib.Path(__file__):
            continue
        found = words.search(path.read_text("utf-8"))
        assert not found, f"{path}: {found and found.group()}: an open point is an issue"


def test_top_level_is_fixed() -> None:
    fixed = {"pyproject.toml", "firmware", "image", "tests", "hw", "README.md", "LICENSE", "Makefile"}
    allowed_names = fixed | {"build", "dist"}  # what building leaves
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names <= allowed_names, names - allowed_names

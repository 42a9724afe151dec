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

# All that the outermost layers may import.
PRODUCT = (
    *("agent", "panel", "carriers", "engines", "hotplug", "tossing"),
    *("spool", "config", "formats", "crypto"),
)

# Which layer may import which. `errors`, `record` and the package itself are open to all.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "record": set(),
    "crypto": set(),
    "formats": {"crypto"},
    "config": {"formats", "crypto"},
    "spool": {"formats", "crypto"},
    "tossing": {"spool", "formats", "config", "crypto"},
    "engines": {"formats", "crypto"},
    "carriers": {"engines", "spool", "config", "formats", "crypto"},
    "hotplug": {"config", "formats"},
    "agent": {"carriers", "engines", "hotplug", "tossing", "spool", "config", "formats", "crypto"},
    "panel": {"agent", "config", "spool"},
    "demo": {"agent", "panel", "spool", "config", "formats", "crypto"},
    "cli": {"demo", *PRODUCT},
    "testing": {"cli", *PRODUCT},
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
    "subprocess": ("tossing.handles", "carriers.pipe", "hotplug.mounts", "demo.", "testing."),
    "trio": ("agent.", "carriers.", "panel.app", "panel.feed", "hotplug.", "cli."),
    "datetime": ("agent.clock",),
}

# Calls that only one module may make, by their full name however they were imported. config.cache keeps nothing that
# must last, the mount helper is a program of its own with root rights that imports next to nothing, the demonstration
# tidies up after itself.
WRITERS = ("spool.disk", "config.cache", "hotplug.mount_helper", "testing.")
OPENERS = (*WRITERS, "config.read", "cli.nncp_hash", "cli.nncp_say", "hotplug.reach")  # the latter four open to read
CALL_GATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            f"os.{verb}"
            for verb in (
                *("rename", "replace", "renames", "unlink", "remove", "removedirs", "mkdir", "makedirs", "rmdir"),
                *("link", "symlink", "fsync", "fdatasync", "sync", "truncate", "ftruncate", "write", "posix_fallocate"),
            )
        ),
        WRITERS,
    ),
    "os.open": OPENERS,
    "os.write": (*WRITERS, "carriers.link"),  # into a pipe or socket
    "io.FileIO": ("cli.nncp_say",),  # around descriptors 0 to 2
    "io.open": (),
    **dict.fromkeys(
        (f"shutil.{verb}" for verb in ("rmtree", "copytree", "copy", "copy2", "copyfile", "move")),
        ("cli.demo", "testing."),
    ),
    **dict.fromkeys(
        ("os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp"), ("testing.",)
    ),
    **dict.fromkeys((f"os.exec{form}" for form in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")), ()),
    **dict.fromkeys(("time.time", "time.time_ns", "time.gmtime"), ("agent.clock", "testing.")),
    "time.localtime": ("config.zone", "testing."),  # the offset of an instant that it is given
    "os.urandom": ("crypto.entropy",),
    "os.getrandom": ("crypto.entropy",),
}

# The panel is a client of the agent and no part of it.
CLIENT_SIDE = ("agent.status", "agent.control_client", "agent.clock")

# What an nncp-* command pays for at every start (milliseconds of import, measured in DECISIONS.md).
SLOW_IMPORTS = (
    *("argparse", "asyncio", "base64", "collections", "contextlib", "cryptography", "dataclasses", "datetime", "enum"),
    *("functools", "hashlib", "hjson", "json", "logging", "nacl", "pathlib", "re", "shutil", "subprocess", "tempfile"),
    *("tomllib", "trio", "typing", "urllib", "zstandard"),
)
HOT = (
    *(
        "crypto.",
        "formats.",
        "engines.",
        "spool.",
        "tossing.",
        "config.model",
        "config.load",
        "config.cache",
        "config.cron",
        "config.zone",
    ),
    *(f"carriers.{name}" for name in ("address", "call", "downloads", "exchange", "inflow", "link", "listener")),
    *(
        f"carriers.{name}"
        for name in ("multicast", "online", "outflow", "socks", "spending", "stream", "tcp", "traffic")
    ),
    *("carriers.xfer", "cli.nncp", "cli.flags"),
)
HOT_EXCEPT = ("formats.zstd", "crypto.aead_bulk", "tossing.handles")

ENTRIES = ("cli.main", "cli.nncp", "hotplug.mount_helper")
THREADS = ("spool.overlap", "spool.checker", "tossing.channel")  # the top of a thread: who waits learns what happened
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


def full_names(tree: ast.Module) -> list[tuple[str, int]]:
    """Every name that is used from an imported module, in full (``os.rename``), whatever it is called here."""
    modules: dict[str, str] = {}
    names: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            names.append((f"{modules[node.value.id]}.{node.attr}", node.lineno))
    return [(f"os.{name.removeprefix('posix.')}" if name.startswith("posix.") else name, line) for name, line in names]


def trespasses(name: str, layer: str, tree: ast.Module) -> list[str]:
    """What a module does that only others may."""
    found = []
    for call, line in full_names(tree):
        owners = CALL_GATES.get(call)
        if owners is not None and not allowed(name, owners):
            found.append(f"{name}:{line} {call}, owned by {owners}")
    for node in ast.walk(tree):
        opens = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        if opens and layer != "testing":
            modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
            mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else "r" if not modes else "?"
            if not set(str(mode)) <= set("rbt"):
                found.append(f"{name}:{node.lineno} opens a file for writing")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_dangerous_calls_stay_with_their_owner(module: Module) -> None:
    assert not trespasses(module.name, module.layer, module.tree)


@pytest.mark.parametrize(
    "line",
    [
        "from os import rename",
        "import posix as p\np.unlink('x')",
        "import os as o\no.open('x', 1)",
        "import shutil\nshutil.rmtree('x')",
        "import os\nos.posix_spawn('x', [], {})",
        "from time import time",
        "open('x', 'w')",
        "open('x', mode='ab')",
        "mode = 'w'\nopen('x', mode)",
        "import io\nio.FileIO('x', 'w')",
    ],
)
def test_the_toll_gates_are_closed(line: str) -> None:
    assert trespasses("tossing.incoming", "tossing", ast.parse(line))


@pytest.mark.parametrize("module", [m for m in MODULES if m.layer == "panel"], ids=lambda m: m.name)
def test_the_panel_is_a_client_of_the_agent(module: Module) -> None:
    inside = [low for name, _ in imports(module.tree) if (low := local(name)) and low.startswith("agent.")]
    assert all(low.startswith(CLIENT_SIDE) for low in inside), inside


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

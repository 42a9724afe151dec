# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of nncp.hjson beside the reference's.

Two oracles: `nncp-cfgdir -dump` writes the parsed tree, one file per value, without checking it; `nncp-stat` checks.
"""

import json
import os
import posixpath
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muleteer.config import hjson
from muleteer.config.complaints import Complaints
from muleteer.config.load import load
from muleteer.config.schema import SCHEMA
from muleteer.config.shape import fit
from muleteer.config.write import new_area_text, new_keys, new_node_text, stripped_text
from muleteer.errors import ConfigError

pytestmark = pytest.mark.interop

VECTORS = Path(__file__).parent.parent / "vectors" / "data" / "cfg"
KEYS = json.loads((VECTORS / "keys.json").read_text())["nodes"]
AREA = json.loads((VECTORS / "keys.json").read_text())["area_ar"]


def public(name):
    return {key: KEYS[name][key] for key in ("id", "exchpub", "signpub", "noisepub")}


def tree(**more):
    return {
        "spool": "/srv/spool",
        "log": "/srv/log",
        "self": KEYS["alice"],
        "neigh": {"self": public("alice"), "bob": public("bob")},
        **more,
    }


def write(directory, content):
    """Write a configuration with an existing spool; return its path.

    Not in ASCII, as the reference reads escaped surrogate pairs as two unknown characters.
    """
    (directory / "spool").mkdir(exist_ok=True)
    path = directory / "nncp.hjson"
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text.replace("/srv/spool", str(directory / "spool")))
    return str(path)


def reference_accepts(path):
    return subprocess.run(["nncp-stat", "-cfg", path], capture_output=True, check=False).returncode == 0


def reference_tree(path):
    """Return the files of nncp-cfgdir -dump, or None if it does not parse."""
    target = path + ".dir"
    shutil.rmtree(target, ignore_errors=True)
    run = subprocess.run(["nncp-cfgdir", "-cfg", path, "-dump", target], capture_output=True, check=False)
    if run.returncode:
        return None
    found = {}
    for root, _, names in os.walk(target):
        for name in names:
            file = os.path.join(root, name)
            found[os.path.relpath(file, target)] = Path(file).read_bytes()
    # nncp-cfgdir writes some empty lists and leaves others out
    return {name: data for name, data in found.items() if data != b"\n"}


def our_tree(path):
    """Return what nncp-cfgdir would dump of what we parsed, or None if we do not."""
    try:
        raw = hjson.parse(Path(path).read_text(), path)
        complaints = Complaints(path, lambda _: None)
        fitted = fit(SCHEMA, raw, (), complaints)
        complaints.raise_if_any()
    except ConfigError:
        return None
    files = {}
    dump(fitted, "", files)
    # A key may hold slashes; as a path it is cleaned.
    return {posixpath.normpath(name): data for name, data in files.items() if data != b"\n"}


def dump(value, name, files):
    if isinstance(value, dict):
        for key, item in value.items():
            dump(item, f"{name}/{key}" if name else key, files)
    elif isinstance(value, list) and name.endswith("/calls"):
        for index, item in enumerate(value):
            dump(item or {}, f"{name}/{index}", files)
    elif isinstance(value, list):
        files[name] = ("\n".join(value) + "\n").encode()
    elif value is True:
        files[name] = b""
    elif value is not None and value is not False:
        files[name] = f"{value}\n".encode()


def we_accept(path):
    try:
        load(path, {}, ())
    except ConfigError:
        return False
    return True


# ------------------------------------------------------------------------------------------ the same tree

PATHS = st.sampled_from(["/srv/in", "//a/../b//", "/", "/a/./b/../../..", "relative", ""])
WORDS = st.text(st.sampled_from("abcXYZ019 .,:;#/*'\"{}[]\\-+\u00e9\U0001f600"), max_size=12)
NAMES = st.sampled_from(["lan", "a.b", "X", "x", "*.h", "42", "true", "with-dash", "\u00e9", "self", "bob"])
NUMBERS = st.integers(1, 10**6) | st.sampled_from([0, -1, 1.0, 1e3, 2.5, 10**15])
ODD = st.sampled_from([None, True, 5, "5", [], {}, [None], {"a": None}])


def mostly(right):
    """Draw a right value nineteen times, and once anything."""
    return st.integers(0, 18).flatmap(lambda n: right if n else ODD)


def record(**fields):
    spelled = {name.replace("_", "-"): mostly(value) for name, value in fields.items()}
    return st.fixed_dictionaries({}, optional=spelled)


CALL = st.builds(
    lambda cron, rest: {"cron": cron, **rest},
    st.sampled_from(["* * * * *", "@daily", "*/5 1-3 1,2 jan mon"]),
    record(
        nice=st.sampled_from(["BULK", "p+5", "7", "max"]),
        xx=st.sampled_from(["rx", "tx"]),
        addr=NAMES | WORDS,
        nock=st.booleans(),
        autotoss_noexec=st.booleans(),
        when_tx_exists=st.booleans(),
        rxrate=NUMBERS,
        onlinedeadline=st.integers(1, 99),
    ),
)
NODE = record(
    incoming=PATHS,
    exec=st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=3), max_size=3),
    freq=record(path=PATHS, chunked=NUMBERS, minsize=NUMBERS, maxsize=NUMBERS),
    via=st.lists(st.sampled_from(["bob", "self", KEYS["bob"]["id"]]), max_size=2),
    addrs=st.dictionaries(NAMES, WORDS, max_size=3),
    rxrate=NUMBERS,
    txrate=NUMBERS,
    onlinedeadline=st.integers(1, 99),
    maxonlinetime=NUMBERS,
    calls=st.lists(CALL, max_size=2),
    unknown=ODD,
)
AREAS = st.builds(
    lambda rest: {"id": AREA["id"], **rest},
    record(
        pub=st.just(AREA["pub"]),
        prv=st.just(AREA["prv"]),
        subs=st.lists(st.sampled_from(["bob", "self"])),
        incoming=PATHS,
        allow_unknown=st.booleans(),
    ),
)
REST = record(
    umask=st.sampled_from(["022", "0", "177777", "200000", "9", ""]),
    noprogress=st.booleans(),
    nohdr=st.booleans(),
    mcd_listen=st.lists(NAMES, max_size=2),
    mcd_send=st.dictionaries(NAMES, NUMBERS, max_size=2),
    yggdrasil_aliases=st.dictionaries(NAMES, WORDS, max_size=2),
    areas=st.dictionaries(NAMES, AREAS, max_size=1),
)


def test_every_tree_means_the_same_to_both(tmp_path):
    seen = []

    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(node=NODE, rest=REST, spelling=st.sampled_from([str, str.upper, str.capitalize]), twice=NODE)
    def compare(node, rest, spelling, twice):
        whole = tree(**{spelling(key): value for key, value in rest.items()})
        whole["neigh"]["bob"] = {**public("bob"), **{spelling(key): value for key, value in twice.items()}, **node}
        path = write(tmp_path, whole)
        assert our_tree(path) == reference_tree(path)
        accepted = reference_accepts(path)
        if not without_program(path):
            assert we_accept(path) == accepted
        seen.append(accepted)

    compare()
    assert sum(seen) > len(seen) // 5  # a test that compares refusals only would prove little


def without_program(path):
    """Tell whether a handle names no program: what we refuse and the reference does not."""
    try:
        load(path, {}, ())
    except ConfigError as error:
        return "names no program" in str(error)
    return False


# ------------------------------------------------------------------------------------------ the same notation

PIECES = [
    *["a", "b", "z9", " ", "\n", ",", ":", "'", '"', "'''", "#", "//", "/*", "*/", "{", "}", "[", "]", "\\", "\t"],
    *["null", "true", "false", "1", "0", "-", ".5", "e3", "\u00e9", "\\u00e9", "\\n", "\r\n", '"x"', "'y'", "key:"],
]
SNIPPETS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(snippet=SNIPPETS)
def test_what_both_parse_they_parse_alike(tmp_path, snippet):
    path = write(tmp_path, f"spool: /s\nneigh: {{\n self: {{\n  addrs: {{\n   a: {snippet}\n   b: c\n  }}\n }}\n}}\n")
    theirs, ours = reference_tree(path), our_tree(path)
    assert theirs is None or ours is None or ours == theirs
    assert theirs is None or ours is not None


PLACES = ["{0}\nspool: /s\n", "{{{0}\nspool: /s }}", "neigh: {{ self: {{ exec: {{ {0} }} }} }}", "mcd-listen: [ {0} ]"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(snippet=SNIPPETS, place=st.sampled_from(PLACES))
def test_everywhere_in_a_file(tmp_path, snippet, place):
    path = write(tmp_path, place.format(snippet))
    theirs, ours = reference_tree(path), our_tree(path)
    if ours is None and "/*" in snippet:
        return  # a comment that never ends: to the reference the rest of the file, to us a slip
    assert theirs is None or ours == theirs


# ------------------------------------------------------------------------------------------ what each writes


@pytest.mark.parametrize("comments", [True, False])
def test_the_reference_reads_our_new_node(tmp_path, comments):
    keys = new_keys()
    path = write(tmp_path, new_node_text(keys, comments=comments, spool="/srv/spool"))
    assert reference_accepts(path)
    config = load(path, {}, ())
    assert config.own == keys
    assert config.me.id == keys.id
    assert config.mcd_send == ({".*": 10} if comments else {})
    assert our_tree(path) == reference_tree(path)
    run = subprocess.run(
        ["nncp-file", "-quiet", "-cfg", path, "-", "self:hello"], input=b"x", capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert len(list((tmp_path / "spool").glob(f"{keys.id}/tx/*"))) == 2  # the packet and hdr/


def test_commented_examples_are_valid_too(tmp_path):
    # What the template shows in comments must be right once the signs are removed.
    text = new_node_text(new_keys(), comments=True, spool="/srv/spool")
    bob = public("bob")
    lines = [line.replace("#   # ", "").replace("# ", "", 1) for line in text.splitlines() if "# " in line]
    code = [line for line in text.splitlines() if "# " not in line]
    shown = [
        line for line in lines if any(f" {key}:" in f" {line}" for key in ("onlinedeadline", "maxonlinetime", "rxrate"))
    ]
    assert len(shown) == 3
    whole = (
        "\n".join(code[:-2])
        + "\nbob: {"
        + "\n".join(f"{k}: {v}" for k, v in bob.items())
        + "\n"
        + "\n".join(shown)
        + "\n}}}"
    )
    path = write(tmp_path, whole)
    assert reference_accepts(path)
    assert load(path, {}, ()).find("bob").onlinedeadline == 60


@pytest.mark.parametrize("comments", [True, False])
def test_the_reference_reads_our_new_area(tmp_path, comments):
    node = new_node_text(new_keys(), comments=False, spool="/srv/spool").rstrip().removesuffix("}")
    path = write(tmp_path, node + new_area_text("news", comments=comments) + "}")
    assert reference_accepts(path)
    assert our_tree(path) == reference_tree(path)
    area = load(path, {}, ()).find_area("news")
    assert area.pub
    assert area.prv


@pytest.mark.parametrize("arguments", [[], ["-nocomments"]])
def test_we_read_the_references_new_node(tmp_path, arguments):
    text = subprocess.run(["nncp-cfgnew", *arguments], capture_output=True, check=True).stdout.decode()
    path = write(tmp_path, text)
    config = load(path, {}, ())
    assert config.own
    assert config.me.id == config.own.id
    assert config.me.exec == {"sendmail": ("/usr/sbin/sendmail",)}
    assert our_tree(path) == reference_tree(path)


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_stripped_configurations_are_equal_byte_for_byte(name):
    path = str(VECTORS / f"{name}.hjson")
    theirs = subprocess.run(["nncp-cfgmin", "-cfg", path], capture_output=True, check=True).stdout.decode()
    assert stripped_text(load(path, {}, ())) == theirs


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(spool=WORDS.map(lambda text: f"/srv/{text}"), log=WORDS.map(lambda text: f"/{text}"), name=WORDS)
def test_stripped_configurations_are_read_by_both(tmp_path, spool, log, name):
    whole = tree(spool=spool, log=log)
    whole["neigh"][name] = public("carol")
    config = load(write(tmp_path, whole), {}, ())
    stripped = tmp_path / "stripped.hjson"
    stripped.write_text(stripped_text(config))
    again = load(str(stripped), {}, ())
    assert (again.spool, again.log, again.aliases, again.own) == (config.spool, config.log, config.aliases, None)
    assert {node.exchpub for node in again.neighbours.values()} == {node.exchpub for node in config.neighbours.values()}
    theirs = subprocess.run(["nncp-cfgmin", "-cfg", str(stripped)], capture_output=True, check=False)
    assert theirs.returncode == 0, theirs.stderr
    assert (
        theirs.stdout.decode()
        == subprocess.run(
            ["nncp-cfgmin", "-cfg", str(tmp_path / "nncp.hjson")], capture_output=True, check=True
        ).stdout.decode()
    )


def test_a_stripped_configuration_without_noise_key(tmp_path):
    whole = tree()
    del whole["neigh"]["bob"]["noisepub"]
    path = write(tmp_path, whole)
    theirs = subprocess.run(["nncp-cfgmin", "-cfg", path], capture_output=True, check=True).stdout.decode()
    assert stripped_text(load(path, {}, ())) == theirs


def test_an_encrypted_configuration_is_recognised(tmp_path):
    from muleteer.errors import NotYetSupported

    blob = VECTORS.parent / "eblob" / "small.eblob"
    blobs = [blob] if blob.exists() else sorted((VECTORS.parent / "eblob").glob("*.eblob"))
    assert blobs
    with pytest.raises(NotYetSupported, match="encrypted"):
        load(str(blobs[0]), {}, ())
    with pytest.raises(NotYetSupported, match="directory"):
        load(str(VECTORS / "alice.cfgdir"), {}, ())

"""A directory of links in place of the eggs: Python sees the same with it as without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipe.disk import links
from support import CACHE, PYTHON, TESTS

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
PKG_RESOURCES = "__import__('pkg_resources').declare_namespace(__name__)\n"
EITHER = f"""
# See https://setuptools.pypa.io/
try:
    {PKG_RESOURCES.strip()}
except ImportError:
    from pkgutil import extend_path
    __path__ = extend_path(__path__, __name__)
"""

#: The last release with pkg_resources.
SETUPTOOLS = "setuptools == 81.0.0"


@pytest.fixture(scope="session")
def pkg_resources() -> str:
    """A directory with pkg_resources, which not every Python has any more."""
    directory = CACHE / "setuptools-81"
    if not (directory / "pkg_resources").is_dir():
        command = ["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(directory), SETUPTOOLS]
        subprocess.run([sys.executable, *command], check=True)
    return str(directory)


def egg(
    directory: Path, name: str, files: Mapping[str, str], version: str = "1.0", points: str = "", info: str = "EGG-INFO"
) -> str:
    """Make an egg, with the metadata in EGG-INFO or in NAME-VERSION.dist-info; return its path."""
    path = directory / f"{name}-{version}-py{PYTHON}.egg"
    metadata = "EGG-INFO/PKG-INFO" if info == "EGG-INFO" else f"{name}-{version}.dist-info/METADATA"
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    more = {os.path.dirname(metadata) + "/entry_points.txt": points} if points else {}
    write(path, {**files, metadata: text, **more})
    return str(path)


def write(directory: Path, files: Mapping[str, str]) -> str:
    """Write files below a directory; a module says that it is that directory's."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"WHO = {directory.name + ':' + name!r}\n")
    return str(directory)


def zipped(path: str) -> str:
    """Pack an egg into one file of the same name."""
    directory = Path(path)
    directory.rename(f"{path}.unpacked")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(Path(f"{path}.unpacked").rglob("*")):
            archive.write(file, file.relative_to(f"{path}.unpacked"))
    return path


#: For each question a child, with these paths in front of the others.
PROBE = f"""
import json, os, sys
sys.path.insert(0, {str(TESTS)!r})
import importlib.metadata, pkgutil, visible
more = sys.argv[1:]
sys.path[0:1] = more
if more:
    import pkg_resources
for line in sys.stdin:
    path, names = json.loads(line)
    sys.stdout.flush()
    if os.fork() == 0:
        sys.path[0:0] = path
        print(json.dumps(visible.seen(names)), flush=True)
        os._exit(0)
    os.wait()
"""

#: Processes that look, by what they have on their path; a Python with pkg_resources starts slowly.
lookers: dict[str, subprocess.Popen[str]] = {}


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    for process in lookers.values():
        process.communicate()
    lookers.clear()


def view(paths: Sequence[str], names: Sequence[str], more: str = "") -> dict[str, Any]:
    """What Python sees with these paths, and `more`, a directory, at their end."""
    if more not in lookers:
        command = [sys.executable, "-W", "ignore", "-c", PROBE, *[more] * bool(more)]
        lookers[more] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process = lookers[more]
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps([paths, names]) + "\n")
    process.stdin.flush()
    return dict(json.loads(process.stdout.readline()))


def views(paths: Sequence[Sequence[str]], names: Sequence[str], more: str = "") -> list[dict[str, Any]]:
    """What Python sees with each of these paths."""
    return [view(each, names, more) for each in paths]


def linked(paths: Sequence[str], location: Path) -> links.Tree:
    """The directory for these paths, made."""
    tree = links.plan(paths, str(location))
    assert tree is not None
    links.make(tree)
    return tree


def check(paths: Sequence[str], location: Path, *names: str, more: str = "") -> tuple[links.Tree, dict[str, str]]:
    """See that the directory is as good as the paths; return it, and who the modules are that it was asked for."""
    tree = linked([*paths, *[more] * bool(more)], location)
    before, after = views([paths, tree.paths], names, more)
    if more:  # by its rules a module may be there and not be found
        del before["modules"], after["modules"]
    assert before == after
    return tree, before["imported"]


@pytest.mark.parametrize("init", ["", PKGUTIL, EITHER])
def test_a_namespace_is_merged(tmp_path: Path, init: str) -> None:
    """Of PEP 420, of pkgutil, and of pkg_resources where there is none."""
    more = {"ns/__init__.py": init} if init else {}
    paths = [
        egg(tmp_path, "ns.one", {**more, "ns/one/__init__.py": "", "ns/one/deep.py": ""}),
        egg(tmp_path, "ns.two", {**more, "ns/two/__init__.py": "", "single.py": ""}),
        egg(tmp_path, "plain", {"plain/__init__.py": "", "plain/data/text.txt": "x"}, info="dist-info"),
    ]
    tree, imported = check(paths, tmp_path / "part", "ns.one.deep", "ns.two", "ns", "single", "plain")
    assert tree.paths == (tree.directory,)
    assert imported["ns.two"] == f"ns.two-1.0-py{PYTHON}.egg:ns/two/__init__.py"
    lib = Path(tree.directory)
    assert not (lib / "ns").is_symlink()
    assert (lib / "ns/one").readlink() == Path(paths[0], "ns/one")
    # A whole package is one link
    assert (lib / "plain").readlink() == Path(paths[2], "plain")
    assert (lib / "ns/__init__.py").exists() == bool(init)


@pytest.mark.parametrize("init", [PKG_RESOURCES, EITHER])
def test_a_namespace_of_pkg_resources(tmp_path: Path, pkg_resources: str, init: str) -> None:
    paths = [
        egg(tmp_path, f"ns.{name}", {"ns/__init__.py": init, "ns/in_/__init__.py": init, f"ns/in_/{name}.py": ""})
        for name in ("one", "two")
    ]
    # pkg_resources has never found a portion without __init__
    paths.append(egg(tmp_path, "ns.three", {"ns/three/__init__.py": ""}))
    tree, imported = check(paths, tmp_path / "part", "ns.in_.one", "ns.in_.two", "ns.three", more=pkg_resources)
    assert tree.paths == (tree.directory, pkg_resources)
    assert imported == {
        "ns.in_.one": f"ns.one-1.0-py{PYTHON}.egg:ns/in_/one.py",
        "ns.in_.two": f"ns.two-1.0-py{PYTHON}.egg:ns/in_/two.py",
        "ns.three": "ModuleNotFoundError",
    }


@pytest.mark.parametrize("init", ["", PKGUTIL])
def test_a_develop_egg_stays_and_shares_a_namespace(tmp_path: Path, init: str) -> None:
    more = {"ns/__init__.py": init} if init else {}
    src = write(tmp_path / "src", {**more, "ns/own/__init__.py": "", "own.egg-info/PKG-INFO": "Name: own\nVersion: 2"})
    paths = [src, egg(tmp_path, "ns.one", {**more, "ns/one/__init__.py": ""})]
    tree, imported = check(paths, tmp_path / "part", "ns.own", "ns.one")
    assert tree.paths == (src, tree.directory)
    assert imported["ns.own"] == "src:ns/own/__init__.py"
    # What comes later is seen by the next start, without buildout
    write(tmp_path / "src", {"ns/new.py": "", "ns/one.py": ""})
    before, after = views([paths, tree.paths], ["ns.new", "ns.one"])
    assert before == after
    assert after["imported"] == {"ns.new": "src:ns/new.py", "ns.one": "src:ns/one.py"}


def test_a_zipped_egg_stays(tmp_path: Path) -> None:
    files = {"ns/zipped.py": "", "top.py": "", "ns/taken.py": ""}
    paths = [
        egg(tmp_path, "first", {"ns/first.py": ""}),
        zipped(egg(tmp_path, "ns.zipped", files)),
        egg(tmp_path, "third", {"ns/third.py": ""}),
        # Were it in the directory, it would come before the one that wins now
        egg(tmp_path, "fourth", {"ns/taken.py": "", "fourth.py": ""}),
    ]
    tree, imported = check(paths, tmp_path / "part", "ns.first", "ns.zipped", "ns.third", "ns.taken", "fourth")
    assert tree.paths == (tree.directory, paths[1], paths[3])
    assert imported["ns.taken"] == f"ns.zipped-1.0-py{PYTHON}.egg:ns/taken.py"


def test_the_first_of_two_wins_and_it_is_said(tmp_path: Path) -> None:
    paths = [
        egg(tmp_path, "one", {"tests/__init__.py": "", "a.py": "", "README": "1", "docs/x.txt": "1", "n/b.py": ""}),
        egg(tmp_path, "two", {"tests/__init__.py": "", "a/__init__.py": "", "README": "2", "n/b/__init__.py": ""}),
        egg(tmp_path, "three", {"tests/__init__.py": "", "docs/y.txt": "3", "tests/more.py": ""}),
    ]
    tree, imported = check(paths, tmp_path / "part", "a", "tests", "n.b", "tests.more")
    assert imported == {
        "a": f"one-1.0-py{PYTHON}.egg:a.py",
        "tests": f"one-1.0-py{PYTHON}.egg:tests/__init__.py",
        "n.b": f"one-1.0-py{PYTHON}.egg:n/b.py",
        "tests.more": "ModuleNotFoundError",
    }
    assert links.shadows(tree) == (
        "several eggs contain the same module; Python imports "
        f"a from one-1.0-py{PYTHON}.egg, not from two-1.0-py{PYTHON}.egg; "
        f"n.b from one-1.0-py{PYTHON}.egg, not from two-1.0-py{PYTHON}.egg; "
        f"tests from one-1.0-py{PYTHON}.egg, not from two-1.0-py{PYTHON}.egg, three-1.0-py{PYTHON}.egg"
    )
    assert Path(tree.directory, "README").read_text() == "1"
    assert sorted(os.listdir(f"{tree.directory}/docs")) == ["x.txt", "y.txt"]


@pytest.mark.parametrize("available", [True, False])
def test_the_init_of_the_first_counts(tmp_path: Path, pkg_resources: str, available: bool) -> None:
    more = EITHER + "WHO = 'it is the second'\n"
    paths = [
        egg(tmp_path, "ns.one", {"ns/__init__.py": EITHER + "WHO = 'it is the first'\n", "ns/one.py": ""}),
        egg(tmp_path, "ns.two", {"ns/__init__.py": more, "ns/two.py": ""}),
    ]
    where = {"more": pkg_resources} if available else {}
    _, imported = check(paths, tmp_path / "part", "ns.one", "ns.two", "ns", **where)
    assert imported["ns"] == "it is the first"
    assert imported["ns.two"] == f"ns.two-1.0-py{PYTHON}.egg:ns/two.py"
    # One that stays, between the directory and the one that would follow it
    paths = [
        egg(tmp_path, "other", {"other.py": ""}),
        write(tmp_path / "src", {"ns/__init__.py": more, "ns/own.py": ""}),
        *paths,
    ]
    tree, imported = check(paths, tmp_path / "part", "ns.own", "ns.one", "ns.two", "ns", **where)
    assert tree.paths[:3] == (tree.directory, paths[1], paths[2])
    assert imported["ns"] == "it is the second"


def test_metadata(tmp_path: Path, pkg_resources: str) -> None:
    """Both kinds, for importlib.metadata and for pkg_resources."""
    points = "[console_scripts]\nrun = one:run\n[group]\nx.y = one.sub\n"
    paths = [
        egg(tmp_path, "Some.Name_x", {"one.py": ""}, "1.0.post1", points),
        egg(tmp_path, "two", {"two.py": ""}, "2.0a1", points, "dist-info"),
    ]
    write(Path(paths[0]), {"EGG-INFO/requires.txt": "two>=1\n", "EGG-INFO/top_level.txt": "one\n"})
    tree, _ = check(paths, tmp_path / "part")
    assert sorted(os.listdir(tree.directory)) == [
        f"Some.Name_x-1.0.post1-py{PYTHON}.egg-info", "__pycache__", "one.py", "two-2.0a1.dist-info", "two.py",
    ]  # fmt: skip
    code = (
        "import pkg_resources as p, json\n"
        "p.require('Some.Name_x')\n"
        "known = {d.key: [d.version, str(d.requires()), sorted(map(str, d.get_entry_map('group').values()))]\n"
        "         for d in p.working_set if d.key in ('some.name-x', 'two')}\n"
        "found = sorted(f'{e.dist.key} {e}' for e in p.iter_entry_points('group'))\n"
        "import importlib.metadata as m\n"
        "print(json.dumps([known, found, m.version('Some.Name_x'), m.entry_points(group='group')['x.y'].value]))\n"
    )
    told = []
    for each in (paths, tree.paths):
        path = os.pathsep.join([*each, pkg_resources])
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE
        )
        told.append(json.loads(done.stdout))
    assert told[0] == told[1]
    assert told[0][2:] == ["1.0.post1", "one.sub"]
    assert len(told[0][0]) == 2


def test_compiled_files_are_shared(tmp_path: Path) -> None:
    """They are made once, and not again for each directory."""
    path = egg(tmp_path, "one", {"one.py": "", "ns/two.py": "", "pkg/__init__.py": ""})
    paths = [path, egg(tmp_path, "two", {"ns/three.py": ""})]
    subprocess.run([sys.executable, "-m", "compileall", "-q", path], check=True)
    tree = linked(paths, tmp_path / "part")
    name = f"__pycache__/one.{sys.implementation.cache_tag}.pyc"
    assert Path(tree.directory, name).resolve() == Path(path, name)
    before = Path(path, name).stat().st_mtime_ns
    imported = view(tree.paths, ["one", "ns.two", "ns.three", "pkg"])["imported"]
    assert "ModuleNotFoundError" not in imported.values()
    assert Path(path, name).stat().st_mtime_ns == before
    assert Path(tree.directory, name).is_symlink()


def test_nothing_to_link(tmp_path: Path) -> None:
    assert links.plan([write(tmp_path / "src", {"a.py": ""}), str(tmp_path / "gone")], str(tmp_path)) is None


def test_the_same_eggs_are_the_same_directory(tmp_path: Path) -> None:
    paths = [egg(tmp_path, "one", {"one.py": "", "ns/a.py": ""}), egg(tmp_path, "two", {"ns/b.py": ""})]
    tree = linked(paths, tmp_path / "part")
    assert not links.make(tree)
    assert links.plan(paths, str(tmp_path / "part")) == tree
    # An egg that was made anew at the same place
    write(Path(paths[1]), {"ns/c.py": ""})
    changed = links.plan(paths, str(tmp_path / "part"))
    assert changed is not None
    assert changed.directory != tree.directory


def test_what_cannot_be_linked_leaves_nothing(tmp_path: Path) -> None:
    """As where names that differ in their case only are one to the file system."""
    links_of_one_name = {"a": "/one", "./a": "/two"}
    tree = links.Tree(str(tmp_path / "lib-0123456789ab"), (), frozenset(), links_of_one_name, {})
    with pytest.raises(links.LinkError, match="File exists"):
        links.make(tree)
    assert list(tmp_path.iterdir()) == []


# --- any set of eggs --------------------------------------------------------------------------

FORMS = {
    "portion": {"{}/data.txt": "data"},
    "module": {"{}.py": ""},
    "package": {"{}/__init__.py": ""},
    "pkgutil": {"{}/__init__.py": PKGUTIL},
    "pkg_resources": {"{}/__init__.py": EITHER},
}
NAMES = ("a", "b", "a/c", "a/d", "a/c/e", "a/c/f")


@st.composite
def entries(draw: st.DrawFn) -> list[tuple[str, dict[str, str]]]:
    """Entries of a path: the kind of each, and its files."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        files: dict[str, str] = {}
        for name in NAMES:
            form = draw(st.sampled_from(["", *FORMS]))
            parent = name.rpartition("/")[0]
            if form == "pkg_resources" and files.get(f"{parent}/__init__.py") == "":
                continue  # it would make a namespace of the package that it is in
            if form and (not parent or any(file.startswith(f"{parent}/") for file in files)):
                files |= {pattern.format(name): text for pattern, text in FORMS[form].items()}
        found.append((draw(st.sampled_from(["egg", "egg", "egg", "dist-info", "develop", "zipped"])), files))
    return found


def _made(kind: str, directory: Path, name: str, files: dict[str, str]) -> str:
    if kind == "develop":
        return write(directory / name, files or {"unused.txt": "data"})
    path = egg(directory, name, files, info="EGG-INFO" if kind != "dist-info" else kind)
    return zipped(path) if kind == "zipped" else path


@pytest.mark.parametrize("available", [True, False])
def test_any_eggs_are_seen_as_before(
    tmp_path_factory: pytest.TempPathFactory, pkg_resources: str, available: bool
) -> None:
    """Whatever the eggs hold in common, with pkg_resources and without."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(entries())
    @example(
        [
            ("develop", {"a/data.txt": "data", "a/c.py": ""}),
            ("egg", {"a/__init__.py": PKGUTIL}),
            ("egg", {}),
            ("egg", {"a/data.txt": "data", "a/c.py": ""}),
        ]
    )
    @example(
        [
            ("develop", {"a/__init__.py": EITHER}),
            ("egg", {}),
            ("egg", {"a/__init__.py": "", "a/d.py": ""}),
            ("develop", {"a/__init__.py": "", "a/d.py": ""}),
        ]
    )
    @example(
        [
            ("develop", {"a/data.txt": "data", "a/d/__init__.py": EITHER}),
            ("egg", {}),
            ("egg", {"a/data.txt": "data", "a/d.py": ""}),
        ]
    )
    def check_them(described: list[tuple[str, dict[str, str]]]) -> None:
        directory = tmp_path_factory.mktemp("eggs")
        paths = [_made(kind, directory, f"p{number}", files) for number, (kind, files) in enumerate(described)]
        more = pkg_resources if available else ""
        tree = links.plan([*paths, *[more] * available], str(directory / "part"))
        if tree is None:
            return
        links.make(tree)
        names = [name.replace("/", ".") for name in NAMES]
        before, after = views([paths, tree.paths], names, more)
        assert before["imported"] == after["imported"]
        assert before["distributions"] == after["distributions"]

    check_them()

"""Malformed parts, as data in ``malformed/``: each is answered with exactly the lines that stand below it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from parts import part
from recipe.buildout.checks import describe_part
from recipe.buildout.part import Part
from recipe.common.problems import Problems
from recipe.describe.bases import FILE_STORAGE, ZEO_CLIENT
from recipe.describe.instance import OF_SERVER
from recipe.options import declared
from recipe.options.declare import Applies, Context, Into, Option
from support import Buildout

MALFORMED = Path(__file__).parent / "malformed"
NAME = "instance"


@dataclass(frozen=True)
class Case:
    """A part, as the text of its options, and the errors and warnings that it is answered with."""

    id: str
    text: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def cases() -> list[Case]:
    found = []
    for file in sorted(MALFORMED.glob("*.cfg")):
        pieces = re.split(r"(?m)^\[([\w-]+)\]\n", file.read_text(encoding="utf-8"))
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            lines = text.split("\n")
            errors, warnings = (tuple(line[3:] for line in lines if line.startswith(mark)) for mark in ("#! ", "#? "))
            options = "\n".join(line for line in lines if not line.startswith(("#! ", "#? ")))
            found.append(Case(f"{file.stem}/{name}", options.strip(), errors, warnings))
    return found


def told(text: str | dict[str, str]) -> Problems:
    """What a part is answered with; its buildout is the directory of the malformed parts."""
    problems = Problems(NAME)
    directory = str(MALFORMED)
    context = Context(NAME, directory, f"{directory}/parts/{NAME}", f"{directory}/bin")
    options = part(text) if isinstance(text, str) else text
    describe_part(Part(None, NAME, options, options, context, False), problems)
    return problems


def plain(lines: list[str]) -> tuple[str, ...]:
    return tuple(line.removeprefix(f"[{NAME}] ").replace(str(MALFORMED), "BD") for line in lines)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_malformed_part_is_told(case: Case) -> None:
    problems = told(case.text)
    assert (plain(problems.errors), plain(problems.warnings)) == (case.errors, case.warnings)
    for line in (*problems.errors, *problems.warnings):
        assert re.match(rf"\[{NAME}\] [\w*-]+: ", line)
        assert line.isprintable(), line


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("a\0b", r"'a\x00b' contains '\x00', which a file cannot contain. Allowed: one line of text."),
        ("a\ud800", r"'a\ud800' contains '\ud800', which a file cannot contain. Allowed: one line of text."),
        ("a\rb", "'a b' has more than one line. Allowed: one line of text."),
    ],
)
def test_what_no_file_can_hold_is_refused(value: str, error: str) -> None:
    """A part has it from another recipe only: buildout's file cannot hold it either."""
    assert plain(told({"sentry_dsn": "https://k@example.com/1", "sentry_environment": value}).errors) == (
        f"sentry_environment: {error}",
    )


def test_there_are_enough_of_them() -> None:
    assert len([case for case in cases() if case.errors]) >= 150
    assert len({case.id for case in cases()}) == len(cases())


#: Options that take any text, or that no text of theirs makes wrong before buildout itself reads them.
ANYTHING_GOES = {"eggs", "scripts", "arguments", "extra-paths", "zope-conf-imports", "sentry_ignore"}


def test_every_option_that_can_be_wrong_is_wrong_once() -> None:
    wrong = {line.partition(":")[0] for case in cases() for line in case.errors}
    names = {option.name: option.names for option in declared() if option.applies is not Applies.ZSERVER}
    assert {name for name, others in names.items() if not wrong & set(others)} == ANYTHING_GOES
    assert {"z2-log", "z2-log-level"} <= wrong


#: A text that almost every option rejects.
WRONG = "a\n</x>"

#: Parts in which options do nothing: they belong to another file, storage, server or log, or to what is off.
IDLE: list[tuple[str, Callable[[Option], bool]]] = [
    ("zope-conf = my.conf", lambda option: option.into == (Into.ZOPE_CONF,)),
    ("wsgi = my.ini", lambda option: option.into == (Into.WSGI_INI,)),
    ("site-zcml = <configure/>", lambda option: option.into == (Into.SITE_ZCML,)),
    ("", lambda option: option.applies is Applies.ZSERVER),
    ("wsgi = off\nzserver-python = python2.7", lambda option: option.applies is Applies.WSGI),
    ("", lambda option: option.name in ZEO_CLIENT.options),
    ("rel-storage = type mysql", lambda option: option.name in (*ZEO_CLIENT.options, "file-storage", "blob-storage")),
    ("zeo-client = on", lambda option: option.name in FILE_STORAGE.options),
    ("demo-storage = off", lambda option: option.name in ("demo-file-storage", "demo-blob-storage")),
    ("profile = off", lambda option: option.name.startswith("profile_")),
    ("http-address =", lambda option: option.name in OF_SERVER),
    ("sentry_dsn =", lambda option: option.name.startswith("sentry_") and option.name != "sentry_dsn"),
    ("event-log = disable", lambda option: bool(re.match("event-log-(?!level|custom)", option.name))),
    ("access-log = disable", lambda option: option.name == "access-log-level"),
    ("access-log = stdout", lambda option: bool(re.match("access-log-(?!level|custom)", option.name))),
    ("wsgi-server = gunicorn", lambda option: option.name == "asyncore-use-poll"),
]


@pytest.mark.parametrize(("text", "does_nothing"), IDLE, ids=[text.partition("\n")[0] or "default" for text, _ in IDLE])
def test_an_option_that_does_nothing_stops_no_build(text: str, does_nothing: Callable[[Option], bool]) -> None:
    """What is left over in a part is worth a warning, whatever its value is."""
    options = [option for option in declared() if does_nothing(option)]
    assert options
    for option in options:
        problems = told(part(text) | {option.name: WRONG})
        assert problems.errors == [], option.name
        about = [warning for warning in problems.warnings if warning.startswith(f"[{NAME}] {option.name}: ")]
        assert len(about) == 1 or (option.name in ANYTHING_GOES and not about), option.name


def test_all_are_told_in_one_run_of_buildout(buildout: Buildout) -> None:
    """The same lines, whatever stage they come from, without a traceback and without an instance."""
    for file in MALFORMED.glob("*.ini.in"):
        (buildout.directory / file.name).write_bytes(file.read_bytes())
    chosen = ("templates/template-and-options", "several/of-every-group", "several/combinations")
    for case in (case for case in cases() if case.id in chosen):
        head = "[buildout]\nparts = instance\n[instance]\nrecipe = plone.recipe.zope2instance\n"
        (buildout.directory / "buildout.cfg").write_text(f"{head}{case.text}\n", encoding="utf-8")
        done = buildout.run(check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stdout
        found = [line for line in done.stdout.splitlines() if line.startswith(f"[{NAME}] ")]
        errors = [line.removeprefix(f"[{NAME}] ").replace(str(buildout.directory), "BD") for line in found]
        lines = (buildout.directory / "buildout.cfg").read_text(encoding="utf-8").splitlines()
        for error, expected in zip(errors, case.errors, strict=True):
            text, _, place = error.rpartition(" (buildout.cfg, line ")
            assert text == expected
            assert lines[int(place.removesuffix(")")) - 1].startswith(expected.partition(":")[0])
        assert not buildout.part().exists()

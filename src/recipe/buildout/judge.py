"""Checks the files with the instance's own Zope before they are written.

Only Zope's schema says what Zope accepts, and only the part's eggs have the schema. So a Python with these eggs on its
path checks the files (`recipe.common.inspection`). A file that Zope would refuse is a warning, since some deployments
edit the files afterwards; ``bin/NAME`` refuses it when it starts.
"""

import configparser
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recipe.common import inspection
from recipe.common.inspection import Finding
from recipe.common.names import DIRECTORY_VARIABLE
from recipe.common.problems import Problems
from recipe.common.servers import Description
from recipe.describe.instance import Instance
from recipe.describe.storages import checked
from recipe.render.file import File
from recipe.render.provenance import Traced, source_of
from recipe.render.scripts import Python

SECONDS = 120
MARK = "\x1e"  # before the answer, since an imported module may print as well

PROGRAM = f"""
import json, sys
question = json.load(sys.stdin)
sys.path[0:0] = question["path"]
from recipe.common.inspection import answer
print({MARK!r} + json.dumps(answer(question)))
"""


def check_ini(ini: Traced, option: str, file: str, template: str, problems: Problems) -> None:
    """Note what does not parse in a wsgi.ini that is made from a template, with the line of the template."""
    try:
        configparser.RawConfigParser().read_string(ini.text)
    except configparser.Error as error:
        for line, mistake in _ini_mistakes(error):
            number, text = source_of(ini, line, template)
            problems.error(option, f"{file}, line {number}: {mistake}: {text}")
    for line in _single_percents(ini.text):
        number, text = source_of(ini, line, template)
        mistake = f"{file}, line {number}: wsgi.ini gets a single %; write %%%%: {text}"
        problems.warn(option, f"the server will not start: {mistake}")


def _single_percents(text: str) -> Iterator[int]:
    """Yield the number of each line of an ini text with a ``%`` that configparser cannot interpolate."""
    section = ""
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        if line.startswith("["):
            section = line
        # logging reads the formats as they are
        is_interpolated = not section.startswith("[formatter_") and not line.startswith(("#", ";"))
        if is_interpolated and re.search(r"%(?![%(])", line.replace("%%", "")):
            yield number


def _ini_mistakes(error: Any) -> list[tuple[int, str]]:
    """The lines that configparser rejects, and why."""
    match error:
        case configparser.MissingSectionHeaderError():
            return [(error.lineno, "a section such as [server:main] must begin before this line")]
        case configparser.DuplicateSectionError():
            return [(error.lineno or 0, f"wsgi.ini has the section [{error.section}] already")]
        case configparser.DuplicateOptionError():
            return [(error.lineno or 0, f"[{error.section}] has {error.option} already")]
    lines = [line for line, _ in getattr(error, "errors", ())] or [error.lineno]
    return [(line, "is not a line key = value") for line in lines]


def ask(instance: Instance, python: Python, files: Sequence[File], part: Mapping[str, str], problems: Problems) -> None:
    """Check the files of an instance; what is found becomes problems that name the option and the line.

    Most are warnings. A mistake that no edit of the files can mend is an error: a key that the package of a storage
    does not know, arguments that the class of a log handler does not take.
    """
    texts = {os.path.basename(file.path): file for file in files if file.path.startswith(f"{instance.etc}/")}
    question: dict[str, Any] = {
        "path": python.paths,
        "zope.conf": _text(texts.get("zope.conf")),
        "wsgi.ini": _text(texts.get("wsgi.ini")),
        "storages": [asdict(section) for section in checked(instance.storages.tree)],
        "server": instance.addresses
        and (instance.server.name, instance.server.module, dict(instance.settings.server.own_options)),
        "imports": [
            *((package, "zope-conf-imports") for package in instance.settings.zope.imports),
            *instance.storages.imports,
        ],
    }
    for finding in inspection.place(instance.etc):
        problems.warn("location", f"the server will not start: {finding.message}")
    try:
        findings = [Finding(*each) for each in _run(python.executable, question, instance.directory)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        problems.warn("eggs", f"the configuration could not be checked with the part's Zope: {error}")
        return
    for finding in findings:
        if finding.handler:
            _report_handler(finding, part, problems)
        elif finding.final:
            problems.error(finding.option, finding.message)
        else:
            warn(finding, texts, part, problems)


def warn(finding: Finding, texts: Mapping[str, File], part: Mapping[str, str], problems: Problems) -> None:
    """Note a finding about one of the files (by their names) under the option that its line comes from."""
    name = os.path.basename(finding.file)
    file = texts.get(name)
    option = finding.option or (file.options.get(finding.line, name) if file else name)
    if option == "wsgi.ini":
        option = _template(part) or "pipeline"
    where = f"line {finding.line} of {finding.file}: " if finding.line else ""
    problems.warn(option, f"the server will not start: {where}{' '.join(finding.message.split())}")


LOGS = {"eventlog": "event-log", "accesslog": "access-log"}  # names of handlers in wsgi.ini


def _report_handler(finding: Finding, part: Mapping[str, str], problems: Problems) -> None:
    """Note what is wrong with a logging handler: an error if only another value of the option can mend it."""
    template = _template(part)
    log = LOGS.get(finding.handler, "")
    if template or not log:
        problems.warn(
            template or "wsgi.ini", f"the server will not start: [handler_{finding.handler}]: {finding.message}"
        )
    elif finding.final:
        keys = [finding.option] if finding.option else ["args", "kwargs"]
        options = [name for key in keys if part.get(name := f"{log}-{key}", "").strip()]
        problems.error((options or [f"{log}-handler"])[0], finding.message)
    else:
        problems.warn(f"{log}-handler", f"the server will not start: {finding.message}")


def _template(part: Mapping[str, str]) -> str:
    """The option that names a template of the user's for wsgi.ini; empty if none does."""
    return next((name for name in ("wsgi-ini-template", "wsgi-logging-ini-template") if part.get(name)), "")


def _text(file: File | None) -> tuple[str, str] | None:
    return (file.text, file.path) if file else None


def server_of(entry_point: str, executable: str, paths: Sequence[str], directory: str) -> Description:
    """Return the description that another distribution has of its server; `entry_point` is ``module:attribute``.

    Raises ValueError if there is no such description.
    """
    question = {"path": paths, "server of": entry_point}
    try:
        return Description(**_run(executable, question, directory))
    except (OSError, TypeError, subprocess.SubprocessError) as error:
        raise ValueError(str(error)) from None


def _run(executable: str, question: Mapping[str, Any], directory: str) -> Any:
    done = subprocess.run(
        [executable, "-c", PROGRAM],
        input=json.dumps(question),
        env=os.environ | {DIRECTORY_VARIABLE: directory},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    _, mark, text = done.stdout.rpartition(MARK)
    if not mark:
        raise ValueError((done.stderr.strip().splitlines() or ["no answer"])[-1])
    return json.loads(text)

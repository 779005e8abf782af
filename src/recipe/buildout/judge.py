"""Asks the instance's own Zope what it thinks of the files, before they are installed.

Only Zope's schema knows what Zope takes, and only the part's eggs have it. So
the question goes to a Python with these on its path. What it refuses is a
warning here: some deployments edit the files afterwards. `bin/NAME` refuses them
when it starts.
"""

import configparser
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recipe.common import inspection
from recipe.common.inspection import Finding
from recipe.common.names import DIRECTORY_VARIABLE
from recipe.common.servers import Description
from recipe.describe.instance import Instance
from recipe.describe.storages import PACKAGES, checked
from recipe.options import Problems
from recipe.render.file import File
from recipe.render.scripts import Python

SECONDS = 120
MARK = "\x1e"  # before the answer: what is imported may print, too

PROGRAM = f"""
import json, sys
question = json.load(sys.stdin)
sys.path[0:0] = question["path"]
from recipe.common.inspection import answer
print({MARK!r} + json.dumps(answer(question)))
"""


def check_ini(text: str, option: str, problems: Problems) -> None:
    """Note where a wsgi.ini does not parse."""
    try:
        configparser.RawConfigParser().read_string(text, "wsgi.ini")
    except configparser.Error as error:
        problems.error(option, f"the result does not parse: {' '.join(str(error).split())}")


def ask(instance: Instance, python: Python, files: Sequence[File], part: Mapping[str, str], problems: Problems) -> None:
    """Ask about the files of an instance; findings become problems that name option and line.

    Most are warnings. What no edit of the files can mend is an error: a key of a storage that its
    package does not know, arguments that a log handler does not take.
    """
    texts = {os.path.basename(file.path): file for file in files if file.path.startswith(f"{instance.etc}/")}
    question: dict[str, Any] = {
        "path": python.paths,
        "zope.conf": _text(texts.get("zope.conf")),
        "wsgi.ini": _text(texts.get("wsgi.ini")),
        "storages": [(asdict(section), options) for section, options in checked(instance.storages.tree)],
        "server": instance.addresses
        and (instance.server.name, instance.server.module, dict(instance.settings.server.own_options)),
        "imports": [*instance.settings.zope.imports, *instance.storages.imports],
    }
    for finding in inspection.place(instance.etc):
        problems.warn("location", f"the server will not start: {finding.message}")
    try:
        findings = [Finding(*each) for each in _run(python.executable, question, instance.directory)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        problems.warn("eggs", f"the configuration could not be checked with the part's Zope: {error}")
        return
    for finding in findings:
        if finding.option:
            problems.error(finding.option, finding.message)
        elif finding.handler:
            _tell_handler(finding, part, problems)
        else:
            warn(finding, texts, part, problems)


def warn(finding: Finding, texts: Mapping[str, File], part: Mapping[str, str], problems: Problems) -> None:
    """Note a finding about one of the files (by their names) under the option that it comes from."""
    option = _option(finding, texts, part)
    where = f"line {finding.line} of {finding.file}: " if finding.line else ""
    problems.warn(option, f"the server will not start: {where}{' '.join(finding.message.split())}")


LOGS = {"eventlog": "event-log", "accesslog": "access-log"}  # names of handlers in wsgi.ini


def _tell_handler(finding: Finding, part: Mapping[str, str], problems: Problems) -> None:
    """Note what is wrong with a logging handler: an error where no change outside the part can mend it."""
    template = next((name for name in ("wsgi-ini-template", "wsgi-logging-ini-template") if part.get(name)), None)
    log = LOGS.get(finding.handler, "")
    if template or not log:
        problems.warn(
            template or "wsgi.ini", f"the server will not start: [handler_{finding.handler}]: {finding.message}"
        )
    elif finding.hopeless:
        given = [name for name in (f"{log}-args", f"{log}-kwargs") if part.get(name, "").strip()]
        problems.error((given or [f"{log}-handler"])[0], finding.message)
    else:
        problems.warn(f"{log}-handler", f"the server will not start: {finding.message}")


def _text(file: File | None) -> tuple[str, str] | None:
    return (file.text, file.path) if file else None


def server_of(entry_point: str, executable: str, paths: Sequence[str], directory: str) -> Description:
    """Return what another distribution says of its server; `entry_point` is ``module:attribute``.

    Raises ValueError where it says nothing that can be understood.
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


def _option(finding: Finding, texts: Mapping[str, File], part: Mapping[str, str]) -> str:
    """The option that the line of a finding comes from, or the file's name."""
    for package, option in PACKAGES.items():
        if f" {package}:" in finding.message and option in part:
            return option
    name = os.path.basename(finding.file)
    file = texts.get(name)
    line = file.text.split("\n")[finding.line - 1].strip() if file and finding.line else finding.message
    by_text = {text: option for option, value in part.items() for text in map(str.strip, value.split("\n")) if text}
    # The longest one: `on` stands in many lines
    for text in sorted(by_text, key=len, reverse=True):
        if re.search(rf"(?<!\S){re.escape(text)}(?=[\s:]|$)", line):
            return by_text[text]
    return "pipeline" if name == "wsgi.ini" else name

"""Asks the Python of ZServer what it has, and what its Zope thinks of zope.conf."""

import os
from collections.abc import Mapping, Sequence

from recipe.buildout import judge
from recipe.common.names import DIRECTORY_VARIABLE
from recipe.common.zserver import ask
from recipe.describe.instance import Instance
from recipe.options import Problems, Settings
from recipe.render.file import File
from recipe.render.scripts import Python


def examine(settings: Settings, problems: Problems) -> frozenset[str]:
    """Note what the interpreter of the option lacks; return the distributions that it has."""
    python = settings.zserver.python
    if not python:
        return frozenset()  # told elsewhere
    question = {"eggs": settings.scripts.eggs, "paths": settings.scripts.extra_paths}
    try:
        answer = ask([python], question, os.environ)
    except (OSError, ValueError) as error:
        problems.error("zserver-python", f"{python} is no Python that runs: {getattr(error, 'strerror', '') or error}")
        return frozenset()
    if answer.wrong_version:
        problems.error("zserver-python", f"{python} {answer.wrong_version}")
    for each in answer.missing:
        remedy = f"install it with {python} -m pip install"
        problems.error("zserver-python", f"its environment lacks what the part needs ({each}); {remedy}")
    return answer.projects


def judge_files(
    instance: Instance, inner: Python, files: Sequence[File], part: Mapping[str, str], problems: Problems
) -> None:
    """Ask about the zope.conf of an instance; what ZServer refuses becomes a warning, as `judge.ask` has it."""
    texts = {os.path.basename(file.path): file for file in files if file.path.startswith(f"{instance.etc}/")}
    conf = texts.get("zope.conf")
    question = {
        "paths": inner.paths,
        "zope.conf": (conf.text, conf.path) if conf else None,
        "initialization": inner.initialization,
    }
    try:
        answer = ask([inner.executable], question, os.environ | {DIRECTORY_VARIABLE: instance.directory})
    except (OSError, ValueError) as error:
        problems.warn("zserver-python", f"the configuration could not be checked: {error}")
        return
    for finding in answer.findings:
        if finding.file == "initialization":
            problems.error("initialization", finding.message)
        else:
            judge.warn(finding, texts, part, problems)

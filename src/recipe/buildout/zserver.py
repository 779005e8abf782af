"""Asks the Python 2.7 of ZServer which distributions it has, and checks zope.conf with its Zope."""

import os
from collections.abc import Mapping, Sequence

from recipe.buildout import judge
from recipe.common.names import DIRECTORY_VARIABLE
from recipe.common.problems import Problems
from recipe.common.zserver import ask
from recipe.describe.instance import Instance
from recipe.options import Settings
from recipe.render.file import File
from recipe.render.scripts import Python


def examine(settings: Settings, problems: Problems) -> frozenset[str]:
    """Note which distributions the interpreter of the option lacks; return the names of those that it has."""
    python = settings.zserver.python
    if not python:
        return frozenset()  # `recipe.describe.zserver` reports it
    question = {"eggs": settings.scripts.eggs, "paths": settings.scripts.extra_paths}
    try:
        answer = ask([python], question, os.environ)
    except (OSError, ValueError) as error:
        problems.error("zserver-python", f"cannot run {python}: {getattr(error, 'strerror', '') or error}")
        return frozenset()
    if answer.wrong_version:
        problems.error("zserver-python", f"{python} {answer.wrong_version}")
    for missing in answer.missing:
        remedy = f"install it with {python} -m pip install"
        problems.error(
            "zserver-python", f"its environment lacks a distribution that the part needs ({missing}); {remedy}"
        )
    return answer.projects


def judge_files(
    instance: Instance, inner: Python, files: Sequence[File], part: Mapping[str, str], problems: Problems
) -> None:
    """Check the zope.conf of an instance; what ZServer would refuse becomes a warning, as in `judge.ask`."""
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

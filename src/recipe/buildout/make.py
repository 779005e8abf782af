"""Making a part: the steps, in their order, each of which hands its result on to the next one.

read and describe (`checks`) -> resolve the eggs (`resolution`) -> link them (`apply`) -> plan the files (`plan`) ->
check them with Zope (`judge`) -> write them (`apply`). The mistakes that a step finds end the run before the next
step. The links are made early, since the files are checked with them; no script names them yet.
"""

from functools import partial

from zc.buildout import UserError

from recipe.buildout import apply, checks, judge, plan, zserver
from recipe.buildout.part import read_part
from recipe.buildout.registry import Given
from recipe.buildout.resolution import resolve
from recipe.buildout.sources import problems_of
from recipe.common.problems import Problems
from recipe.describe.instance import with_eggs


def make(recipe: Given) -> str:
    """Make the instance, or leave the one that is there; return the path of its zope.conf. Raises UserError."""
    part = read_part(recipe)
    problems = problems_of(part.buildout, part.name)
    stop_at_errors = partial(_stop_at_errors, recipe, problems)

    described = checks.describe_part(part, problems)
    stop_at_errors()
    settings = described.instance.settings
    zserver_projects = zserver.examine(settings, problems) if described.instance.is_zserver else frozenset()
    stop_at_errors()
    eggs = resolve(part, settings, zserver_projects, problems)
    stop_at_errors()
    instance = with_eggs(described.instance, part.given, eggs.projects, eggs.servers, problems)
    stop_at_errors()
    try:
        trees = apply.link(instance, eggs.working_set, problems)
        files = plan.plan(part, instance, described.templates, eggs, trees, problems)
        # With the warnings that do not come from a look at the files
        record = apply.record(part, instance, files, eggs, trees, problems.warned)
        if apply.has_changes(files):
            ask = zserver.judge_files if instance.is_zserver else judge.ask
            ask(instance, files.python, files.made, part.options, problems)
        stop_at_errors()
        _log_warnings(recipe, problems)
        apply.write(instance, files, trees, record)
    except OSError as error:
        raise UserError(
            f"[{part.name}] cannot write {error.filename or instance.location}: {error.strerror}"
        ) from error
    return instance.zope_conf


def _stop_at_errors(recipe: Given, problems: Problems) -> None:
    """Raise UserError with all errors, if there are any."""
    if not problems.has_errors:
        return
    _log_warnings(recipe, problems)
    head = [f"{len(problems.errors)} mistakes in the part:"] if len(problems.errors) > 1 else []
    raise UserError("\n".join([*head, *problems.errors]))


def _log_warnings(recipe: Given, problems: Problems) -> None:
    for warning in problems.warnings:
        recipe.log.warning(warning)

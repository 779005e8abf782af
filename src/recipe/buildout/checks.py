"""What can be told of a part without its eggs, so that all of it is told at once."""

from dataclasses import dataclass
from pathlib import Path

from recipe.buildout import judge
from recipe.buildout.eggs import check_initialization
from recipe.buildout.part import Part
from recipe.common.problems import Problems
from recipe.common.servers import SERVERS
from recipe.describe import wsgi_server
from recipe.describe.instance import Instance, describe
from recipe.options import read
from recipe.options.server import Server
from recipe.render import wsgi_ini

Templates = dict[str, str]


@dataclass(frozen=True)
class Described:
    """What a part describes, without its eggs, and the texts of its templates by the names of their files."""

    instance: Instance
    templates: Templates


def describe_part(part: Part, problems: Problems) -> Described:
    """Read and describe a part; what is wrong with its options or templates goes to `problems`."""
    settings = read(part.given, part.context, problems)
    instance = describe(settings, part.given, part.context, part.relative_paths, problems)
    if not instance.is_zserver:  # else it is Python 2.7, which has to be asked
        check_initialization(instance, part.options, problems)
    texts = _templates(settings.server, problems)
    if texts:
        _check_template(instance, texts, problems)
    # Without other mistakes the eggs are looked at next, and one may bring it
    if problems.errors and settings.server.name not in SERVERS and not instance.is_zserver:
        wsgi_server.refuse(settings.server.name, SERVERS, problems, ", unless an egg of the part provides it")
    return Described(instance, texts)


def _named(server: Server) -> dict[str, str]:
    """The files of the templates, by the options that name them."""
    given = {"wsgi-ini-template": server.ini_template, "wsgi-logging-ini-template": server.logging_template}
    return {option: file for option, file in given.items() if file}


def _templates(server: Server, problems: Problems) -> Templates:
    """The texts of the templates that can be read, by the names of their files."""
    texts = {}
    for option, file in _named(server).items():
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            problems.error(option, f"{file} cannot be read: {error}")
            continue
        if "\0" in text:  # it would end the mark of a line (see `recipe.render.provenance`)
            problems.error(option, f"{file} contains '\\0', which wsgi.ini cannot contain")
        else:
            texts[file] = text
    return texts


def _check_template(instance: Instance, texts: Templates, problems: Problems) -> None:
    named = _named(instance.settings.server)
    if instance.settings.server.wsgi is not True or len(named) > 1:
        return  # it is not used, or an error already
    before = len(problems.errors)
    ini = wsgi_ini.trace(instance, texts, problems)
    if len(problems.errors) == before:
        for option, file in named.items():
            judge.check_ini(ini, option, file, texts[file], problems)

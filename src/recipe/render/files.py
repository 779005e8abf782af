"""All files of an instance, rendered: one module beside this one for each kind."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from recipe.common.confidential import holds_secret
from recipe.common.names import FACTS
from recipe.common.problems import Problems
from recipe.describe.instance import Instance
from recipe.render import facts, wsgi_ini, zcml, zope_conf
from recipe.render.file import PRIVATE, File
from recipe.render.scripts import Python, control_script, interpreter


def render(
    instance: Instance,
    python: Python,
    templates: Mapping[str, str],
    problems: Problems,
    inner: Python | None = None,
) -> Iterable[File]:
    """Yield all files of an instance except ``inituser`` and the scripts of its eggs.

    The control script runs with `python`. The server runs with `inner`, if that is given: ZServer has its own Python.
    """
    if instance.settings.layout.zope_conf is None:
        text, options = zope_conf.render(instance)
        yield _configuration(instance.zope_conf, text, holds_secret(text), options)
    if instance.settings.server.wsgi is True:
        text = wsgi_ini.render(instance, templates, problems)
        credentials = instance.event_log.has_credentials or instance.access_log.has_credentials
        yield _configuration(instance.wsgi_ini, text, credentials or holds_secret(text))
    yield from (_configuration(file.path, file.text, holds_secret(file.text)) for file in zcml.render(instance))
    yield interpreter(instance, inner or python)
    yield control_script(instance, python)
    # Its presence marks a complete instance
    yield File(f"{instance.etc}/{FACTS}", facts.render(instance))


def _configuration(path: str, text: str, secret: bool, options: Mapping[int, str] = MappingProxyType({})) -> File:
    return File(path, text, PRIVATE if secret else 0o644, options)

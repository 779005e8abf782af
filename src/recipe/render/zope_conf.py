"""An instance as the text of its zope.conf."""

from collections.abc import Callable
from typing import Any

from recipe.common.names import DIRECTORY_VARIABLE
from recipe.describe.instance import Instance
from recipe.options import kinds
from recipe.render import templates, zconfig
from recipe.render.place import Place
from recipe.render.provenance import Traced, TracedTemplates, mark, split


def render(instance: Instance) -> Traced:
    """zope.conf, and the options that its lines come from."""
    written = f"$({DIRECTORY_VARIABLE})" if instance.relative_paths else instance.directory.replace("$", "$$")
    writer = zconfig.Writer(Place(instance.directory, written))
    zope = instance.settings.zope
    imports = dict.fromkeys(zope.imports, "zope-conf-imports") | dict(instance.storages.imports)
    temporary = instance.temporary

    def lines(text: str, option: str) -> zconfig.Raw:
        return zconfig.Raw(mark(writer.lines(text), option))

    if instance.is_zserver:
        template, more = "zserver.conf", _zserver(instance, lines)
    else:
        template, more = "zope.conf", {}
    text = templates.environment(writer.value, TracedTemplates).get_template(template).render(
        more,
        instance=instance,
        layout=instance.settings.layout,
        zope=zope,
        environment=[
            zconfig.Raw(mark(f"  {writer.value(name)} {writer.value(value)}", _option_of(name, zope.environment_vars)))
            for name, value in instance.environment.items()
        ],
        imports=[zconfig.Raw(mark(f"%import {writer.value(package)}", option)) for package, option in imports.items()],
        main_database=writer.section(instance.main_database),
        temporary=temporary and lines(temporary, "zodb-temporary-storage"),
        additional=lines(zope.additional, "zope-conf-additional"),
    )  # fmt: skip
    return split(text)


def _option_of(variable: str, environment_vars: str) -> str:
    """Return the option that an environment variable comes from."""
    is_default = variable == "CHAMELEON_CACHE" and variable not in environment_vars
    return "template-cache" if is_default else "environment-vars"


def _zserver(instance: Instance, lines: Callable[[str, str], zconfig.Raw]) -> dict[str, Any]:
    """What the zope.conf of ZServer has besides: its servers and its logs."""
    settings = instance.settings
    names: dict[str, Any] = {"server": settings.server, "zserver": settings.zserver}
    for name in ("mailinglogger", "event_log_custom", "access_log_custom"):
        names[name] = lines(getattr(settings.zserver, name) or "", name.replace("_", "-"))
    for name in ("event_log", "access_log"):
        log = names[name] = getattr(settings, name)
        # ZConfig's names of the streams
        names[f"{name}_path"] = log.file.upper() if log.file in kinds.STREAMS else log.file
    return names

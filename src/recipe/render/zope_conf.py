"""An instance as the text of its zope.conf."""

from typing import Any

from recipe.common.names import DIRECTORY_VARIABLE
from recipe.describe.instance import TEMPORARY, Instance
from recipe.options import kinds
from recipe.render import templates, zconfig
from recipe.render.place import Place


def render(instance: Instance) -> str:
    """zope.conf."""
    written = f"$({DIRECTORY_VARIABLE})" if instance.relative_paths else instance.directory.replace("$", "$$")
    writer = zconfig.Writer(Place(instance.directory, written))
    zope = instance.settings.zope
    imports = dict.fromkeys((*zope.imports, *instance.storages.imports))
    temporary = instance.temporary
    if instance.is_zserver:
        template, more = "zserver.conf", _zserver(instance, writer)
    else:
        template, more = "zope.conf", {}
    return templates.environment(writer.value).get_template(template).render(
        more,
        instance=instance,
        layout=instance.settings.layout,
        zope=zope,
        imports=tuple(imports),
        main_database=writer.section(instance.main_database),
        temporary=temporary and (zconfig.Raw(TEMPORARY) if temporary is TEMPORARY else writer.lines(temporary)),
        additional=writer.lines(zope.additional),
    )  # fmt: skip


def _zserver(instance: Instance, writer: zconfig.Writer) -> dict[str, Any]:
    """What the zope.conf of ZServer has besides: its servers and its logs."""
    settings = instance.settings
    names: dict[str, Any] = {"server": settings.server, "zserver": settings.zserver}
    for name in ("mailinglogger", "event_log_custom", "access_log_custom"):
        names[name] = writer.lines(getattr(settings.zserver, name) or "")
    for name in ("event_log", "access_log"):
        log = names[name] = getattr(settings, name)
        # ZConfig's names of the streams
        names[f"{name}_path"] = log.file.upper() if log.file in kinds.STREAMS else log.file
    return names

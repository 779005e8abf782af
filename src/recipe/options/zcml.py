"""Options of the ZCML that Zope loads."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Into, option


@dataclass(frozen=True)
class Zcml:
    """The file ``site.zcml`` and the files that it includes."""

    INTO: ClassVar = (Into.SITE_ZCML,)

    slugs: tuple[str, ...] = option(
        "zcml",
        kinds.SLUGS,
        "Packages whose ZCML Zope loads, as slugs: ``pkg`` stands for its ``configure.zcml``, ``pkg-TYPE`` for "
        "``TYPE.zcml``, and ``pkg:file.zcml`` for any file. Zope loads the type ``meta`` first and ``overrides`` last, "
        "also with a file, as in ``pkg-overrides:file.zcml``; any other type is loaded with ``configure``. ``*`` keeps "
        "the slugs of earlier runs.",
        "",
    )
    additional: str | None = option(
        "zcml-additional", kinds.STATEMENTS, "ZCML statements that Zope loads last, as overrides."
    )
    locales: str | None = option("locales", kinds.FILE_IN_XML, "A directory of translations, which the recipe creates.")
    resources: str | None = option(
        "resources", kinds.FILE_IN_XML, "A directory of plone.resource resources, which the recipe creates."
    )
    site: str | None = option(
        "site-zcml",
        kinds.DOCUMENT,
        "The whole text of ``site.zcml``. The other ZCML options then do nothing.",
        into=(),
    )

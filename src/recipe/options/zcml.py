"""The ZCML that Zope loads."""

from dataclasses import dataclass
from typing import ClassVar

from recipe.options import kinds
from recipe.options.declare import Into, option


@dataclass(frozen=True)
class Zcml:
    """site.zcml and what it includes."""

    INTO: ClassVar = (Into.SITE_ZCML,)

    slugs: tuple[str, ...] = option(
        "zcml",
        kinds.SLUGS,
        "Packages to include: ``pkg``, ``pkg-meta``, ``pkg-configure``, ``pkg-overrides``, ``pkg:file.zcml``; "
        "``*`` keeps the slugs that are there.",
        "",
    )
    additional: str | None = option("zcml-additional", kinds.STATEMENTS, "ZCML statements loaded last, as overrides.")
    locales: str | None = option("locales", kinds.FILE_IN_XML, "A directory of translations; created.")
    resources: str | None = option("resources", kinds.FILE_IN_XML, "A directory of plone.resource resources; created.")
    site: str | None = option(
        "site-zcml",
        kinds.DOCUMENT,
        "The whole site.zcml; the other ZCML options are ignored.",
        into=(),
    )

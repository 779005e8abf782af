"""Writes the site.zcml of an instance, and the files that it includes."""

import os
from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from recipe.describe.instance import Instance
from recipe.options import kinds
from recipe.render.file import File
from recipe.render.templates import fill


def render(instance: Instance) -> Iterator[File]:
    """Yield site.zcml and the files that it includes."""
    options = instance.settings.zcml
    includes = f"{instance.etc}/package-includes"
    if options.site is not None:
        yield File(f"{instance.etc}/site.zcml", options.site + "\n")
        return
    yield File(f"{instance.etc}/site.zcml", fill("site.zcml"))
    if options.locales:
        yield File(f"{includes}/001-locales-configure.zcml", _directory_zcml("locales.zcml", options.locales, instance))
    slugs = [slug for slug in options.slugs if slug != "*"]
    for number, slug in enumerate(slugs, start=2):
        yield _slug(slug, number, includes)
    if options.resources:
        text = _directory_zcml("resources.zcml", options.resources, instance)
        yield File(f"{includes}/998-resources-configure.zcml", text)
    if options.additional is not None:
        text = fill("additional.zcml", statements=options.additional)
        yield File(f"{includes}/999-additional-overrides.zcml", text)


def _directory_zcml(template: str, directory: str, instance: Instance) -> str:
    if instance.relative_paths:
        directory = os.path.relpath(directory, f"{instance.etc}/package-includes")
    return fill(template, directory=quoteattr(directory))


def _slug(slug: str, number: int, directory: str) -> File:
    match = kinds.SLUG.fullmatch(slug)
    assert match  # kinds.slugs has checked it
    kind = match["kind"] or "configure"
    file = match["file"] or f"{kind}.zcml"
    text = fill("slug.zcml", package=quoteattr(match["package"]), file=quoteattr(file))
    # site.zcml finds the files by the ends of their names
    end = kind if kind in kinds.SLUG_KINDS else f"{kind}-configure"
    return File(f"{directory}/{number:03}-{match['package']}-{end}.zcml", text)

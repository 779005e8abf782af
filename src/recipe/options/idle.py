"""Options that have no effect in a part. Their declarations say so: `applies` and `into`."""

from collections.abc import Mapping

from recipe.common.problems import Problems
from recipe.options.declare import Into, Option
from recipe.options.settings import Settings, declared


def note(part: Mapping[str, str], settings: Settings, problems: Problems) -> None:
    """Note each option of the part that has no effect; the warning names the option that is the reason."""
    zserver = settings.server.wsgi is False
    replaced = _replaced(settings)
    for option in declared():
        given = option.given(part)
        reason = given and _reason(option, zserver, replaced)
        if given and reason:
            problems.set_idle(given[0], reason, warn=option.is_changed(part, zserver))


def _reason(option: Option, zserver: bool, replaced: Mapping[Into, str]) -> str:
    """Why an option has no effect; empty if it has one."""
    if not option.applies_to(zserver):
        remedy = f"; use {option.instead}" if option.instead else ""
        return f"does nothing under {'ZServer' if zserver else 'WSGI'}{remedy}"
    files = _files(option, zserver)
    if not files or not replaced.keys() >= set(files):
        return ""
    return not_written(files[0], replaced[files[0]])


def not_written(file: Into, winner: str) -> str:
    """The warning for an option that would go into a file which another option, `winner`, replaces."""
    place = winner if file is Into.SITE_ZCML else f"the file that {winner} names"
    return f"is not written to {file.value}, since the option {winner} replaces it; set it in {place}, or remove it"


def _replaced(settings: Settings) -> dict[Into, str]:
    """The files that the user has made, and the options that name them."""
    given = {
        Into.ZOPE_CONF: ("zope-conf", settings.layout.zope_conf is not None),
        Into.WSGI_INI: ("wsgi", isinstance(settings.server.wsgi, str)),
        Into.SITE_ZCML: ("site-zcml", settings.zcml.site is not None),
    }
    return {file: option for file, (option, is_given) in given.items() if is_given}


def _files(option: Option, zserver: bool) -> tuple[Into, ...]:
    """The files that an option is written to: ZServer reads all of it from zope.conf."""
    files = option.into or ()
    if zserver and option.zserver_into is not None:
        files = option.zserver_into
    elif zserver:
        files = tuple(Into.ZOPE_CONF if file is Into.WSGI_INI else file for file in files)
    return tuple(dict.fromkeys(files))

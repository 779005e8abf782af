"""Options that have no effect in a part. Their declarations say so: `applies` and `into`."""

from collections.abc import Mapping

from recipe.common.problems import Problems
from recipe.options.declare import Into, Option
from recipe.options.settings import Settings, declared


def warn(part: Mapping[str, str], settings: Settings, problems: Problems) -> None:
    """Warn of each option of the part that has no effect, and name the option that is the reason."""
    zserver = settings.server.wsgi is False
    replaced = _replaced(settings)
    for option in declared():
        given = option.given(part)
        if not given or not option.is_changed(part, zserver):
            continue
        if not option.applies_to(zserver):
            remedy = f"; use {option.instead}" if option.instead else ""
            problems.warn(given[0], f"does nothing under {'ZServer' if zserver else 'WSGI'}{remedy}")
        elif Into.FACTS not in _files(option, zserver):
            for file in _files(option, zserver):
                if winner := replaced.get(file):
                    problems.warn(given[0], not_written(file, winner))


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

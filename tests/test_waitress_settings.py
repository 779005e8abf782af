"""waitress-NAME: waitress's own settings, checked by waitress itself."""

from __future__ import annotations

import pytest
from waitress.adjustments import Adjustments

from parts import description, ini, wsgi_ini
from recipe.waitress_settings import COVERED


def test_they_reach_the_server_section() -> None:
    text = "waitress-channel-timeout = 60\nwaitress-trusted-proxy = 10.0.0.1\nwaitress-url-scheme = https"
    parser = ini(
        wsgi_ini(text + "\nwaitress-trusted-proxy-headers = x-forwarded-for x-forwarded-proto\nwaitress-ident =")
    )
    assert parser.get("server:main", "channel_timeout") == "60"
    assert parser.get("server:main", "trusted_proxy") == "10.0.0.1"
    assert parser.get("server:main", "url_scheme") == "https"
    assert parser.get("server:main", "trusted_proxy_headers") == "x-forwarded-for x-forwarded-proto"
    assert not parser.has_option("server:main", "ident")


@pytest.mark.parametrize("name", sorted({name for name, _ in Adjustments._params} - set(COVERED)))
def test_each_setting_of_the_waitress_that_is_installed_is_known(name: str) -> None:
    _, problems = description(f"waitress-{name.replace('_', '-')} = 1")
    assert not [error for error in problems.errors if "no such setting" in error]


def test_what_an_option_covers_is_one_of_waitress_s() -> None:
    assert set(COVERED) <= {name for name, _ in Adjustments._params}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("waitress-chanel-timeout = 1", "no such setting; did you mean waitress-channel-timeout?"),
        ("waitress-zzz = 1", "it has asyncore-loop-timeout, backlog, "),
        ("waitress-threads = 9", "waitress-threads: is what threads is for; use that"),
        ("waitress-listen = *:1", "use that"),
        ("waitress-backlog = many", "'many' is not what waitress takes. Allowed: a whole number."),
        ("waitress-trusted-proxy-headers = forwarded", "waitress refuses the settings together: "),
    ],
)
def test_mistakes_are_told(line: str, message: str) -> None:
    _, problems = description(line)
    assert len(problems.errors) == 1
    assert message in problems.errors[0]

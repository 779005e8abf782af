"""waitress-NAME: waitress's own settings, checked by waitress itself."""

from __future__ import annotations

import json
import socket

import pytest
from waitress.adjustments import Adjustments, asbool

import views
from parts import description, ini, wsgi_ini
from recipe.describe.waitress_settings import COVERED
from recipe.wsgi.servers.waitress import read_settings
from support import Buildout, serving


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


#: A text for each cast of waitress that is not its default, but for those whose words are waitress's own.
TEXTS = {"int": "7", "asoctal": "640", "str": "https", "str_iftruthy": "text", "slash_fixed_str": "below/"}
OWN = {"trusted_proxy": "192.0.2.1", "trusted_proxy_headers": "x-forwarded-for\n    x-forwarded-host"}
#: What waitress takes only with others.
WITH = {"trusted_proxy_count": "trusted_proxy", "trusted_proxy_headers": "trusted_proxy"}
CASTS = dict(Adjustments._params)


def text_of(name: str) -> str:
    if CASTS[name] is asbool:
        return "no" if getattr(Adjustments, name) else "yes"
    return OWN.get(name) or TEXTS[CASTS[name].__name__]


@pytest.mark.filterwarnings("ignore:No proxy headers:DeprecationWarning", "ignore:send_bytes:DeprecationWarning")
@pytest.mark.parametrize("name", sorted(set(CASTS) - set(COVERED)))
def test_each_setting_of_the_waitress_that_is_installed_arrives(name: str) -> None:
    """From the part by wsgi.ini into what waitress goes by, cast by waitress."""
    names = [name, WITH[name]] if name in WITH else [name]
    part = "\n".join(f"waitress-{each.replace('_', '-')} = {text_of(each)}" for each in names)
    settings = dict(ini(wsgi_ini(part)).items("server:main"))
    settings = {key: text for key, text in settings.items() if key not in ("use", "here", "__file__")}
    found = getattr(read_settings({}, settings).adjustments, name)
    assert found == CASTS[name](text_of(name))
    assert found != getattr(Adjustments, name)


def test_a_server_goes_by_them(buildout: Buildout, port: int) -> None:
    buildout.instance(
        f"eggs = Zope\nhttp-address = localhost:{port}\n{views.OPTIONS}"
        "waitress-ident = Some 100% $erver\nwaitress-url-scheme = https\nwaitress-ipv6 = off\n"
    )
    buildout.run()
    with serving(buildout, url=f"http://127.0.0.1:{port}/tell") as server:
        assert server.response.headers["Server"] == "Some 100% $erver"
        assert json.loads(server.response.text)["url"] == f"https://127.0.0.1:{port}/tell"
        # localhost is IPv6, too
        with pytest.raises(OSError, match=r"refused|assign|unreachable|supported"):
            socket.create_connection(("::1", port), timeout=10)


def test_what_an_option_covers_is_one_of_waitress_s() -> None:
    assert set(COVERED) <= {name for name, _ in Adjustments._params}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "waitress-chanel-timeout = 1",
            "is not a setting of the installed waitress; did you mean waitress-channel-timeout?",
        ),
        ("waitress-zzz = 1", "waitress. Allowed: asyncore-loop-timeout, backlog, "),
        ("waitress-threads = 9", 'waitress-threads: remove it; set the option "threads" instead'),
        ("waitress-listen = *:1", 'set the option "http-address" instead'),
        ("waitress-backlog = many", "waitress does not accept 'many'. Allowed: a whole number."),
        ("waitress-ipv6 = maybe", "waitress does not accept 'maybe'. Allowed: on or off, true or false, "),
        ("waitress-ident = a\n    b", "waitress does not accept 'a b'. Allowed: one line of text."),
        ("waitress-unix-socket-perms = 999", "waitress does not accept '999'. Allowed: an octal number."),
        (
            "waitress-trusted-proxy-headers = forwarded",
            "waitress-trusted-proxy-headers: waitress does not accept this: ",
        ),
    ],
)
def test_mistakes_are_told(line: str, message: str) -> None:
    _, problems = description(line)
    assert len(problems.errors) == 1
    assert message in problems.errors[0]

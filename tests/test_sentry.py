"""What reaches Sentry, and what does not: a real Zope, the real SDK, and a server in Sentry's place."""

from __future__ import annotations

import base64
import json
import socket
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import views
from receivers import Receiver, posts, read_envelope
from support import EGGS, Buildout, Server, fetch, free_port, serving


@dataclass
class Site:
    """A Zope with the Sentry filter, and what it sent."""

    url: str
    sentry: Receiver
    server: Server
    sentinels: int = 0

    def events(self, path: str, data: bytes | None = None, **headers: str) -> list[dict[str, Any]]:
        """Make a request; return the events that it made."""
        before = len(self.sentry.received)
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except urllib.error.HTTPError as error:
            error.close()
        self._wait()
        events = [event for envelope in self.sentry.received[before:] for event in envelope.events]
        assert events[-1]["logger"] == "sentinel"
        return events[:-1]

    def _wait(self) -> None:
        """Send one more event, and wait for it: they go one after the other."""
        self.sentinels += 1
        text = f"sentinel {self.sentinels}."
        fetch(f"{self.url}/say?{urlencode({'logger': 'sentinel', 'level': 'ERROR', 'text': text})}")
        self.sentry.wait_for(lambda received: any(text in envelope.text for envelope in received if envelope.events))


def site(directory: Path, options: str, **env: str) -> Iterator[Site]:
    """Build and serve a Zope whose Sentry is ours."""
    buildout, port = Buildout(directory / "buildout"), free_port()
    url = f"http://127.0.0.1:{port}"
    with posts(read_envelope) as sentry:
        dsn = f"http://key@127.0.0.1:{sentry.port}/42"
        buildout.instance(f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nsentry_dsn = {dsn}\n{options}{views.OPTIONS}")
        buildout.run()
        with serving(buildout, url=url + "/", env=env) as server:
            yield Site(url, sentry, server)


QUIET = """\
sentry_environment = tests
sentry_release = site 1.2
sentry_server_name = the server
sentry_level = warning
sentry_event_level = ERROR
sentry_ignore =
    noisy
    noisier.*
sentry_max_value_length = 40
"""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from site(tmp_path_factory.mktemp("quiet"), QUIET)


def test_an_exception_arrives_once(quiet: Site) -> None:
    [event] = quiet.events("/fail?text=broken")
    assert (event["level"], event["release"], event["environment"]) == ("error", "site 1.2", "tests")
    assert event["server_name"] == "the server"
    assert event["request"]["url"] == quiet.url + "/fail"
    assert (event["request"]["method"], event["request"]["query_string"]) == ("GET", "text=broken")
    [error] = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("RuntimeError", "broken")
    last = error["stacktrace"]["frames"][-1]
    assert (last["filename"], last["function"]) == ("views.py", "__call__")
    assert last["context_line"].strip().startswith("raise kind(")
    assert quiet.sentry.received[-1].path == "/api/42/envelope/"


def test_a_cause_comes_along(quiet: Site) -> None:
    [event] = quiet.events("/fail?number:int=x")
    assert [error["type"] for error in event["exception"]["values"]] == ["ValueError", "ValueError"]


@pytest.mark.parametrize(("name", "count"), [("NotFound", 0), ("Redirect", 0), ("Forbidden", 0), ("InternalError", 1)])
def test_an_answer_is_no_event(quiet: Site, name: str, count: int) -> None:
    """Zope raises some answers; a filter around makes them. With a status from 500 up they are faults."""
    assert len(quiet.events(f"/fail?of={name}&text={quiet.url}/")) == count


def test_records_are_events_and_breadcrumbs_by_their_level(quiet: Site) -> None:
    [event] = quiet.events("/say?level=ERROR&logger=application&text=told")
    assert (event["level"], event["logger"], event["logentry"]["formatted"]) == ("error", "application", "told")
    assert quiet.events("/say?level=WARNING&logger=application&text=not+yet") == []
    [event] = quiet.events("/fail?first:list=DEBUG&first:list=INFO&first:list=WARNING")
    crumbs = [(crumb["level"], crumb["message"]) for crumb in event["breadcrumbs"]["values"]]
    assert crumbs == [("warning", "logged as WARNING")]


def test_ignored_loggers_are_ignored(quiet: Site) -> None:
    assert quiet.events("/say?level=CRITICAL&logger=noisy&text=no") == []
    assert quiet.events("/say?level=CRITICAL&logger=noisier.one&text=no") == []
    assert len(quiet.events("/say?level=CRITICAL&logger=noisy.not&text=yes")) == 1


def test_long_values_are_cut(quiet: Site) -> None:
    [event] = quiet.events(f"/fail?text={'x' * 1000}")
    assert len(event["exception"]["values"][0]["value"]) == 40


SECRETS = ("SecretBody", "SecretCookie", "admin", base64.b64encode(b"admin:admin").decode(), "198.51.100.7")
FORM = b"secret_field=SecretBody&word=SecretBody"
PRIVATE = {
    "Cookie": "colour=SecretCookie",
    "Authorization": "Basic " + base64.b64encode(b"admin:admin").decode(),
    "X-Forwarded-For": "198.51.100.7",
}


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json"])
def test_nothing_personal_is_sent(quiet: Site, kind: str) -> None:
    """Neither in the request nor in a frame's variables, where Zope and the view have all of it."""
    before = len(quiet.sentry.received)
    body = FORM if kind.endswith("urlencoded") else json.dumps({"word": "SecretBody"}).encode()
    [event] = quiet.events("/fail", body, **PRIVATE, **{"Content-Type": kind})
    assert event["exception"]["values"][0]["type"] == "RuntimeError"
    text = "".join(envelope.text for envelope in quiet.sentry.received[before:])
    assert [secret for secret in SECRETS if secret in text.replace("127.0.0.1", "")] == []
    assert not {"cookies", "data"} & set(event["request"])
    assert "user" not in event


LOUD = """\
sentry_send_default_pii = on
sentry_traces_sample_rate = 1.0
sentry_profiles_sample_rate = 1.0
sentry_debug = on
"""


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from site(
        tmp_path_factory.mktemp("loud"), LOUD, SENTRY_ENVIRONMENT="by variable", SENTRY_RELEASE="variable 3"
    )


def test_personal_data_are_sent_where_they_are_asked_for(loud: Site) -> None:
    [event] = loud.events("/fail", FORM + b"&password=a", **PRIVATE)
    assert event["request"]["cookies"] == {"colour": "SecretCookie"}
    # The SDK takes out what sounds like a password
    assert event["request"]["data"] == {"secret_field": "SecretBody", "word": "SecretBody", "password": "[Filtered]"}
    assert event["user"] == {"username": "admin", "ip_address": "127.0.0.1"}
    assert "form" in event["exception"]["values"][0]["stacktrace"]["frames"][-1]["vars"]


def test_bodies_of_other_types(loud: Site) -> None:
    [event] = loud.events("/fail", b'{"word": ["a", 1]}', **{"Content-Type": "application/json"})
    assert event["request"]["data"] == {"word": ["a", 1]}
    field = '--B\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    file = '--B\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n\0\x01\r\n--B--\r\n'
    body = field.format("word", "täglich") + field.format("empty", "") + file
    [event] = loud.events("/fail", body.encode(), **{"Content-Type": "multipart/form-data; boundary=B"})
    assert event["request"]["data"] == {"word": "täglich", "empty": "", "file": "[file]"}
    [event] = loud.events("/fail", b"x=" + b"y" * 20_000)
    assert "data" not in event["request"]


def test_traces_profiles_and_the_sdk_s_own_variables(loud: Site) -> None:
    [event] = loud.events("/fail")
    assert (event["environment"], event["release"]) == ("by variable", "variable 3")
    assert loud.events("/say?text=slow&seconds=0.5") == []
    # Only a request that takes some time has a profile
    received = loud.sentry.wait_for(lambda got: any("profile" in dict(one.items) and "/say" in one.text for one in got))
    profiled = [dict(one.items)["transaction"] for one in received if "profile" in dict(one.items)]
    assert loud.url + "/say" in [transaction["request"]["url"] for transaction in profiled]
    assert {transaction["contexts"]["trace"]["op"] for transaction in profiled} == {"http.server"}
    assert "[sentry] DEBUG" in loud.server.output


@pytest.fixture(params=["refused", "silent"])
def unreachable(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a Sentry that is not there, or takes connections and never answers."""
    if request.param == "refused":
        yield free_port()
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()[1]


def test_no_request_waits_for_a_sentry_that_is_not_there(unreachable: int, buildout: Buildout, port: int) -> None:
    """More errors than the SDK's queue takes: each is answered at once."""
    buildout.instance(
        f"eggs = Zope\nhttp-address = 127.0.0.1:{port}\nsentry_dsn = http://key@127.0.0.1:{unreachable}/1\n{views.OPTIONS}"
    )
    buildout.run()
    seconds = []
    with serving(buildout, url=f"http://127.0.0.1:{port}/") as server:
        for _ in range(150):
            start = time.perf_counter()
            assert fetch(f"http://127.0.0.1:{port}/fail").status == 500
            seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        assert server.stop(30) in (0, 130)
        # The SDK gives what is left two seconds
        assert time.perf_counter() - start < 15
    # One attempt alone takes longer, where nobody answers
    assert statistics.median(seconds) < 0.25, seconds
    assert max(seconds) < 5, seconds
    assert buildout.read("var/log/instance.log").count("RuntimeError: failed") == 150


def test_the_missing_sdk_is_told_by_buildout(buildout: Buildout) -> None:
    eggs = buildout.directory / "eggs/v5"
    eggs.mkdir(parents=True)
    for egg in (EGGS / "v5").iterdir():
        if not egg.name.startswith("sentry_sdk"):
            (eggs / egg.name).symlink_to(egg)
    buildout.instance("eggs = Zope\nsentry_dsn = http://key@127.0.0.1:9/1\nprofile = on")
    nowhere = [f"buildout:eggs-directory={eggs.parent}", "buildout:index=http://127.0.0.1:9/simple"]
    extra = "plone.recipe.zope2instance[sentry]"
    message = f"Error: [instance] sentry_dsn: needs {extra}, and buildout cannot install an egg of it: "
    done = buildout.run(*nowhere, check=False)
    assert f"{message}Couldn't find a distribution for 'sentry-sdk" in done.stdout
    assert "Traceback" not in done.stdout
    unpinned = buildout.run("versions:sentry-sdk=", check=False)
    assert f"{message}Picked: sentry-sdk = " in unpinned.stdout
    assert not buildout.part().exists()
    # What is missing besides is told as ever
    other = buildout.run(*nowhere, "instance:eggs=no-such-egg", check=False)
    assert "no-such-egg" in other.stdout.splitlines()[-1]
    assert "sentry_dsn" not in other.stdout
    # The filter alone, with a DSN from the environment: somebody may add the egg later
    pipeline = "instance:pipeline=translogger egg:Zope#httpexceptions sentry zope"
    done = buildout.run(*nowhere, "instance:sentry_dsn=", "instance:profile=off", pipeline)
    assert "sentry in the pipeline needs sentry_sdk: add plone.recipe.zope2instance[sentry] to eggs" in done.stdout

"""An instance that is started before its ZEO server: it waits, and serves as soon as the server is there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from databases import ZEOServer
from handmade import Client, Instance, Process
from receivers import mails
from recipe.common import zeo, zeofallback
from recipe.common.errors import StartError
from support import free_port
from waiting import wait_for

Make = Callable[..., Instance]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest) -> Iterator[ZEOServer]:
    """A ZEO server that does not run yet."""
    server = ZEOServer(unix=request.param == "unix")
    server.stop()
    yield server
    server.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes an instance whose database is the ZEO server's at an address."""
    made: list[Instance] = []

    def make(address: str, storage: str = "1") -> Instance:
        (tmp_path / str(len(made))).mkdir()
        made.append(client_of(tmp_path / str(len(made)), address, storage))
        return made[-1]

    yield make
    for instance in made:
        instance.close()


def client_of(directory: Path, address: str, storage: str = "1") -> Instance:
    instance = Instance(directory, free_port())
    head, _, rest = instance.zope_conf.read_text().partition("<filestorage>")
    client = f"<zeoclient>\n  server {address}\n  storage {storage}\n</zeoclient>"
    instance.zope_conf.write_text(head + client + rest.partition("</filestorage>")[2])
    return instance


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A command for which no server ever comes; begun before the other tests, since it takes 30 seconds."""
    instance = client_of(tmp_path_factory.mktemp("impatient"), f"127.0.0.1:{free_port()}")
    yield instance.background("run", "/dev/null")
    instance.close()


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An instance whose server does not answer, begun likewise."""
    server = ZEOServer()
    server.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    instance = client_of(tmp_path_factory.mktemp("deaf"), server.address)
    yield instance.background("console")
    server.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    server.close()
    instance.close()


pytestmark = pytest.mark.usefixtures("impatient", "deaf")


def told(instance: Instance) -> int:
    """How often the event log tells of waiting."""
    return instance.log.read_text().count("waiting for the ZEO server at ") if instance.log.exists() else 0


def test_it_serves_as_soon_as_the_server_is_there(make: Make, server: ZEOServer) -> None:
    instance = make(server.address)
    process = instance.background("console")
    wait_for(lambda: told(instance), message=lambda: process.output)
    assert f"WARNING [Zope] waiting for the ZEO server at {server.address} (" in instance.log.read_text()
    with Client(instance.address, timeout=60) as client:
        client.ask()  # it may connect already, and waits
        server.start()
        try:
            assert client.answer()
        finally:
            server.stop()
    assert told(instance) == 1
    process.send(signal.SIGTERM)
    assert process.ended(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_while_it_waits(make: Make, number: signal.Signals) -> None:
    instance = make(f"127.0.0.1:{free_port()}")
    process = instance.background("console")
    wait_for(lambda: told(instance), message=lambda: process.output)
    process.send(number)
    assert process.ended(20) == 0
    assert "Traceback" not in process.output


def test_start_does_not_wait_for_ever(make: Make) -> None:
    server = ZEOServer()
    server.stop()
    try:
        instance = make(server.address)
        done = instance.call("start")
        assert (done.returncode, done.stderr) == (0, "")
        waiting, started = done.stdout.splitlines()
        assert waiting == f"waiting for the ZEO server at {server.address} (Connection refused)"
        assert started.startswith("daemon process started, pid=")
        server.start()
        with Client(instance.address, timeout=60) as client:
            client.ask()
            client.answer()
        assert instance.call("stop").stdout == "daemon process stopped\n"
    finally:
        server.close()


def test_a_command_waits_too(make: Make) -> None:
    server = ZEOServer()
    server.stop()
    try:
        instance = make(server.address)
        process = instance.background("run", "/dev/null")
        process.expect(f"instance: waiting for the ZEO server at {server.address} (Connection refused)\n")
        server.start()
        assert process.ended(60) == 0
    finally:
        server.close()


def test_a_server_without_the_storage_is_an_error(make: Make) -> None:
    server = ZEOServer()
    try:
        instance = make(server.address, "third")
        why = f"cannot use the ZEO server at {server.address} (it has no storage 'third'; it has '1', 'second')"
        for command in ("start", "run /dev/null"):
            done = instance.call(*command.split())
            assert (done.returncode, done.stderr) == (1, f"instance: {why}\n")
        assert why in instance.log.read_text()
    finally:
        server.close()


def test_what_is_no_server_of_zeo_is_an_error(make: Make) -> None:
    with mails() as mail:
        address = f"127.0.0.1:{mail.port}"
        process = make(address).background("console")
        assert process.ended(60) == 1
    assert process.output == f"cannot use the ZEO server at {address} (it is not a ZEO server)\n"


def test_of_several_servers_one_is_enough() -> None:
    server, other = ZEOServer(), ZEOServer(unix=True)
    other.stop()
    try:
        good = zeo.Client((other.address, ("127.0.0.1", server.port)), "1")
        assert zeo.why_missing(good) == ""
        assert "it has no storage" in zeo.why_missing(good._replace(storage="third"))  # the other one may have it
        other.start()
        with pytest.raises(StartError, match=r"it has no storage 'third'.*it has no storage 'third'"):
            zeo.why_missing(good._replace(storage="third"))
    finally:
        server.close()
        other.close()


def test_all_clients_of_a_configuration_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEO_HOST", "zeo.example.com")
    conf = tmp_path / "zope.conf"
    conf.write_text(f"""
%define INSTANCEHOME {tmp_path}
instancehome $INSTANCEHOME
%import ZEO
<zodb_db main>
  mount-point /
  <demostorage>
    <blobstorage base>
      blob-dir $INSTANCEHOME/blobs
      <zeoclient>
        server $(ZEO_HOST):8100
        server /run/zeo.sock
        storage main
      </zeoclient>
    </blobstorage>
  </demostorage>
</zodb_db>
<zodb_db second>
  mount-point /second
  <clientstorage>
    read-only-fallback on
    server [::1]:8101
  </clientstorage>
</zodb_db>
<zodb_db third>
  mount-point /third
  <mappingstorage/>
</zodb_db>
""")
    found = list(zeo.read_clients(str(conf)))
    assert found == [
        zeo.Client((("zeo.example.com", 8100), "/run/zeo.sock"), "main"),
        zeo.Client((("::1", 8101),), "1", may_fall_back=True),
    ]
    assert [zeo.address_text(address) for address in (*found[0].addresses, *found[1].addresses)] == [
        "zeo.example.com:8100",
        "/run/zeo.sock",
        "[::1]:8101",
    ]


def test_a_configuration_that_zope_refuses_is_left_to_zope(tmp_path: Path) -> None:
    conf = tmp_path / "zope.conf"
    conf.write_text("no-such-key yes\n")
    assert list(zeo.wait_for_servers([str(conf)])) == []


def test_a_command_gives_up_in_the_end(impatient: Process) -> None:
    assert impatient.ended(90) == 1
    assert "\ninstance: gave up after 30 seconds of waiting for the ZEO server at 127.0.0.1:" in impatient.output


def test_a_server_that_keeps_silent_is_an_error_in_the_end(deaf: Process) -> None:
    assert deaf.ended(90) == 1
    assert "no ZEO server accepts this client (timed out waiting for connection)" in deaf.output
    assert "Traceback" not in deaf.output


def test_the_client_is_mended_in_the_releases_that_have_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    mended: list[str] = []
    releases: list[str] = []
    monkeypatch.setattr(zeofallback, "use", lambda: mended.append(releases[-1]))
    for release in ("5.4.1", "6.0.0", "6.1", "6.2", "6.3", "7.0"):
        monkeypatch.setattr(zeo, "version", {"ZEO": release}.__getitem__)
        releases.append(release)
        zeo._prepare(zeo.Client((), "1", may_fall_back=True))
        zeo._prepare(zeo.Client((), "1"))
    assert mended == ["6.0.0", "6.1", "6.2"]

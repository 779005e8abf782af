"""What every server that ``wsgi-server`` can name has to do, with each of them.

A server more is one more in the table of `recipe.common.servers`, and nothing here.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handmade import Client, Process, accessible, asking, get, refused, rerun_where_all_can_read
from recipe.common.servers import SERVERS
from support import free_port
from waiting import wait_for
from wsgi_servers import Served, answers_within, battery, end, insist, is_stopped, kill, slow_clients, taken

STOPS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
SLOW = (
    "GET / HTTP/1.1\r\nHost: loc",
    "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
)
#: To these a chunk without a size is the end of the body.
ENDS_AT_NO_CHUNK = ("granian", "uwsgi")
FORKING = battery(*(each.name for each in SERVERS.values() if each.workers))


@pytest.fixture(scope="module", params=battery(*SERVERS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with small limits, behind a proxy at 127.0.0.1."""
    served = Served(tmp_path_factory.mktemp(request.param), request.param, free_port())
    served.configure(
        "max_request_body_size = 100000\ntrusted_proxy = 127.0.0.1\ntrusted_proxy_headers = x-forwarded-for\n"
        "clear_untrusted_proxy_headers = true"
        + ("\nmax_request_header_size = 10000" if served.server.header_limit else "")
    )
    served.serve()
    yield served
    end(served.processes[0])
    served.close()


@pytest.fixture(params=battery(*SERVERS))
def served(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> Iterator[Served]:
    """A server that is not configured yet."""
    served = Served(tmp_path, request.param, port)
    yield served
    served.close()


# --- requests --------------------------------------------------------------------------------


def test_a_connection_takes_several_requests(running: Served) -> None:
    with Client(running.address) as client:
        client.ask()
        headers, body = client.answer()
        assert body.startswith("pid ")
        assert ("close" not in headers.get("connection", "")) == running.server.lasting
        if running.server.lasting:
            assert client.get("/tell")


def test_a_body_arrives(running: Served) -> None:
    text = "x" * 99_999
    with Client(running.address) as client:
        client.send(f"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n\r\n{text}")
        assert client.answer()[1] == f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("size", [0, 99_999])
def test_a_body_can_be_read_again(running: Served, size: int) -> None:
    """As Zope does after a conflict of the database."""
    with Client(running.address) as client:
        client.send(f"POST /again HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n{'x' * size}")
        assert client.answer()[1] == f"twice {size}"
    assert get(running.address, "/again") == "twice 0"


def test_a_body_in_chunks_arrives(running: Served) -> None:
    chunks = "".join(f"{len(each):x}\r\n{each}\r\n" for each in ("one", "two" * 2000, "three")) + "0\r\n\r\n"
    text = "one" + "two" * 2000 + "three"
    head = "POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    if not running.server.chunked:
        assert " 411 " in running.status(head, chunks.encode())
        return
    with Client(running.address) as client:
        client.send(head + chunks)
        assert client.answer()[1] == f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize("waits", [True, False])
def test_a_client_that_may_wait_for_100_continue(running: Served, waits: bool) -> None:
    framings = [("Content-Length: 4", "body"), ("Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n")]
    for framing, body in framings if running.server.chunked else framings[:1]:
        with Client(running.address) as client:
            head = f"POST /body HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
            client.send(head if waits else head + body)
            if waits:
                assert client.file.peek().startswith(b"HTTP/1.1 100 Continue\r\n")
                client.send(body)
            elif not running.server.eager:
                assert client.file.readline().strip() == b"HTTP/1.1 100 Continue"
                assert not select.select([client.socket], [], [], 2)[0]
                client.send("\r\n")  # It is called with the next packet, whatever is in it
                client.file.readline()
            while client.file.peek().startswith(b"HTTP/1.1 100 "):
                while client.file.readline().strip():
                    pass
            assert client.answer()[1].startswith("4 ")


def test_a_body_that_breaks_off_is_none(served: Served) -> None:
    """The application would take a part for the whole."""
    served.configure()
    process = served.serve()
    head = "POST /log/broken-off HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    for shut in (socket.SHUT_WR, socket.SHUT_RDWR):
        with Client(served.address) as client:
            client.send(head + "x" * 5000)
            client.socket.shutdown(shut)
            if shut == socket.SHUT_WR:
                assert " 200 " not in client.file.readline().decode()
    with Client(served.address) as client:
        client.send(head + "x" * 100_000)
        assert client.answer()
    end(process)
    assert served.log.read_text().count("broken-off") == 1


def test_a_header_with_an_underscore(running: Served) -> None:
    """It would be the header with a dash, which a proxy may have set or taken out."""
    told = running.tell("X_Remote_User: admin")
    assert ("HTTP_X_REMOTE_USER" in told) != running.server.dashes_only


def test_a_body_in_chunks_that_are_none_is_refused(running: Served) -> None:
    head = "POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    status = running.status(head, b"xyz\r\nbody\r\n0\r\n\r\n")
    if not running.server.chunked:
        assert " 411 " in status
    elif running.name in ENDS_AT_NO_CHUNK:
        assert " 200 " in status
    else:
        assert not status or " 400 " in status
    assert get(running.address).startswith("pid ")


def test_a_body_that_is_too_large_is_refused(running: Served) -> None:
    head = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
    assert " 413 " in running.status(head, b"x" * 200_000)
    assert get(running.address).startswith("pid ")


def test_chunks_that_are_too_large_are_refused(running: Served) -> None:
    chunks = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 3 + b"0\r\n\r\n"
    head = "POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (" 413 " if running.server.chunked else " 411 ") in running.status(head, chunks)
    assert get(running.address).startswith("pid ")


def test_a_head_that_is_too_large_is_refused(running: Served) -> None:
    status = running.status(f"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {'x' * 15000}\r\n\r\n")
    assert running.server.header_limit == any(each in status for each in (" 431 ", " 400 ", " 413 ")), status
    assert get(running.address).startswith("pid ")


#: Request lines to which every server answers 400: Python or Zope cannot read them.
UNREADABLE = [
    b"GET http://[::1/ HTTP/1.1",
    b"GET http://]/ HTTP/1.1",
    b"GET /%ff HTTP/1.1",
    b"HEAD /%ff HTTP/1.1",
    b"GET /tell/%E4?x=1 HTTP/1.1",
    b"GET /%ed%a0%80 HTTP/1.1",
]
#: Request lines that some servers accept.
ODD = [
    *(b"GET %b HTTP/1.1" % target for target in (
        b"http://[x]/", "http://a\u2100b/".encode(), b"http://a:b/", b"://x", b"a:b", b"localhost:80", b"foo", b"*",
        b"//[::1/", b"//a/b", b"///", b"/../..", b"?x=1", b"#f", b"/#f", b"", b"/a b", b"/\ta", b"/a\rb", b"/a\nb",
        b"/\xff", b"/\xd0", b"/\xc3\xa4", b"/\x00", b"/\x01\x1b", b"/\x7f", b"/%", b"/%zz", b"/%00", b"/%0d%0aX:y",
        b"/?\xff", b"/?\x00", b"/[x]{y}|^`",
    )),
    b"CONNECT localhost:80 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"PRI * HTTP/2.0", b"GET", b"GET HTTP/1.1", b"GET /",
    b"GET / bleh", b"GET /info?a&b RTSP/1.0", b"GET / HTTP/.1.", b"GET / HTTP/1", b"GET / HTTP/8.4",
    b"GET / HTTP/1.1 xxxxxx", b"get / HTTP/1.1", b"GE\x00 / HTTP/1.1", b"HTTP/1.0 GET /", b"\x16\x03\x01\x00\xa5",
]  # fmt: skip
HOSTS = [
    b"",
    b"Host:",
    b"Host: a b",
    b"Host: a\x00b",
    b"Host: \xff",
    b"Host: [::1",
    b"Host: a:b:c",
    b"Host: a\r\nHost: b",
]
#: Paths as they are sent, and as the application gets them. cheroot leaves %2F in the path.
VALID = {
    "/tell": "/tell",
    "/tell/": "/tell/",
    "/tell/%25%20%3f%23": "/tell/% ?#",
    "/tell/%C3%A4/%E2%82%AC": "/tell/ä/€",
    "/tell/~-._!$&'()*+,;=:@": "/tell/~-._!$&'()*+,;=:@",
    "/tell/http://[::1/": "/tell/http://[::1/",
    "/tell/" + "x" * 7000: "/tell/" + "x" * 7000,
}


def answered(served: Served, head: bytes) -> bytes:
    """The answer to a request; empty if the connection ends without an answer."""
    with Client(served.address) as client:
        client.socket.sendall(head)
        return client.file.read()


@pytest.mark.parametrize("line", UNREADABLE)
def test_a_target_that_cannot_be_read_is_the_client_s_mistake(running: Served, line: bytes) -> None:
    before = running.log.stat().st_size
    answer = answered(running, line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]
    if line.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")
    assert get(running.address).startswith("pid ")
    assert_one_line(running, before)


def test_an_odd_request_is_no_fault_of_the_server(running: Served) -> None:
    for line in ODD:
        answers_well(running, line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    for host in HOSTS:
        answers_well(running, b"GET / HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n\r\n")
    for digit in (b"0", b"9"):
        length = b"Content-Length: " + digit * 5000
        answers_well(running, b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + length + b"\r\n\r\n")


def answers_well(served: Served, head: bytes) -> None:
    """See that a request gets an answer other than 500, and that the server goes on and logs one line at most."""
    before = served.log.stat().st_size
    status = answered(served, head).split(b"\n")[0].strip()
    # An answer to HTTP/0.9 has no status
    assert status, head
    assert not re.search(rb" 5\d\d (?<! 505 )", status), (head, status)
    assert get(served.address).startswith("pid ")
    assert_one_line(served, before)


def assert_one_line(served: Served, before: int) -> None:
    """See that the event log has at most one more line, at INFO."""
    if served.name == "pyruvate":
        time.sleep(0.2)  # a thread of its own writes the line
    new = served.log.read_bytes()[before:].decode("utf-8", "replace").splitlines()
    assert len(new) <= 1, new
    assert all(" INFO [" in line for line in new), new


@pytest.mark.parametrize("target", VALID)
def test_a_valid_target_arrives_unchanged(running: Served, target: str) -> None:
    answer = answered(running, f"GET {target}?%ff=%00&/?:@ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told["PATH_INFO"].encode("latin-1").decode() == VALID[target]
    assert told["QUERY_STRING"] == "%ff=%00&/?:@"


def test_the_proxy_tells_the_client(running: Served) -> None:
    told = running.tell("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
    assert told["REMOTE_ADDR"] == "192.0.2.7"
    # Not among the headers that the proxy is trusted with
    assert told["wsgi.url_scheme"] == "http"
    assert "HTTP_X_FORWARDED_PROTO" not in told


def test_what_a_client_tells_its_proxy_is_not_believed(running: Served) -> None:
    """The proxy appends the address it sees to what it was told."""
    assert running.tell("X-Forwarded-For: 127.0.0.1, 192.0.2.7")["REMOTE_ADDR"] == "192.0.2.7"


def test_nobody_else_is_believed(served: Served) -> None:
    served.configure("clear_untrusted_proxy_headers = true\ntrusted_proxy = 192.0.2.1")
    process = served.serve()
    told = served.tell("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "Forwarded: for=192.0.2.8")
    assert told["REMOTE_ADDR"] == "127.0.0.1"
    assert told["wsgi.url_scheme"] == "http"
    assert not [name for name in told if "FORWARDED" in name]
    end(process)


def test_fifty_megabytes_arrive(served: Served) -> None:
    served.configure("threads = 2" if served.server.threads else "")
    process = served.serve()
    get(served.address)
    with Client(served.address) as client:
        client.ask("/blocks/800")
        while client.file.readline().strip():
            pass
        assert len(client.file.read(800 * 65536)) == 800 * 65536
    end(process)


# --- addresses -------------------------------------------------------------------------------


def test_it_listens_on_all_kinds_of_addresses(served: Served) -> None:
    other = free_port()
    with tempfile.TemporaryDirectory() as directory:
        places: list[tuple[str, int] | str] = [served.address]
        words = [f"127.0.0.1:{served.port}"]
        if served.server.several:
            words.append(f"[::1]:{other}")
            places.append(("::1", other))
        if served.server.unix:
            words = [*words, f"unix:{directory}/sock"] if served.server.several else [f"unix:{directory}/sock"]
            places = [*places, f"{directory}/sock"] if served.server.several else [f"{directory}/sock"]
        served.configure(addresses=f"fast-listen = {' '.join(words)}")
        process = served.serve()
        for place in places:
            assert get(place).startswith("pid ")
        if served.server.unix:
            assert served.tell(address=f"{directory}/sock")["REMOTE_ADDR"] == "localhost"
        end(process)
        assert os.listdir(directory) == []


@pytest.mark.parametrize("early", [True, False])
def test_early_clients_wait_or_are_refused(served: Served, early: bool) -> None:
    if not early and not served.server.late:
        pytest.skip(f"{served.name} cannot, which the recipe says")
    served.configure(addresses=f"{'fast-listen' if early else 'listen'} = 127.0.0.1:{served.port}")
    process = served.start_at_gate()
    assert taken(served.port)
    assert "Serving on" not in process.output
    if early:
        with Client(served.address) as client:
            client.ask()
            served.open_gate()
            assert client.answer()[1].startswith("pid ")
    else:
        # Bound, so that it is told at once where it is taken
        assert refused(served.port)
        served.open_gate()
        process.expect("Serving on")
        assert get(served.address).startswith("pid ")
    end(process)


def test_an_address_that_is_taken_is_told(served: Served) -> None:
    served.configure()
    end_of = served.serve()
    second = served.start()
    assert second.ended(30) == 1
    assert f"cannot listen on 127.0.0.1:{served.port}: the address is in use" in second.output
    assert "Traceback" not in second.output
    end(end_of)


@pytest.mark.one_python
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_another_user(request: pytest.FixtureRequest) -> None:
    if not accessible():
        rerun_where_all_can_read(request.node.nodeid)
        return
    for name in SERVERS:
        becomes_another_user(name, free_port())


def becomes_another_user(name: str, port: int) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp())
    served = Served(directory, name, port)
    try:
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        socket = f" unix:{directory}/sock" if served.server.unix and served.server.several else ""
        served.configure(addresses=f"listen = 127.0.0.1:{port}{socket}" if served.server.late else "")
        process = served.serve("--user", "nobody")
        for pid in {process.pid, int(get(served.address).split()[1])}:
            status = Path(f"/proc/{pid}/status").read_text()
            assert re.search(rf"^Uid:(\s{nobody.pw_uid}){{4}}$", status, re.MULTILINE)
            assert re.search(rf"^Gid:(\s{nobody.pw_gid}){{4}}$", status, re.MULTILINE)
        assert served.log.stat().st_uid == nobody.pw_uid
        if socket:
            assert get(f"{directory}/sock").startswith("pid ")
        end(process)
        assert not (directory / "sock").exists()
    finally:
        served.close()
        shutil.rmtree(directory)


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", STOPS)
def test_a_request_under_way_is_answered(served: Served, number: signal.Signals) -> None:
    served.configure("graceful_timeout = 20")
    process = served.serve()
    with Client(served.address) as client:
        served.begin(client, 1)
        process.send(number)
        headers, body = client.answer()
        assert body.startswith("pid ")
        # gunicorn does not say that it closes a connection that it does close
        assert ("close" in headers["connection"]) == (served.name != "gunicorn")
    assert process.ended() == 0
    assert "Traceback" not in process.output


def test_no_request_is_lost_when_it_stops(served: Served) -> None:
    """Clients ask all the time, on connections that last and on new ones, and each gets its full answer."""
    served.configure("graceful_timeout = 20")
    for lasting in (True, False):
        with asking(served.port, "/sleep/0.03", clients=6, lasting=lasting) as (answered, lost):
            for _ in range(2):
                process = served.serve()
                before = len(answered)
                wait_for(lambda before=before: len(answered) > before + 20)  # type: ignore[misc]
                process.send(signal.SIGTERM)
                assert process.ended(60) == 0
        assert lost == []


def test_the_timeout_ends_it(served: Served) -> None:
    served.configure()
    process = served.serve("--graceful-timeout", "1")
    with Client(served.address) as client:
        served.begin(client, 30)
        start = time.monotonic()
        process.send(signal.SIGTERM)
        assert process.ended() == 0
    assert 0.5 < time.monotonic() - start < 15
    assert "Stopped with 1 request(s) in progress" in served.log.read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_what_the_application_has_registered_for_the_end_is_done(served: Served, times: int) -> None:
    """As the SDK of Sentry does, which sends then what it still has; and repoze.profile."""
    served.configure()
    process = served.serve()
    with Client(served.address) as client:
        if times == 2:
            served.begin(client, 30)
        pid = process.pid if times == 2 else int(client.get().split()[1])
        process.send(signal.SIGTERM)
        if times == 2:
            time.sleep(0.3)
            insist(process)
        assert process.ended() == 0
    text = served.log.read_text()
    assert re.search(r"process \d+ is through" if times == 2 else f"process {pid} is through", text)


@pytest.mark.parametrize("number", STOPS)
def test_a_second_signal_ends_it_at_once(served: Served, number: signal.Signals) -> None:
    served.configure("graceful_timeout = 60")
    process = served.serve()
    with Client(served.address) as client:
        served.begin(client, 60)
        process.send(number)
        time.sleep(0.3)
        insist(process, number)
        assert process.ended() == 0
    assert "Stopped with 1 request(s) in progress" in served.log.read_text()


@pytest.mark.parametrize("number", STOPS)
def test_it_ends_while_it_starts(served: Served, number: signal.Signals) -> None:
    served.configure()
    process = served.start_at_gate()
    process.send(number)
    assert process.ended(15) == 0
    assert "Traceback" not in process.output


def test_an_application_that_cannot_be_loaded_ends_it(served: Served) -> None:
    served.configure("workers = 2" if served.server.workers else "")
    (served.directory / "broken").write_text("so it is")
    process = served.start()
    assert process.ended(30) == 1
    assert "RuntimeError: so it is" in process.output
    assert "RuntimeError: so it is" in served.log.read_text()


def test_logs_are_reopened(served: Served) -> None:
    served.configure()
    process = served.serve()
    for number, old in ((signal.SIGUSR1, "log.1"), (signal.SIGUSR2, "log.2")):
        get(served.address, f"/log/before-{old}")
        served.log.rename(served.directory / old)
        process.send(number)
        # A line that comes in between goes to the old file, and none is lost
        wait_for(served.log.exists)
        wait_for(lambda old=old: get(served.address, f"/log/after-{old}") and f"after-{old}" in served.log.read_text())  # type: ignore[misc]
        assert f"before-{old}" in (served.directory / old).read_text()
    assert get(served.address).startswith("pid ")
    end(process)


# --- slow clients ----------------------------------------------------------------------------


def test_four_hundred_slow_clients(served: Served) -> None:
    """They leave the threads to others, or the table says that some of them do not."""
    served.configure()
    process = served.serve()
    answered = []
    for text in SLOW:
        with slow_clients(served.address, 400, text):
            answered.append(answers_within(served.address, 30 if served.server.slow_clients else 3))
        wait_for(lambda: answers_within(served.address, 5))
    assert all(answered) == served.server.slow_clients
    end(process)


#: Servers whose workers accept from one socket, and cannot be told to stop that.
SHARING = ("uwsgi",)

# --- several processes -----------------------------------------------------------------------


@pytest.mark.parametrize("served", FORKING, indirect=True)
def test_a_worker_that_dies_is_replaced_and_nobody_notices(served: Served) -> None:
    served.configure("workers = 2\ngraceful_timeout = 20")
    process = served.serve()
    first, second = sorted(served.pids(2))
    assert process.pid not in (first, second)
    with asking(served.port, "/pid", clients=4, lasting=False) as (answered, lost):
        wait_for(lambda: len(answered) > 50)
        kill(first)
        seen = len(answered)
        wait_for(lambda: any(one not in (f"pid {first}", f"pid {second}") for one in answered[seen:]))
    # At most those that the dead worker had taken
    assert len(lost) <= 4
    assert "Traceback" not in served.log.read_text()
    with asking(served.port, "/sleep/0.02", clients=4, lasting=False) as (answered, lost):
        wait_for(lambda: len(answered) > 20)
        end(process)
    assert lost == []


@pytest.mark.parametrize("served", FORKING, indirect=True)
def test_each_worker_gets_clients(served: Served) -> None:
    """Also where all of them come at once, and stay, as a proxy's do."""
    served.configure("workers = 2")
    process = served.serve()
    pids = served.pids(2)
    for _ in range(3):
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(served.address)) for _ in range(40)]
            for client in clients:
                client.ask("/sleep/0.02")
            counts = Counter(client.answer()[1] for client in clients)
        assert set(counts) == {f"pid {pid}" for pid in pids}
        assert min(counts.values()) >= 4
    end(process)


@pytest.mark.parametrize(
    "served", battery(*(each.name for each in SERVERS.values() if each.workers and each.slow_clients)), indirect=True
)
def test_slow_clients_leave_the_threads_of_workers_to_others(served: Served) -> None:
    served.configure("workers = 2" + ("\nthreads = 2" if served.server.threads else ""))
    process = served.serve()
    served.pids(2)
    for text in SLOW:
        with slow_clients(served.address, 100, text):
            assert all(answers_within(served.address, 30) for _ in range(20))
    end(process)


@pytest.mark.parametrize("served", FORKING, indirect=True)
def test_nobody_waits_for_the_second_worker(served: Served) -> None:
    """It loads after the first one, and clients are let in as soon as that serves."""
    served.configure("workers = 2", f"listen = 127.0.0.1:{served.port}")
    process = served.start_at_gate(gate="others")
    wait_for(lambda: not refused(served.port))
    # All by the first one, since the second one does not get any further
    assert len({get(served.address) for _ in range(100)}) == 1
    served.open_gate()
    served.pids(2)
    end(process)


@pytest.mark.parametrize("served", FORKING, indirect=True)
@pytest.mark.parametrize("after", [0, 0.5], ids=["at once", "while the next one loads"])
def test_who_waits_for_a_worker_that_died_is_answered_at_a_stop(served: Served, after: float) -> None:
    """By another one, or by its successor."""
    served.configure("workers = 2")
    process = served.serve(SLOW_START="1.5")
    first, second = served.pids(2)
    os.kill(first, signal.SIGSTOP)
    wait_for(lambda: is_stopped(first))
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(served.address)) for _ in range(20)]
        for client in clients:
            client.ask("/pid")
        kill(first)
        time.sleep(after)
        process.send(signal.SIGTERM)
        assert f"pid {second}" in {client.answer()[1] for client in clients}
    assert process.ended() == 0


@pytest.mark.parametrize("served", FORKING, indirect=True)
def test_a_worker_that_is_told_to_end_is_replaced(served: Served) -> None:
    """The sockets are its successor's, too, and the other workers'."""
    served.configure("workers = 2\ngraceful_timeout = 2")
    process = served.serve()
    first, second = sorted(served.pids(2))
    with asking(served.port, "/pid", clients=4, lasting=False) as (answered, lost):
        os.kill(first, signal.SIGTERM)
        wait_for(lambda: any(one not in (f"pid {first}", f"pid {second}") for one in answered))
        seen = len(answered)
        wait_for(lambda: len(answered) > seen + 50)
    # One that shares its socket goes on to take clients, until the timeout
    assert len(lost) <= (4 if served.name in SHARING else 0)
    end(process)


# Of the servers that take clients until their process ends, one that is told to end by hand may lose the last client
@pytest.mark.parametrize("served", battery("waitress", "gunicorn"), indirect=True)
def test_a_worker_that_ends_leaves_a_unix_socket_to_the_others(served: Served) -> None:
    path = str(served.directory / "s")
    served.configure("workers = 2\ngraceful_timeout = 2", f"fast-listen = unix:{path}")
    process = served.serve()
    first = get(path)
    os.kill(int(first.split()[1]), signal.SIGTERM)
    wait_for(lambda: first not in {get(path) for _ in range(10)})
    end(process)
    assert not os.path.exists(path)


@pytest.mark.parametrize("served", FORKING, indirect=True)
def test_a_worker_that_cannot_be_replaced_is_tried_again(served: Served) -> None:
    served.configure("workers = 2")
    process: Process = served.serve()
    first, second = sorted(served.pids(2))
    (served.directory / "broken").write_text("for a while")
    kill(first)
    wait_for(lambda: "for a while" in served.log.read_text())
    assert get(served.address) == f"pid {second}"
    (served.directory / "broken").unlink()
    wait_for(lambda: len(served.pids(2) - {first}) == 2)
    end(process)

"""The inner parts of other packages that this package overrides or uses are as they were when its code was written.

`PARTS` is the one list of them. An override that is not in the list fails, too. Where a part has changed: read its new
code, adapt what uses it, write the new line into the list, and raise the upper bound in setup.py.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

import recipe.wsgi
from recipe.wsgi.servers import gunicorn

#: ``module:name(signature)``; without a signature where it is not called; ``module:Class#name`` for an attribute that
#: the class sets on its instances.
PARTS = """
pythonjsonlogger.core:BaseJsonFormatter.add_fields(self, log_data, record, message_dict)
pythonjsonlogger.json:JsonFormatter.__init__(self, *args, json_default=None, json_encoder=None, json_serializer=Ellipsis, json_indent=None, json_ensure_ascii=True, **kwargs)
cheroot.server:HTTPConnection.RequestHandlerClass(server, conn, proxy_mode=False, strict_mode=True)
cheroot.server:HTTPRequest.header_reader(rfile, hdict=None)
cheroot.server:HTTPRequest.read_request_line(self)
cheroot.server:HTTPRequest.simple_response(self, status, msg='')
cheroot.server:HTTPServer.ConnectionClass(server, sock, makefile=Ellipsis)
cheroot.server:HTTPServer.bind(self, family, type, proto=0)
cheroot.server:HTTPServer.bind_unix_socket(self, bind_addr)
cheroot.server:HTTPServer.error_log(self, msg='', level=20, traceback=False)
cheroot.server:HTTPServer.max_request_header_size
cheroot.server:HTTPServer.prepare(self)
cheroot.server:HTTPServer.serve(self)
cheroot.server:HeaderReader._allow_header(self, key_name)
cheroot.wsgi:Server.__init__(self, bind_addr, wsgi_app, numthreads=10, server_name=None, max=-1, request_queue_size=5, timeout=10, shutdown_timeout=5, accepted_queue_size=-1, accepted_queue_timeout=10, peercreds_enabled=False, peercreds_resolve_enabled=False, reuse_port=False)
gunicorn.config:Config#settings
gunicorn.config:Config.set(self, name, value)
gunicorn.config:Config.validate(self)
gunicorn.config:Config.worker_class
gunicorn.config:Config.worker_class_str
gunicorn.glogging:Logger#_access_log_enabled
gunicorn.glogging:Logger#error_log
gunicorn.glogging:Logger.setup(self, cfg)
gunicorn.workers.base:Worker#alive
gunicorn.workers.base:Worker#app
gunicorn.workers.base:Worker#booted
gunicorn.workers.base:Worker#cfg
gunicorn.workers.base:Worker#ppid
gunicorn.workers.base:Worker.__init__(self, age, ppid, sockets, app, timeout, cfg, log)
gunicorn.workers.base:Worker.handle_exit(self, sig, frame)
gunicorn.workers.base:Worker.init_process(self)
gunicorn.workers.base:Worker.init_signals(self)
gunicorn.workers.base:Worker.notify(self)
gunicorn.workers.base:Worker.run(self)
gunicorn.workers.gthread:ThreadWorker#nr_conns
gunicorn.workers.gthread:ThreadWorker.accept(self, listener)
gunicorn.workers.gthread:ThreadWorker.get_thread_pool(self)
gunicorn.workers.gthread:ThreadWorker.handle_exit(self, sig, frame)
gunicorn.workers.gthread:ThreadWorker.run(self)
gunicorn.workers.gthread:ThreadWorker.set_accept_enabled(self, enabled)
gunicorn.workers.gthread:ThreadWorker.wait_for_and_dispatch_events(self, timeout)
gunicorn.workers.sync:SyncWorker.run(self)
waitress.adjustments:Adjustments._params
waitress.buffers:ReadOnlyFileBasedBuffer#file
waitress.channel:HTTPChannel#requests
waitress.channel:HTTPChannel.__init__(self, server, sock, addr, adj, map=None)
waitress.channel:HTTPChannel.handle_close(self)
waitress.channel:HTTPChannel.last_activity
waitress.channel:HTTPChannel.parser_class(adj)
waitress.channel:HTTPChannel.request
waitress.channel:HTTPChannel.task_class(channel, request)
waitress.channel:HTTPChannel.total_outbufs_len
waitress.channel:HTTPChannel.write_soon(self, data)
waitress.parser:HTTPRequestParser.parse_header(self, header_plus)
waitress.proxy_headers:proxy_headers_middleware(app, trusted_proxy=None, trusted_proxy_count=1, trusted_proxy_headers=None, clear_untrusted=True, log_untrusted=False, logger=Ellipsis)
waitress.server:BaseWSGIServer#accepting
waitress.server:BaseWSGIServer#trigger
waitress.server:BaseWSGIServer.channel_class(server, sock, addr, adj, map=None)
waitress.server:BaseWSGIServer.del_channel(self, map=None)
waitress.server:BaseWSGIServer.handle_accept(self)
waitress.server:BaseWSGIServer.pull_trigger(self)
waitress.server:TcpWSGIServer.__init__(self, application, map=None, _start=True, _sock=None, dispatcher=None, adj=None, sockinfo=None, bind_socket=True, **kw)
waitress.server:UnixWSGIServer.__init__(self, application, map=None, _start=True, _sock=None, dispatcher=None, adj=None, sockinfo=None, **kw)
waitress.server:UnixWSGIServer.getsockname(self)
waitress.task:Task#channel
waitress.task:Task#request
waitress.task:Task#wrote_header
waitress.task:Task.build_response_header(self)
waitress.task:Task.write(self, data)
waitress.task:ThreadedTaskDispatcher#queue_logger
waitress.task:ThreadedTaskDispatcher#threads
waitress.task:ThreadedTaskDispatcher.queue_logger
waitress.task:ThreadedTaskDispatcher.set_thread_count(self, count)
waitress.task:ThreadedTaskDispatcher.shutdown(self, cancel_pending=True, timeout=5)
waitress.wasyncore:loop(timeout=30.0, use_poll=False, map=None, count=None)
werkzeug.serving:WSGIRequestHandler#environ
werkzeug.serving:WSGIRequestHandler.log_error(self, format, *args)
werkzeug.serving:WSGIRequestHandler.log_message(self, format, *args)
werkzeug.serving:WSGIRequestHandler.log_request(self, code='-', size='-')
werkzeug.serving:WSGIRequestHandler.run_wsgi(self)
werkzeug.serving:make_server(host, port, app, threaded=False, processes=1, request_handler=None, passthrough_errors=False, ssl_context=None, fd=None)
werkzeug.wsgi:get_input_stream(environ, safe_fallback=True, max_content_length=None)
App.ZApplication:ZApplicationWrapper#_db
ZODB.config:FileStorage.open(self)
Zope2.Startup.datatypes:DBTab#databases
Zope2.Startup.datatypes:DBTab.getDatabase(self, mount_path=None, name=None, is_root=0)
Zope2.Startup.datatypes:DBTab.listMountPaths(self)
ZEO.asyncio.client:ClientIO#connect_poll
ZEO.asyncio.client:ClientIO#protocols
ZEO.asyncio.client:ClientIO#register_failed_poll
ZEO.asyncio.client:ClientIO.await_operational_co(self, timeout, init_ok=False)
ZEO.asyncio.client:ClientIO.closed
ZEO.asyncio.client:ClientIO.disconnected(self, protocol=None)
ZEO.asyncio.client:ClientIO.register_failed(self, protocol, exc)
ZEO.asyncio.client:ClientIO.trying_to_connect(self)
ZEO.asyncio.client:Fallback
ZEO.asyncio.client:Protocol#addr
ZEO.asyncio.client:Protocol.__init__(self, loop, addr, client, storage_key, read_only, connect_poll=1, heartbeat_interval=60, ssl=None, ssl_server_hostname=None)
ZEO.asyncio.client:Protocol.closed
bjoern:server_run(sock, wsgi_app, statsd=None)
granian._futures:_new_cbscheduler(loop, cb, impl_asyncio=False)
granian._granian:SocketHolder(fd, uds, backlog)
granian._granian:WSGIWorker(worker_id, sock, ipc, threads=1, blocking_threads=512, py_threads=1, py_threads_idle_timeout=30, backpressure=128, http_mode='1', http1_opts=None, http2_opts=None, static_files=None, ssl_enabled=False, ssl_cert=None, ssl_key=None, ssl_key_password=None, ssl_protocol_min='1.3', ssl_ca=None, ssl_crl=Ellipsis, ssl_client_verify=False, metrics=Ellipsis)
granian._granian:WSGIWorker.serve_mtr(self, /, callback, event_loop, signal)
granian._granian:WSGIWorker.serve_mtr_uds(self, /, callback, event_loop, signal)
granian._granian:WorkerSignal()
granian._granian:WorkerSignal.add_cb(self, /, cb)
granian._loops:loops
granian.http:HTTP1Settings(header_read_timeout=30000, keep_alive=True, max_buffer_size=417792, pipeline_flush=False)
granian.wsgi:_callback_wrapper(callback, scope_opts, access_log_fmt=None)
pyruvate:FileWrapper(filelike, blocksize=None)
pyruvate:serve(application, addr, num_workers, max_number_headers=32, async_logging=True, chunked_transfer=False, max_reuse_count=0, keepalive_timeout=60, qmon_warn_threshold=None, send_timeout=60)
pyuwsgi:run
paste.deploy.loadwsgi:ConfigLoader#parser
paste.deploy.loadwsgi:ConfigLoader.get_context(self, object_type, name=None, global_conf=None)
paste.deploy.loadwsgi:ConfigLoader.update_defaults(self, new_defaults, overwrite=True)
"""  # noqa: E501

#: Modules outside of recipe.wsgi with such classes.
MODULES = ("recipe.common.zeofallback",)

GONE = object()


def shape(part: Any) -> str:
    """The signature of `part` without annotations; empty where it is not called, or is called from C."""
    if not callable(part):
        return ""
    try:
        signature = inspect.signature(part)
    except ValueError:
        return ""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty, default=plain(parameter.default))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def plain(default: Any) -> Any:
    """A default that looks the same in every process."""
    return default if default is None or isinstance(default, int | float | str | tuple | type) else ...


def now(line: str) -> str:
    """What a line of `PARTS` would be with the installed release; says what is missing where the part is gone."""
    module, _, name = re.sub(r"\(.*", "", line).partition(":")
    name, _, attribute = name.partition("#")
    part: Any = importlib.import_module(module)
    for step in name.split("."):
        part = inspect.getattr_static(part, step, GONE) if inspect.isclass(part) else getattr(part, step, GONE)
        if part is GONE:
            return f"{module}:{name} is gone"
    if isinstance(part, property):
        return f"{module}:{name}"
    if attribute:
        source = "".join(inspect.getsource(base) for base in part.__mro__ if is_other(base))
        return line if re.search(rf"\bself\.{attribute}\b", source) else f"{line} is gone"
    return f"{module}:{name}{shape(part)}"


def is_other(class_: type) -> bool:
    """Whether a class is from another package, and not from Python itself."""
    package = class_.__module__.partition(".")[0]
    return package != "recipe" and package not in sys.stdlib_module_names


def overridden(class_: type) -> Iterator[str]:
    """Yield each part of another package that a class overrides, as a line of `PARTS` without its signature."""
    for index, derived in enumerate(class_.__mro__):
        for name in vars(derived) if not is_other(derived) else ():
            owner = next((base for base in class_.__mro__[index + 1 :] if is_other(base) and name in vars(base)), None)
            if owner and name not in (
                "__module__",
                "__doc__",
                "__dict__",
                "__weakref__",
                "__firstlineno__",
                "__static_attributes__",
            ):
                yield f"{owner.__module__}:{owner.__qualname__}.{name}"


def deriving_classes() -> Iterator[type]:
    """Yield each class of this package that is derived from a class of another package."""
    names = [module.name for module in pkgutil.walk_packages(recipe.wsgi.__path__, "recipe.wsgi.")]
    for name in (*names, *MODULES):
        for class_ in vars(importlib.import_module(name)).values():
            if inspect.isclass(class_) and class_.__module__ == name and any(map(is_other, class_.__mro__)):
                yield class_
    # These are made when gunicorn starts
    yield from (type("Worker", (gunicorn.WorkerMixin, base), {}) for base in (ThreadWorker, SyncWorker))
    yield from map(gunicorn._logger, (False, True))


@pytest.mark.parametrize("line", PARTS.split("\n")[1:-1])
def test_a_part_is_as_it_was(line: str) -> None:
    assert now(line) == line


def test_every_override_is_in_the_list() -> None:
    listed = {re.sub(r"\(.*", "", line) for line in PARTS.split("\n")}
    names = {name for class_ in deriving_classes() for name in overridden(class_)}
    assert sorted(names - listed) == []


class Base:
    """Stands for a class of another package."""

    def kept(self, size: int = 1) -> None:
        """A method."""
        self.attribute = size


class Derived(Base):
    """A class of this package, which overrides a method."""

    def kept(self, size: int = 1) -> None:
        """An override."""

    def new(self) -> None:
        """A method of its own."""


def test_a_part_that_is_gone_or_has_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{__name__}:Base.kept(self, size=1)", f"{__name__}:Base#attribute"]
    assert [now(line) for line in lines] == lines
    assert now(f"{__name__}:Base.lost(self)") == f"{__name__}:Base.lost is gone"
    assert now(f"{__name__}:Base#lost") == f"{__name__}:Base#lost is gone"
    monkeypatch.setattr(Base, "kept", lambda self, size=1, limit=0: None)
    assert now(lines[0]) == f"{__name__}:Base.kept(self, size=1, limit=0)"


def test_an_override_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Derived, "__module__", "recipe.wsgi")
    assert list(overridden(Derived)) == [f"{__name__}:Base.kept"]

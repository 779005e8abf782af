"""The declarations of the options, and what is read from a part's text."""

from __future__ import annotations

import dataclasses

import pytest

from parts import description, zope_conf
from recipe.common.address import Address
from recipe.options import declared, hints
from recipe.options.declare import Applies
from recipe.options.settings import Settings


def errors(text: str) -> list[str]:
    return description(text)[1].errors


def warnings(text: str) -> list[str]:
    return description(text)[1].warnings


def settings(text: str) -> Settings:
    instance, problems = description(text)
    assert problems.errors == []
    return instance.settings


def test_every_option_is_declared_once() -> None:
    names = [name for option in declared() for name in option.names]
    assert len(names) == len(set(names)) > 100


def test_every_option_says_what_it_is() -> None:
    for option in declared():
        assert option.doc.endswith((".", ").")), option.name
        assert option.kind.allowed, option.name
        assert option.applies in Applies


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)])
def test_every_field_is_an_option(field: str) -> None:
    group = {each.name: each.type for each in dataclasses.fields(Settings)}[field]
    for each in dataclasses.fields(group):  # type: ignore[arg-type]
        assert "option" in each.metadata, each.name


def test_defaults() -> None:
    found = settings("")
    assert found.layout.var == "/bd/var"
    assert found.layout.client_home == "/bd/var/instance"
    assert found.server.threads == 4
    assert found.server.addresses == (Address("0.0.0.0", 8080),)
    assert found.event_log.file == "/bd/var/log/instance.log"
    assert found.access_log.file == "/bd/var/log/instance-access.log"
    assert found.storage.file == "/bd/var/filestorage/Data.fs"
    assert found.zope.debug_mode is False
    assert found.zope.debug_exceptions is None


def test_an_emptied_option_is_not_given() -> None:
    emptied = "\n".join(
        f"{option.name} =" for option in declared() if not option.keep_empty and option.applies is not Applies.ZSERVER
    )
    assert settings(emptied) == settings("")
    assert warnings(emptied) == []


def test_where_empty_means_something() -> None:
    assert settings("http-address =").server.addresses == ()
    assert settings("file-storage =").storage.file == ""
    assert settings("scripts =").scripts.scripts == ""
    assert settings("").scripts.scripts is None


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("on", True),
        ("True", True),
        ("YES", True),
        ("1", True),
        ("off", False),
        ("FALSE", False),
        ("No", False),
        ("0", False),
    ],
)
def test_booleans_in_any_case(word: str, meaning: bool) -> None:
    assert settings(f"debug-mode = {word}").zope.debug_mode is meaning
    assert settings(f"profile = {word}").profile.enabled is meaning
    assert settings(f"http-fast-listen = {word}").server.fast_listen is meaning
    assert settings(f"asyncore-use-poll = {word}").server.asyncore_use_poll is meaning
    assert settings(f"demo-storage = {word}\nblob-storage =").storage.demo is meaning
    assert settings(f"zeo-client = on\nshared-blob = {word}").storage.shared_blob is meaning


@pytest.mark.parametrize(("text", "level"), [("error", "ERROR"), ("Warn", "WARN"), ("ALL", "DEBUG"), ("10", "DEBUG")])
def test_levels_in_any_case(text: str, level: str) -> None:
    assert settings(f"event-log-level = {text}").event_log.level == level


@pytest.mark.parametrize(("text", "size"), [("1000", 1000), ("1KB", 1024), ("5mb", 5 * 1024**2), ("2 GB", 2 * 1024**3)])
def test_sizes_with_units(text: str, size: int) -> None:
    assert settings(f"max-request-body-size = {text}").server.max_request_body_size == size


def test_z2_log_wins_but_access_log_level_does() -> None:
    text = "z2-log = a.log\naccess-log = b.log\nz2-log-level = DEBUG\naccess-log-level = ERROR"
    log = settings(text).access_log
    assert (log.file, log.level) == ("/bd/var/a.log", "ERROR")


@pytest.mark.parametrize("word", ["disable", "Disable", "off", "no", "false", "0", "none"])
def test_words_that_disable_a_log(word: str) -> None:
    found = settings(f"access-log = {word}\nevent-log = {word}")
    assert (found.access_log.file, found.event_log.file) == ("", "")


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("('localhost', 9000)", "('localhost', 9000)"),
        ("(\n 'localhost',\n 9000, # the port\n )", "('localhost', 9000)"),
        ("(sys.stdout, handlers.SysLogHandler.LOG_USER)", "(sys.stdout, handlers.SysLogHandler.LOG_USER)"),
    ],
)
def test_arguments_become_one_line(text: str, args: str) -> None:
    assert settings(f"access-log-args = {text}").access_log.args == args


def test_a_call_of_dict_is_a_literal() -> None:
    assert settings("event-log-kwargs = dict(delay=True)").event_log.kwargs == "{'delay': True}"


def test_comments_in_words_are_dropped() -> None:
    found = settings("zeo-client = on\nzeo-address =\n  # main\n  a:1\nhttp-address =\n  # first\n  81\n")
    assert found.storage.zeo_address == ("a:1",)
    assert [str(each) for each in found.server.addresses] == ["0.0.0.0:81"]


def test_sizes_that_zconfig_does_not_know_are_written_in_bytes() -> None:
    assert settings("zodb-cache-size-bytes = 100B").storage.cache_size_bytes == "100"
    assert settings("zodb-cache-size-bytes = 1TB").storage.cache_size_bytes == str(1024**4)
    assert settings("zodb-cache-size-bytes = 5mb").storage.cache_size_bytes == "5mb"
    assert settings("zodb-cache-size = 0").storage.cache_size == 0


def test_a_reference_is_not_joined_to_a_directory() -> None:
    found = settings("event-log = %(here)s/x.log\nclient-home = $INSTANCEHOME/ch\nzeo-var = $(ZEO)/x")
    assert found.event_log.file == "%(here)s/x.log"
    assert found.layout.client_home == "$INSTANCEHOME/ch"
    assert found.storage.zeo_var == "$(ZEO)/x"
    instance, _ = description("environment-vars = CHAMELEON_CACHE $INSTANCEHOME/cache\nevent-log = %(here)s/x.log")
    assert not [directory for directory in instance.directories if "$" in directory or "%" in directory]


def test_paths_are_absolute() -> None:
    text = "var = data\nclient-home = home\nevent-log = e.log\nfile-storage = x.fs\nblob-storage = b\npid-file = p"
    found = settings(text)
    assert found.layout.var == "/bd/data"
    assert found.layout.client_home == "/bd/home"
    assert found.layout.import_directory == "/bd/home/import"
    assert found.event_log.file == "/bd/data/e.log"
    assert found.storage.file == "/bd/data/x.fs"
    assert found.storage.blobs == "/bd/b"
    assert found.layout.pid_file == "/bd/p"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a b/c", ("/a b/c",)),
        ("/a /b", ("/a", "/b")),
        ("a b", ("/bd/a", "/bd/b")),
        ("\n /x y\n # note\n /z", ("/x y", "/z")),
    ],
)
def test_extra_paths_with_and_without_blanks(text: str, paths: tuple[str, ...]) -> None:
    assert settings(f"extra-paths = {text}").scripts.extra_paths == paths


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("http-address = 99999", "http-address: '99999' is not a port"),
        ("http-address = ::1:8080", "write an IPv6 address as [::1]:8080"),
        ("http-address = localhost", "'localhost' is not a port"),
        ("threads = 0", "threads: '0' is below 1"),
        ("threads = four", "threads: 'four' is not a whole number"),
        ("debug-mode = perhaps", "Allowed: on or off, true or false, yes or no, 1 or 0."),
        ("event-log-level = LOUD", "Allowed: DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ("zopectl-umask = 99", "is not an octal mask"),
        ("max-request-body-size = big", "is not a size"),
        ("user = admin", "user: the value lacks a user name or a password. Allowed: name:password."),
        ("event-log-args = 'x'", "is not a tuple"),
        ("event-log-args = (open('/etc/passwd'),)", "contains the call open(…), which is not allowed"),
        ("event-log-args = (os.environ,)", "contains os.environ, which is neither a literal"),
        ("event-log-args = ((1).__class__,)", ".__class__, which is neither a literal"),
        ("event-log-args = (handlers.socket.socket,)", "contains handlers.socket.socket, which is neither a literal"),
        ("access-log-kwargs = ['x']", "is not a dict"),
        ("access-log-handler = no such class", "is not a dotted name"),
        ("zcml = my-package-meta", "'my-package-meta' is not a ZCML slug; did you mean my_package-meta?"),
        ("zcml = lab:package:x", "'lab:package:x' has more than one colon"),
        ("zcml-additional = <include", "is not well-formed"),
        ("site-zcml = <configure>", "is not well-formed"),
        ("wsgi-ini-template = nowhere.ini", "is not a file: /bd/nowhere.ini"),
        ("zlib-storage = maybe", "Allowed: active or passive."),
        ("sentry_dsn = foo", "the value is not a Sentry DSN. Allowed: https://KEY@HOST/PROJECT-NUMBER."),
        ("port-base = 60000", "port-base: 60000 is too high"),
        ("event-log-level = 15", "is not a log level"),
        ("event-log-level = VERBOSE", "is not a log level"),
        ("rel-storage = justakey", "rel-storage: the value has a key without a value (line 1)"),
        ("control-script = a/b", "is a path, not a file name"),
        ("site-zcml =\n <a/>\n <b/>", "is not well-formed XML: junk after document element"),
        ("zcml-additional = <browser:page/>", "is not well-formed XML: unbound prefix"),
        ("zcml-additional = <?xml version='1.0'?><configure/>", "is not well-formed"),
        ("rel-storage = type x\nzeo-client = on", "rel-storage: cannot be combined with zeo-client"),
        ("zeo-client = on\nzeo-username = u", "zeo-username: has no zeo-password; set it"),
        ("storage-wrapper =\n  <x>\n  </x>", "storage-wrapper: '<x> </x>' must contain %s exactly once"),
        ("storage-wrapper = <x>%s", "storage-wrapper: is not ZConfig text"),
        ("demo-storage = on\nblob-storage = b", "set demo-blob-storage"),
        ("zope-conf-additional = <a", "zope-conf-additional: is not ZConfig text"),
        ("zope-conf-additional =\n  a b\n  <c>\n  </d>", "line 3"),
    ],
)  # fmt: skip
def test_errors_name_part_option_and_remedy(line: str, message: str) -> None:
    found = errors(line)
    assert len(found) == 1
    named = "zeo-username" if "zeo-username" in line else line.partition(" ")[0]
    assert found[0].startswith(f"[instance] {named}: ")
    assert message in found[0]
    assert "\n" not in found[0]


def test_all_errors_are_told_at_once() -> None:
    assert len(errors("threads = x\nhttp-address = y\nuser = z\nwsgi = off")) == 4


def test_a_secret_is_not_shown() -> None:
    assert "geheim" not in errors("user = geheim")[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ftp-address = 8021", "ftp-address: does nothing under WSGI"),
        ("zserver-threads = 2", "zserver-threads: does nothing under WSGI; use threads"),
        ("ip-address = 1.2.3.4", "use http-address"),
        ("products = /x", "use eggs"),
        ("mailinglogger =\n  <mailing-logger>", "use event-log-handler"),
        ("access-log-custom = <x>", "use access-log-handler"),
        ("lock-file = x.lock", "lock-file: does nothing under WSGI"),
        ("shared-blob = off\nzeo-client = on", "shared-blob: 'off' is read as no; write no"),
        ("z2-log = off", "z2-log: 'off' is read as disable; write disable"),
        ("event-log = disable\nevent-log-args = ('x',)", "event-log-args: does nothing with event-log = disable"),
        (
            "event-log-max-size = 1MB\nevent-log-handler = a.B",
            "event-log-max-size: does nothing with event-log-handler",
        ),
        ("import-directory = x", "Zope imports only from /bd/var/instance/import"),
        ("zodb-temporary-storage = on", "add products.temporaryfolder and tempstorage to eggs"),
        ("rel-storage = type x\nblob-storage = b", "set blob-dir in rel-storage instead"),
    ],
)
def test_what_does_nothing_is_a_warning(line: str, message: str) -> None:
    _, problems = description(line)
    assert problems.errors == []
    assert len(problems.warnings) == 1
    assert message in problems.warnings[0]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("http-adress", "http-address"),
        ("http_address", "http-address"),
        ("sentry-dsn", "sentry_dsn"),
        ("relative-path", "relative-paths"),
        ("zope-conf-aditional", "zope-conf-additional"),
        ("enviroment-vars", "environment-vars"),
    ],
)
def test_a_misspelt_option_is_hinted_at(key: str, meant: str) -> None:
    assert list(hints({key: "x"})) == [(key, meant)]
    assert f"{key}: is not an option of this recipe; did you mean {meant}?" in warnings(f"{key} = x")[0]


@pytest.mark.parametrize(
    "key",
    [
        "supervisor-autostart", "http-port", "chameleon-cache", "relstorage-blob-cache-size", "zope2-location",
        "template-directory", "recipe", "location", "bin-directory", "eggs-directory", "find-links", "zeo-host",
        "http-address2", "http-address-1", "blob-cache-size", "instance-name", "deploy-user", "varnish-address",
        "zope-conf-extra", "admin-user", "_d", "wsgi-server", "name", "port", "host", "environment", "backup",
    ],
)  # fmt: skip
def test_keys_of_the_users_own_are_left_alone(key: str) -> None:
    assert list(hints({key: "x"})) == []


def test_zserver_s_error_comes_alone() -> None:
    _, problems = description("wsgi = off\npipeline = translogger egg:Zope#httpexceptions zope")
    assert len(problems.errors) == 1
    assert problems.errors[0].startswith("[instance] zserver-python: wsgi = off needs the path of a Python 2.7")
    assert problems.warnings == []


ZSERVER = "wsgi = off\nzserver-python = p\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("http-address = unix:/s", "http-address: ZServer cannot listen on unix:/s. Allowed: a port, host:port"),
        ("ftp-address = [::1]:21", "ftp-address: ZServer cannot listen on [::1]:21. Allowed: a port, host:port"),
        (
            "webdav-address = x",
            "webdav-address: 'x' is not a port; if it is a host, add a port, as in x:8080. Allowed: a port",
        ),
        ("icp-address = 60000\nport-base = 10000", "port-base: 10000 is too high for icp-address: '70000' is not"),
        ("webdav-force-connection-close = 2", "webdav-force-connection-close: '2' is not a boolean."),
        ("event-log-custom = <x>", "event-log-custom: is not ZConfig text"),
        ("access-log-custom = <x>", "access-log-custom: is not ZConfig text"),
        ("mailinglogger = <x>", "mailinglogger: is not ZConfig text"),
        ("zserver-threads = 0", "zserver-threads: '0' is below 1."),
        (
            "deprecation-warnings = loud",
            "deprecation-warnings: 'loud' is not an allowed value. Allowed: on, off, default,",
        ),
    ],
)
def test_errors_of_zserver_name_part_option_and_remedy(lines: str, message: str) -> None:
    found = errors(ZSERVER + lines)
    assert len(found) == 1
    assert found[0].startswith(f"[instance] {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("zserver-threads = 3", "zserver-threads: is the old name of threads; use threads instead"),
        ("pipeline = zope", "pipeline: does nothing under ZServer"),
        ("max-request-body-size = 1MB", "max-request-body-size: does nothing under ZServer"),
        ("event-log-handler = a.B", "event-log-handler: does nothing under ZServer; use event-log-custom"),
        ("sentry_dsn = https://a@example.com/1", "sentry_dsn: does nothing under ZServer"),
        ("profile = on", "profile: does nothing under ZServer"),
        ("scripts = x", "scripts: does nothing under ZServer; use those in the bin directory of zserver-python"),
        ("waitress-channel-timeout = 3", "waitress-channel-timeout: does nothing under ZServer"),
        ("event-log = off\nevent-log-custom = <x/>", "event-log-custom: does nothing, since event-log = disable"),
        ("event-log = disable\nmailinglogger = <x/>", "mailinglogger: does nothing, since event-log = disable"),
        (
            "access-log-max-size = 1\naccess-log-custom = <x/>",
            "access-log-max-size: does nothing with access-log-custom",
        ),
    ],
)
def test_what_does_nothing_under_zserver_is_a_warning(lines: str, message: str) -> None:
    _, problems = description(ZSERVER + lines)
    assert problems.errors == []
    assert f"[instance] {message}" in problems.warnings


def test_zserver_s_addresses_are_ipv4() -> None:
    instance, problems = description(ZSERVER + "http-address = localhost:1 *:2 3 a.example:4\nip-address = 127.0.0.2")
    assert problems.errors == []
    assert list(map(str, instance.addresses)) == ["127.0.0.1:1", "0.0.0.0:2", "127.0.0.2:3", "a.example:4"]
    conf = zope_conf(ZSERVER + "ftp-address = localhost:21 22")
    assert "\n  address 127.0.0.1:21\n" in conf
    assert "\n  address 22\n" in conf


def test_no_option_is_hinted_at_as_another() -> None:
    assert list(hints({name: "x" for option in declared() for name in option.names})) == []


def test_dashes_underscores_and_case_are_hinted_at() -> None:
    """Whatever option is meant, also one of the other kind of instance, and however short it is."""
    names = [name for option in declared() for name in option.names]
    changed = {name.translate(str.maketrans("-_", "_-")).title(): name for name in names}
    assert dict(hints(dict.fromkeys(changed, "x"))) == changed


# The options that existing buildouts rely on: what 9.1.0 takes, and what has been promised beside it.
CONTRACT = """
    access-log access-log-args access-log-custom access-log-handler access-log-kwargs access-log-level
    access-log-max-size access-log-old-files arguments asyncore-use-poll before-storage blob-storage
    clear-untrusted-proxy-headers client-home control-script debug-exceptions debug-mode
    default-zpublisher-encoding demo-blob-storage demo-file-storage demo-storage dependent-scripts
    deprecation-warnings effective-user eggs enable-product-installation entry-points environment-vars event-log
    event-log-args event-log-custom event-log-handler event-log-kwargs event-log-level event-log-max-size
    event-log-old-files extra-paths file-storage ftp-address http-address http-fast-listen
    http-force-connection-close http-header-max-length icp-address import-directory include-site-packages
    initialization interpreter ip-address locales lock-file mailinglogger max-disconnect-poll max-request-body-size
    min-disconnect-poll pid-file pipeline port-base products profile profile_cachegrind_filename
    profile_discard_first_request profile_flush_at_shutdown profile_log_filename profile_path profile_unwind
    python-check-interval read-only rel-storage relative-paths resources scripts sentry_debug sentry_dsn
    sentry_environment sentry_event_level sentry_ignore sentry_level sentry_max_value_length
    sentry_profiles_sample_rate sentry_release sentry_send_default_pii sentry_server_name sentry_traces_sample_rate
    shared-blob site-zcml storage-wrapper template-cache threads user var verbose-security webdav-address
    webdav-force-connection-close wsgi wsgi-ini-template wsgi-logging-ini-template z2-log z2-log-level zcml
    zcml-additional zeo-address zeo-client zeo-client-blob-cache-size zeo-client-blob-cache-size-check
    zeo-client-cache-size zeo-client-client zeo-client-drop-cache-rather-verify zeo-client-read-only-fallback
    zeo-password zeo-realm zeo-storage zeo-username zeo-var zlib-storage zodb-cache-size zodb-cache-size-bytes
    zodb-temporary-storage zope-conf zope-conf-additional zope-conf-imports zopectl-umask zserver-threads
"""


def test_the_contract_is_kept() -> None:
    assert {name for option in declared() for name in option.names} >= set(CONTRACT.split())

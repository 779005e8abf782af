"""The kinds of values that options can have. Each kind has one small parser.

A parser takes the stripped text and the Context. It returns the value, or raises ValueError with
what is wrong with the text. The Kind says what is allowed.
"""

import ast
import os
import re
from collections.abc import Callable
from encodings.aliases import aliases
from typing import Any, TypeVar
from xml.parsers import expat

from recipe.common import address
from recipe.common.spelling import nearest
from recipe.options.declare import Context, Kind

T = TypeVar("T")

TRUE = {"on", "true", "yes", "1"}
FALSE = {"off", "false", "no", "0"}


def without_context(name: str, allowed: str, parse: Callable[[str], T], *words: str) -> Kind[T]:
    """Return a kind whose parser needs no Context; `words` are the words that it accepts."""
    return Kind(name, allowed, lambda text, context: parse(text), words)


def boolean(text: str) -> bool:
    """Parse `on`, `true`, `yes`, `1` and their opposites, in any case."""
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError("is not a boolean")
    return word in TRUE


MAXIMUM = 2**63 - 1  # the largest signed integer of 64 bits


def integer(minimum: int) -> Callable[[str], int]:
    """Return a parser for whole numbers that are not below `minimum`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[-+]?[0-9]+", text):
            raise ValueError("is not a whole number")
        # The length first: int() refuses thousands of digits
        if len(text) > len(str(MAXIMUM)) or int(text) > MAXIMUM:
            raise ValueError(f"is above {MAXIMUM}")
        if int(text) < minimum:
            raise ValueError(f"is below {minimum}")
        return int(text)

    return parse


UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def size(text: str) -> int:
    """Parse a size to bytes, with an optional unit as in ZConfig's byte-size: `1048576`, `1024KB`, `1mb`, `1GB`."""
    match = re.fullmatch(r"([0-9]{1,18})\s*([a-z]*)", text.lower())
    if not match:
        raise ValueError("is not a size")
    unit = match[2].upper()
    if unit not in UNITS:
        meant = nearest(unit.replace("I", ""), UNITS)
        raise ValueError("is not a size" + (f"; did you mean {match[1]}{meant}?" if meant else ""))
    return int(match[1]) * UNITS[unit]


def size_text(text: str) -> str:
    """Return a size as text for ZConfig: unchanged if ZConfig knows the unit, else in bytes."""
    number = size(text)
    return text if re.fullmatch(r"[0-9]+(KB|MB|GB)?", text.upper()) else str(number)


def interval(text: str) -> str:
    """Check a time interval of ZConfig: seconds, or a number with a unit, such as ``10m``."""
    if not re.fullmatch(r"\d+\s*[smhd]?", text.lower()):
        raise ValueError("is not a time interval")
    return text


def octal(text: str) -> str:
    """Check an octal mask, and return it as text without the prefix ``0o``."""
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", text):
        raise ValueError("is not an octal mask")
    return text.removeprefix("0o")


def single_line(text: str) -> str:
    """Check that the text is one line."""
    if "\n" in text or "\r" in text:
        raise ValueError("has more than one line")
    return text


def raw(text: str) -> str:
    """Return the text unchanged."""
    return text


def word(text: str) -> str:
    """Check that the text has no white space."""
    if len(text.split()) != 1:
        raise ValueError("contains white space")
    return text


def words(text: str) -> tuple[str, ...]:
    """Split the text at white space and line ends, without comments."""
    return tuple(" ".join(lines(text)).split())


def url_paths(text: str) -> tuple[str, ...]:
    """Parse the paths of URLs, each of which begins with a slash."""
    paths = words(text)
    if bad := next((path for path in paths if not path.startswith("/")), ""):
        raise ValueError(f"contains {bad!r}, which does not begin with a slash")
    return paths


def lines(text: str) -> tuple[str, ...]:
    """Split the text into lines, without empty ones and comments; buildout leaves indented comments in a value."""
    # Not splitlines(): it also splits at \f and U+2028, unlike buildout, ZConfig and configparser
    stripped = (line.strip() for line in text.split("\n"))
    return tuple(line for line in stripped if line and not line.startswith("#"))


# The level names of the logging module, by number and by name, and further names that ZConfig knows
LEVELS = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL", "0": "NOTSET"}
LEVELS |= {name: name for name in (*LEVELS.values(), "WARN", "FATAL")}
LEVELS |= {"ALL": "DEBUG", "TRACE": "DEBUG", "BLATHER": "DEBUG"}


def level(text: str) -> str:
    """Return the name of a logging level; the text is a name in any case, one of ZConfig's names, or a number."""
    try:
        return LEVELS[text.upper()]
    except KeyError:
        raise ValueError("is not a log level") from None


def addresses(text: str) -> tuple[address.Address, ...]:
    """Parse addresses that are separated by white space."""
    return tuple(address.parse(word) for word in words(text))


def zeo_addresses(text: str) -> tuple[str, ...]:
    """Check addresses of ZEO servers, written as ZConfig reads them; ZConfig replaces a ``$`` later."""
    servers = words(text)
    for server in servers:
        if server.startswith("unix:"):
            raise ValueError(f"{server!r} is not a ZEO address; did you mean {server.removeprefix('unix:')}?")
        if "/" not in server and "$" not in server:
            address.parse(server, usual=8100)
    return servers


def user(text: str) -> tuple[str, str]:
    """Split `name:password`; the password may contain colons."""
    name, colon, password = single_line(text).partition(":")
    if not colon or not name or not password:
        raise ValueError("lacks a user name or a password")
    return name, password


def dotted_name(text: str) -> str:
    """Check a Python name, with or without dots."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", text):
        raise ValueError("is not a dotted name")
    return text


def expression_of(*nodes: type[ast.expr]) -> Callable[[str], str]:
    """Return a parser for Python text that is a literal of one of these types; its result is one line.

    logging.config evaluates the text when the server starts. So the parser accepts only literals
    and names that the documentation of logging shows (``sys.stdout``,
    ``handlers.SysLogHandler.LOG_USER``), but no other code.
    """

    def parse(text: str) -> str:
        try:
            tree = _dict_literal(ast.parse(text, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError("is not a Python literal") from error
        if not isinstance(tree, nodes):
            raise ValueError(f"is not a {nodes[0].__name__.lower()}")
        _check_harmless(tree)
        return ast.unparse(tree)

    return parse


def _check_harmless(node: ast.AST) -> None:
    if isinstance(node, ast.Name | ast.Attribute):
        if not _NAME_IN_LOGGING.fullmatch(ast.unparse(node)):
            raise ValueError(
                f"contains {ast.unparse(node)}, which is neither a literal nor a name of the logging module"
            )
    elif isinstance(node, _HARMLESS):
        for child in ast.iter_child_nodes(node):
            _check_harmless(child)
    else:
        code = f"the call {ast.unparse(node.func)}(…)" if isinstance(node, ast.Call) else "code"
        raise ValueError(f"contains {code}, which is not allowed")


def _dict_literal(tree: ast.expr) -> ast.expr:
    """Return a call such as ``dict(delay=True)`` as the literal that it stands for; other expressions unchanged."""
    match tree:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words) if all(word.arg for word in words):
            return ast.Dict([ast.Constant(word.arg) for word in words], [word.value for word in words])
    return tree


class _Formatter(ast.NodeTransformer):
    """Replaces ``{0}`` in the strings of an expression with a file name, as ``str.format`` does in the text."""

    def __init__(self, file: str) -> None:
        self.file = file

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Fill in the name; a string without a placeholder stays as it is."""
        if not isinstance(node.value, str):
            return node
        try:
            return ast.Constant(node.value.format(self.file))
        except (LookupError, ValueError):
            return ast.Constant(node.value.replace("{0}", self.file))

    def visit_Set(self, node: ast.Set) -> ast.expr:
        """Make a dict in doubled braces a dict, since `str.format` would make them single braces."""
        self.generic_visit(node)
        return node.elts[0] if len(node.elts) == 1 and isinstance(node.elts[0], ast.Dict) else node


def with_file(expression: str, file: str) -> str:
    """Return the Python text of an expression, with ``{0}`` in its strings replaced with a file name."""
    return ast.unparse(_Formatter(file).visit(ast.parse(expression, mode="eval")))


# Streams and constants: `sys.stdout`, `handlers.SysLogHandler.LOG_USER`, `handlers.DEFAULT_TCP_LOGGING_PORT`, `ERROR`
_NAME_IN_LOGGING = re.compile(r"sys\.(stdin|stdout|stderr)|os\.devnull|(handlers\.([A-Za-z]\w*\.)?)?[A-Z][A-Z0-9_]*")

_HARMLESS = (
    ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.expr_context,
    ast.UnaryOp, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.BitOr,
)  # fmt: skip


def _check_xml(document: str) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"is not well-formed XML: {expat.ErrorString(error.code)}, line {error.lineno}") from error


_ENCODING = re.compile(r"""^(<\?xml[^>]*?)\s+encoding\s*=\s*("[^"]*"|'[^']*')""")


def zcml_document(text: str) -> str:
    """Check a well-formed XML document, and remove its encoding declaration, since the file is written in UTF-8."""
    _check_xml(text)
    return _ENCODING.sub(r"\1", text)


def zcml_statements(text: str) -> str:
    """Check well-formed ZCML statements, without the element around them."""
    _check_xml(f'<configure xmlns="http://namespaces.zope.org/zope">{text}</configure>')
    return text


# A path that begins with one of these references is absolute after the substitution
_REFERENCE = re.compile(
    r"%\([^()%\s]+\)s|\$\([A-Z_]\w*\)|\$(INSTANCEHOME|CLIENTHOME)(?!\w)|\$\{(INSTANCEHOME|CLIENTHOME)\}",
    re.IGNORECASE | re.ASCII,
)


def has_reference(text: str) -> bool:
    """Return whether a path contains a reference that ZConfig or configparser replaces later."""
    return bool(_REFERENCE.search(text))


def path(base: str) -> Callable[[str, Context], str]:
    """Return a parser that makes a path absolute, from the Context's directory `base`."""

    def parse(text: str, context: Context) -> str:
        if _REFERENCE.match(text):
            return single_line(text)
        return os.path.normpath(os.path.join(getattr(context, base), single_line(text)))

    return parse


def path_in_xml(text: str, context: Context) -> str:
    """Make a path absolute, from the buildout directory; its characters must be allowed in XML 1.0 (section 2.2)."""
    forbidden = re.search("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
    if forbidden:
        raise ValueError(f"contains {forbidden[0]!r}, which XML does not allow")
    return path("directory")(text, context)


def existing_file(text: str, context: Context) -> str:
    """Return the absolute path of an existing file, from the buildout directory."""
    file = path("directory")(text, context)
    if not os.path.isfile(file):
        raise ValueError(f"is not a file: {file}")
    return file


def path_list(text: str, context: Context) -> tuple[str, ...]:
    """Make paths absolute, from the buildout directory: one on each line, or several separated by blanks.

    An absolute path may contain blanks, so only a blank before a slash ends it.
    """
    paths: list[str] = []
    for line in lines(text):
        paths += re.split(r"\s+(?=/)", line) if line.startswith("/") else line.split()
    return tuple(path("directory")(item, context) for item in paths)


def path_or_boolean(text: str, context: Context) -> bool | str:
    """Parse a boolean, or make a path absolute, from the buildout directory."""
    return boolean(text) if text.lower() in TRUE | FALSE else path("directory")(text, context)


def or_empty(parse: Callable[[str, Context], str]) -> Callable[[str, Context], str]:
    """Return `parse`, extended to accept an empty value."""
    return lambda text, context: parse(text, context) if text else ""


def rate(text: str) -> str:
    """Check a number from 0 to 1, and return it as text."""
    if not (re.fullmatch(r"\d*\.?\d+", text) and float(text) <= 1):
        raise ValueError("is not a fraction")
    return text


def sentry_dsn(text: str) -> str:
    """Check a DSN as Sentry's SDKs read it, unless PasteDeploy replaces a ``%(name)s`` in it later."""
    if "%(" not in text and not re.fullmatch(r"https?://[^\s/@]+@[^\s/@]+/(\S+/)?\d+/?", text):
        raise ValueError("is not a Sentry DSN")
    return text


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a parser for one of these words, in any case; its result is in lower case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("is not an allowed value")
        return text.lower()

    return parse


WARNING_ACTIONS = ("default", "ignore", "error", "always", "module", "once")


def warning_action(text: str) -> str:
    """Return an action of Python's warnings filter; on is ``default``, and off is ``ignore``."""
    word = text.lower()
    if word in TRUE | FALSE:
        return "default" if word in TRUE else "ignore"
    return one_of(*WARNING_ACTIONS)(text)


SLUG = re.compile(r"(?P<package>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:-(?P<kind>[\w.]+))?(?::(?P<file>[^\s:]+))?")
SLUG_KINDS = ("meta", "configure", "overrides")  # those that site.zcml knows; a package may have others


def wrapper(text: str) -> tuple[str, str]:
    """Split a text at its ``%s``; ``%%`` is one ``%``, and any other ``%`` is a plain character."""
    pieces = re.split(r"(%[%s])", text)
    if pieces.count("%s") != 1:
        raise ValueError("must contain %s exactly once")
    place = pieces.index("%s")
    pieces = ["%" if piece == "%%" else piece for piece in pieces]
    return "".join(pieces[:place]), "".join(pieces[place + 1 :])


def encoding(text: str) -> str:
    """Check the name of an encoding of text; Python's codecs ignore case, and take a dash for an underscore."""
    if not _encodes(word(text)):
        meant = nearest(text, filter(_encodes, aliases.keys() | aliases.values())).replace("_", "-")
        raise ValueError("is not an encoding of text" + (f"; did you mean {meant}?" if meant else ""))
    return text


def _encodes(encoding: str) -> bool:
    try:
        "x".encode(encoding, "replace")  # as Zope does
    except (LookupError, ValueError):  # an unknown name; rot13, which encodes no text to bytes; idna, which is strict
        return False
    return True


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Split lines ``key value``."""
    keys_and_values = [line.split(None, 1) for line in lines(text)]
    for number, pair in enumerate(keys_and_values, start=1):
        if len(pair) != 2:
            raise ValueError(f"has a key without a value (line {number})")
    return tuple((key, value.strip()) for key, value in keys_and_values)


def assignments(text: str) -> tuple[tuple[str, str], ...]:
    """Split lines ``key = value``; each key may occur once."""
    values: dict[str, str] = {}
    for number, line in enumerate(lines(text), start=1):
        match = re.fullmatch(r"([A-Za-z_][\w.-]*)\s*=\s*(.*)", line)
        if not match:
            raise ValueError(f"has a line that is not key = value (line {number})")
        if match[1] in values:
            raise ValueError(f"sets {match[1]} twice (line {number})")
        values[match[1]] = match[2]
    return tuple(values.items())


def pairs_with_paths(*keys: str) -> Callable[[str, Context], tuple[tuple[str, str], ...]]:
    """Return a parser for lines ``key value``; it makes the values of `keys` absolute, from the buildout directory."""

    def parse(text: str, context: Context) -> tuple[tuple[str, str], ...]:
        absolute = path("directory")
        return tuple((key, absolute(value, context) if key in keys else value) for key, value in pairs(text))

    return parse


def file_name(text: str) -> str:
    """Check the name of a file, without a directory."""
    if "/" in word(text) or text in (".", ".."):
        raise ValueError("is a path, not a file name")
    return text


def entry_points(text: str) -> tuple[str, ...]:
    """Split entry points of scripts, as zc.recipe.egg reads them."""
    for entry_point in words(text):
        if not re.fullmatch(r"[^=]+=[^:=]+:\S+", entry_point):
            raise ValueError(f"{entry_point!r} is not an entry point")
    return words(text)


def pipeline(text: str) -> tuple[str, ...]:
    """Split names of sections and eggs; configparser reads a line that begins with ``;`` as a comment."""
    for name in words(text):
        if name.startswith(";"):
            raise ValueError(f"{name!r} begins with a semicolon, which starts a comment in wsgi.ini")
    return words(text)


def slugs(text: str) -> tuple[str, ...]:
    """Split ZCML slugs at white space and line ends; `#` starts a comment."""
    names = tuple(" ".join(line.partition("#")[0] for line in text.split("\n")).split())
    for slug in names:
        if slug != "*" and not SLUG.fullmatch(slug):
            reason = "has more than one colon" if slug.count(":") > 1 else "is not a ZCML slug"
            meant = meant_slug(slug)
            raise ValueError(f"{slug!r} {reason}" + (f"; did you mean {meant}?" if meant else ""))
    return names


def meant_slug(slug: str) -> str:
    """Return the slug that was probably meant, with a known type or without dashes; empty if there is none."""
    package, _, rest = slug.rpartition("-")
    kind, colon, file = rest.partition(":")
    meant = nearest(kind, SLUG_KINDS)
    if meant:
        candidate = f"{package.replace('-', '_')}-{meant}{colon}{file}"
    elif "." in package and "-" not in package:
        return ""  # a type of the package's own
    else:
        candidate = slug.replace("-", "_")
    return candidate if SLUG.fullmatch(candidate) and candidate != slug else ""


DISABLED = ""
NO_LOG = FALSE | {"disable", "disabled", "none"}
STREAMS = ("stdout", "stderr")


def log_file(text: str, context: Context) -> str:
    """Make a path absolute, from `var`; or return one of STREAMS, or DISABLED."""
    if text.lower() in NO_LOG:
        return DISABLED
    if text.lower() in STREAMS:
        return text.lower()
    return path("var")(text, context)


BOOLEAN = without_context(
    "boolean", "on or off, true or false, yes or no, 1 or 0", boolean, "on", "off", "true", "false", "yes", "no"
)
COUNT = without_context("number", "a whole number, 1 or more", integer(1))
NUMBER = without_context("number", "a whole number, 0 or more", integer(0))
INTEGER = without_context("number", "a whole number", integer(-(2**31)))
SIZE = without_context("size", "a number of bytes, or a number with the unit KB, MB, GB or TB", size)
SIZE_TEXT = without_context("size", SIZE.allowed, size_text)
INTERVAL = without_context("interval", "a number of seconds, or a number with the unit s, m, h or d", interval)
OCTAL = without_context("octal mask", "an octal number of 1 to 4 digits, such as 022", octal)
LINE = without_context("text", "one line of text", single_line)
TEXT = without_context("text", "any text", raw)
WORD = without_context("word", "one word without white space", word)
ENCODING = without_context("encoding", "the name of an encoding of Python, such as utf-8", encoding)
WRAPPER = without_context("text", "ZConfig text with %s in the place of the storage", wrapper)
WORDS = without_context("words", "words separated by white space", words)
URL_PATHS = without_context("paths", "paths that begin with a slash, such as /Plone", url_paths)
PIPELINE = without_context("pipeline", "names of sections and eggs, separated by white space", pipeline)
ENTRY_POINTS = without_context(
    "entry points", "name=module:function, or several separated by white space", entry_points
)
ASSIGNMENTS = without_context("lines", "lines of the form key = value", assignments)
REL_STORAGE: Kind[tuple[tuple[str, str], ...]] = Kind(
    "lines",
    "lines of a key and a value",
    pairs_with_paths("blob-dir", "cache-local-dir", "data-dir", "replica-conf", "ro-replica-conf"),
)
FILE_NAME = without_context("name", "the name of a file, without a directory", file_name)
LINES = without_context("lines", "one item on each line", lines)
LEVEL = without_context("log level", "DEBUG, INFO, WARNING, ERROR or CRITICAL", level, *LEVELS.values())
ADDRESSES = without_context("addresses", f"{address.ALLOWED}, or several separated by white space", addresses)
ZEO_ADDRESSES = without_context(
    "addresses", "a port, host:port or the path of a socket, or several separated by white space", zeo_addresses
)
USER = without_context("name:password", "name:password", user)
DOTTED_NAME = without_context("class", "the dotted name of a class", dotted_name)
TUPLE = without_context(
    "tuple", "a Python tuple of literals, such as ('localhost', 9000)", expression_of(ast.Tuple, ast.List)
)
DICT = without_context("dict", "a Python dict of literals, such as {'delay': True}", expression_of(ast.Dict))
DOCUMENT = without_context("ZCML", "a well-formed XML document", zcml_document)
STATEMENTS = without_context("ZCML", "well-formed ZCML statements", zcml_statements)
FILE_IN_DIRECTORY: Kind[str] = Kind("path", "a path, relative to the buildout directory", path("directory"))
FILE_IN_XML: Kind[str] = Kind("path", FILE_IN_DIRECTORY.allowed, path_in_xml)
FILE_IN_VAR: Kind[str] = Kind("path", "a path, relative to var", path("var"))
FILE_IN_DIRECTORY_OR_EMPTY = Kind("path", FILE_IN_DIRECTORY.allowed, or_empty(path("directory")))
FILE_IN_VAR_OR_EMPTY = Kind("path", FILE_IN_VAR.allowed, or_empty(path("var")))
EXISTING_FILE: Kind[str] = Kind("path", "an existing file, relative to the buildout directory", existing_file)
PATHS: Kind[tuple[str, ...]] = Kind("paths", "one directory on each line", path_list)
PATH_OR_BOOLEAN: Kind[Any] = Kind("path or boolean", "on, off or a path", path_or_boolean)
LOG_FILE: Kind[str] = Kind("path", "a path, relative to var, or stdout, stderr or disable", log_file)
RATE = without_context("share", "a number from 0 to 1", rate)
ZLIB = without_context("word", "active or passive", one_of("active", "passive"), "active", "passive")
WARNINGS = without_context(
    "word",
    f"on, off, {', '.join(WARNING_ACTIONS[:-1])} or {WARNING_ACTIONS[-1]}",
    warning_action,
    "on",
    "off",
    *WARNING_ACTIONS,
)
LOG_FORMAT = without_context("word", "plain or json", one_of("plain", "json"), "plain", "json")
SENTRY_DSN = without_context("DSN", "https://KEY@HOST/PROJECT-NUMBER", lambda text: sentry_dsn(text) if text else "")
SLUGS = without_context("slugs", "pkg, pkg-TYPE, pkg:file.zcml, pkg-TYPE:file.zcml or *", slugs)

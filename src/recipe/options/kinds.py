"""The kinds of value an option can have: one small parser each.

A parser gets the stripped text and the Context, and returns the value or raises
ValueError with what is wrong with the text; what is allowed stands in the Kind.
"""

import ast
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar
from xml.parsers import expat

from recipe.common import address
from recipe.common.spelling import nearest
from recipe.options.declare import Context, Kind

T = TypeVar("T")

TRUE = {"on", "true", "yes", "1"}
FALSE = {"off", "false", "no", "0"}


def simple(name: str, allowed: str, parse: Callable[[str], T], *words: str) -> Kind[T]:
    """A kind whose parser needs no Context; `words` are those it takes."""
    return Kind(name, allowed, lambda text, context: parse(text), words)


def boolean(text: str) -> bool:
    """`on`, `true`, `yes`, `1` and their opposites, in any case."""
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError("is not a boolean")
    return word in TRUE


MAXIMUM = 2**63 - 1  # of what C takes


def integer(minimum: int) -> Callable[[str], int]:
    """Whole numbers from `minimum` up."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[-+]?[0-9]+", text):
            raise ValueError("is not a whole number")
        # Python itself refuses thousands of digits
        if len(text) > len(str(MAXIMUM)) or int(text) > MAXIMUM:
            raise ValueError(f"is above {MAXIMUM}")
        if int(text) < minimum:
            raise ValueError(f"is below {minimum}")
        return int(text)

    return parse


UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def size(text: str) -> int:
    """Bytes, with an optional unit of ZConfig's byte-size: `1048576`, `1024KB`, `1mb`, `1GB`."""
    match = re.fullmatch(r"([0-9]{1,18})\s*([a-z]*)", text.lower())
    if not match:
        raise ValueError("is not a size")
    unit = match[2].upper()
    if unit not in UNITS:
        meant = nearest(unit.replace("I", ""), UNITS)
        raise ValueError("is not a size" + (f"; did you mean {match[1]}{meant}?" if meant else ""))
    return int(match[1]) * UNITS[unit]


def size_text(text: str) -> str:
    """A size for ZConfig: as it is written where ZConfig knows the unit, else in bytes."""
    number = size(text)
    return text if re.fullmatch(r"[0-9]+(KB|MB|GB)?", text.upper()) else str(number)


def interval(text: str) -> str:
    """A time interval of ZConfig's: seconds, or another unit, such as ``10m``."""
    if not re.fullmatch(r"\d+\s*[smhd]?", text.lower()):
        raise ValueError("is not a time interval")
    return text


def octal(text: str) -> str:
    """An octal mask, left as text."""
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", text):
        raise ValueError("is not an octal mask")
    return text.removeprefix("0o")


def single_line(text: str) -> str:
    """One line of text."""
    if "\n" in text or "\r" in text:
        raise ValueError("has more than one line")
    return text


def raw(text: str) -> str:
    """Any text."""
    return text


def word(text: str) -> str:
    """Text without white space."""
    if len(text.split()) != 1:
        raise ValueError("is not one word")
    return text


def words(text: str) -> tuple[str, ...]:
    """Words separated by white space or line ends; comments are dropped."""
    return tuple(" ".join(lines(text)).split())


def lines(text: str) -> tuple[str, ...]:
    """The lines that hold something; buildout keeps indented comments in a value, they are dropped."""
    # Not splitlines: neither buildout nor ZConfig nor configparser ends a line at \f or U+2028
    stripped = (line.strip() for line in text.split("\n"))
    return tuple(line for line in stripped if line and not line.startswith("#"))


# The names that logging has when nobody has added to them, by number, and ZConfig's further ones
LEVELS = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL", "0": "NOTSET"}
LEVELS |= {name: name for name in (*LEVELS.values(), "WARN", "FATAL")}
LEVELS |= {"ALL": "DEBUG", "TRACE": "DEBUG", "BLATHER": "DEBUG"}


def level(text: str) -> str:
    """A name of a logging level in any case, or the number of one; ZConfig's are mapped."""
    try:
        return LEVELS[text.upper()]
    except KeyError:
        raise ValueError("is not a log level") from None


def addresses(text: str) -> tuple[address.Address, ...]:
    """Addresses separated by white space."""
    return tuple(address.parse(word) for word in words(text))


def zeo_addresses(text: str) -> tuple[str, ...]:
    """Addresses of ZEO servers, as ZConfig takes them; what holds a ``$`` only the server can tell."""
    found = words(text)
    for each in found:
        if each.startswith("unix:"):
            raise ValueError(f"{each!r} is not how ZEO names a socket; did you mean {each.removeprefix('unix:')}?")
        if "/" not in each and "$" not in each:
            address.parse(each)
    return found


def user(text: str) -> tuple[str, str]:
    """`name:password`; the password may hold colons."""
    name, colon, password = single_line(text).partition(":")
    if not colon or not name or not password:
        raise ValueError("has no name or no password")
    return name, password


def dotted_name(text: str) -> str:
    """A Python name with or without dots."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", text):
        raise ValueError("is not a dotted name")
    return text


def expression_of(*nodes: type[ast.expr]) -> Callable[[str], str]:
    """Python text of one of the given literals, as one line.

    logging.config evaluates it when the server starts. So only literals and the
    names that its documentation shows (``sys.stdout``, ``handlers.SysLogHandler.LOG_USER``)
    may stand in it: nothing that runs.
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
            raise ValueError(f"holds {ast.unparse(node)}, which is no literal, nor a name of logging's documentation")
    elif isinstance(node, _HARMLESS):
        for child in ast.iter_child_nodes(node):
            _check_harmless(child)
    else:
        called = f"{ast.unparse(node.func)}(…)" if isinstance(node, ast.Call) else type(node).__name__
        raise ValueError(f"holds code: {called}")


def _dict_literal(tree: ast.expr) -> ast.expr:
    """``dict(delay=True)`` as the literal that it is."""
    match tree:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words) if all(word.arg for word in words):
            return ast.Dict([ast.Constant(word.arg) for word in words], [word.value for word in words])
    return tree


class _Formatter(ast.NodeTransformer):
    """Fills a log's file name into the strings of an expression, as ``str.format`` does it in the text."""

    def __init__(self, file: str) -> None:
        self.file = file

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Strings without a place for the name stay as they are."""
        if not isinstance(node.value, str):
            return node
        try:
            return ast.Constant(node.value.format(self.file))
        except (LookupError, ValueError):
            return ast.Constant(node.value.replace("{0}", self.file))

    def visit_Set(self, node: ast.Set) -> ast.expr:
        """A dict in doubled braces, which `str.format` would make single ones."""
        self.generic_visit(node)
        return node.elts[0] if len(node.elts) == 1 and isinstance(node.elts[0], ast.Dict) else node


def with_file(expression: str, file: str) -> str:
    """The Python text of an expression, with ``{0}`` in its strings replaced by a file name."""
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
        raise ValueError(f"is not well-formed: {expat.ErrorString(error.code)}, line {error.lineno}") from error


_ENCODING = re.compile(r"""^(<\?xml[^>]*?)\s+encoding\s*=\s*("[^"]*"|'[^']*')""")


def zcml_document(text: str) -> str:
    """A well-formed XML document; an encoding that it declares is left out, since it is written in UTF-8."""
    _check_xml(text)
    return _ENCODING.sub(r"\1", text)


def zcml_statements(text: str) -> str:
    """Well-formed ZCML statements, without the element around them."""
    _check_xml(f'<configure xmlns="http://namespaces.zope.org/zope">{text}</configure>')
    return text


# What begins with one of these is absolute once it has been substituted
_REFERENCE = re.compile(
    r"%\([^()%\s]+\)s|\$\([A-Z_]\w*\)|\$(INSTANCEHOME|CLIENTHOME)(?!\w)|\$\{(INSTANCEHOME|CLIENTHOME)\}",
    re.IGNORECASE | re.ASCII,
)


def has_reference(text: str) -> bool:
    """Whether a path holds something that only ZConfig or configparser will substitute."""
    return bool(_REFERENCE.search(text))


def path(base: str) -> Callable[[str, Context], str]:
    """A path, made absolute relative to the Context's directory `base`."""

    def parse(text: str, context: Context) -> str:
        if _REFERENCE.match(text):
            return single_line(text)
        return os.path.normpath(os.path.join(getattr(context, base), single_line(text)))

    return parse


def path_in_xml(text: str, context: Context) -> str:
    """A path relative to the buildout directory, of characters that XML 1.0 takes (its section 2.2)."""
    found = re.search("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
    if found:
        raise ValueError(f"holds {found[0]!r}, which XML cannot")
    return path("directory")(text, context)


def existing_file(text: str, context: Context) -> str:
    """A file that is there; relative to the buildout directory."""
    found = path("directory")(text, context)
    if not os.path.isfile(found):
        raise ValueError(f"names no file: {found}")
    return found


def path_list(text: str, context: Context) -> tuple[str, ...]:
    """Paths, one a line; several on one line where they cannot be one path with blanks.

    An absolute path may hold blanks, so only a blank before a slash ends it.
    """
    found: list[str] = []
    for line in lines(text):
        found += re.split(r"\s+(?=/)", line) if line.startswith("/") else line.split()
    return tuple(path("directory")(each, context) for each in found)


def path_or_boolean(text: str, context: Context) -> bool | str:
    """A boolean, or a path relative to the buildout directory."""
    return boolean(text) if text.lower() in TRUE | FALSE else path("directory")(text, context)


def or_empty(parse: Callable[[str, Context], str]) -> Callable[[str, Context], str]:
    """`parse`, with the empty text for an empty value."""
    return lambda text, context: parse(text, context) if text else ""


def rate(text: str) -> str:
    """A share from 0 to 1, left as text."""
    if not (re.fullmatch(r"\d*\.?\d+", text) and float(text) <= 1):
        raise ValueError("is not a share")
    return text


def sentry_dsn(text: str) -> str:
    """A DSN as Sentry's SDKs read it; one with ``%(name)s`` in it is left to PasteDeploy."""
    if "%(" not in text and not re.fullmatch(r"https?://[^\s/@]+@[^\s/@]+/(\S+/)?\d+/?", text):
        raise ValueError("is not a DSN")
    return text


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("is none of these")
        return text.lower()

    return parse


WARNING_ACTIONS = ("default", "ignore", "error", "always", "module", "once")


def warning_action(text: str) -> str:
    """What Python does with a warning; on is ``default``, and off is ``ignore``."""
    word = text.lower()
    if word in TRUE | FALSE:
        return "default" if word in TRUE else "ignore"
    return one_of(*WARNING_ACTIONS)(text)


SLUG = re.compile(
    r"(?P<package>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:-(?P<kind>meta|configure|overrides)|:(?P<file>\S+))?"
)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Lines ``key value``."""
    found = [line.split(None, 1) for line in lines(text)]
    for number, pair in enumerate(found, start=1):
        if len(pair) != 2:
            raise ValueError(f"has a line without key and value (line {number})")
    return tuple((key, value.strip()) for key, value in found)


def assignments(text: str) -> tuple[tuple[str, str], ...]:
    """Lines ``key = value``, each key once."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines(text), start=1):
        match = re.fullmatch(r"([A-Za-z_][\w.-]*)\s*=\s*(.*)", line)
        if not match:
            raise ValueError(f"has a line that is no key = value (line {number})")
        if match[1] in found:
            raise ValueError(f"has {match[1]} twice (line {number})")
        found[match[1]] = match[2]
    return tuple(found.items())


def pairs_with_paths(*keys: str) -> Callable[[str, Context], tuple[tuple[str, str], ...]]:
    """Lines ``key value``; the values of `keys` are paths, relative to the buildout directory."""

    def parse(text: str, context: Context) -> tuple[tuple[str, str], ...]:
        absolute = path("directory")
        return tuple((key, absolute(value, context) if key in keys else value) for key, value in pairs(text))

    return parse


def file_name(text: str) -> str:
    """The name of a file, without a directory."""
    if "/" in word(text) or text in (".", ".."):
        raise ValueError("is a path, not a name")
    return text


def entry_points(text: str) -> tuple[str, ...]:
    """Entry points of scripts, as zc.recipe.egg takes them."""
    for each in words(text):
        if not re.fullmatch(r"[^=]+=[^:=]+:\S+", each):
            raise ValueError(f"{each!r} is no entry point")
    return words(text)


def pipeline(text: str) -> tuple[str, ...]:
    """Names of sections and eggs; configparser would take one that begins with ``;`` for a comment."""
    for each in words(text):
        if each.startswith(";"):
            raise ValueError(f"{each!r} cannot be a name")
    return words(text)


def slugs(text: str) -> tuple[str, ...]:
    """ZCML slugs separated by white space or line ends; `#` starts a comment."""
    found = tuple(" ".join(line.partition("#")[0] for line in text.split("\n")).split())
    for slug in found:
        if slug != "*" and not SLUG.fullmatch(slug):
            raise ValueError(f"{slug!r} is no slug{_meant_slug(slug)}")
    return found


def _meant_slug(slug: str) -> str:
    """A hint at what a slug was meant to be: with a kind that there is, or without dashes."""
    package, _, kind = slug.rpartition("-")
    meant = nearest(kind, ("meta", "configure", "overrides"))
    candidate = f"{package}-{meant}" if meant else slug.replace("-", "_")
    return f"; did you mean {candidate}?" if SLUG.fullmatch(candidate) and candidate != slug else ""


DISABLED = ""
NO_LOG = FALSE | {"disable", "disabled", "none"}
STREAMS = ("stdout", "stderr")


def log_file(text: str, context: Context) -> str:
    """A log file relative to `var`; one of STREAMS; or the empty string where there is to be no log."""
    if text.lower() in NO_LOG:
        return DISABLED
    if text.lower() in STREAMS:
        return text.lower()
    return path("var")(text, context)


BOOLEAN = simple(
    "boolean", "on or off, true or false, yes or no, 1 or 0", boolean, "on", "off", "true", "false", "yes", "no"
)
COUNT = simple("number", "a whole number from 1 up", integer(1))
NUMBER = simple("number", "a whole number from 0 up", integer(0))
INTEGER = simple("number", "a whole number", integer(-(2**31)))
SIZE = simple("size", "a number of bytes, with KB, MB or GB if you like", size)
SIZE_TEXT = simple("size", "a number of bytes, with KB, MB or GB if you like", size_text)
INTERVAL = simple("interval", "a number of seconds, or one with the unit s, m, h or d", interval)
OCTAL = simple("octal mask", "an octal number such as 022", octal)
LINE = simple("text", "one line of text", single_line)
TEXT = simple("text", "any text", raw)
WORD = simple("word", "one word", word)
WORDS = simple("words", "words separated by white space", words)
PIPELINE = simple("pipeline", WORDS.allowed, pipeline)
ENTRY_POINTS = simple("entry points", "name=module:function, several separated by white space", entry_points)
ASSIGNMENTS = simple("lines", "lines of the form key = value", assignments)
REL_STORAGE: Kind[tuple[tuple[str, str], ...]] = Kind(
    "lines",
    "lines of a key and a value",
    pairs_with_paths("blob-dir", "cache-local-dir", "data-dir", "replica-conf", "ro-replica-conf"),
)
FILE_NAME = simple("name", "the name of a file, without a directory", file_name)
LINES = simple("lines", "one item a line", lines)
LEVEL = simple("log level", "DEBUG, INFO, WARNING, ERROR or CRITICAL", level, *LEVELS.values())
ADDRESSES = simple("addresses", f"{address.ALLOWED}, several separated by white space", addresses)
ZEO_ADDRESSES = simple(
    "addresses", "a port, host:port or the path of a socket, several separated by white space", zeo_addresses
)
USER = simple("name:password", "name:password", user)
DOTTED_NAME = simple("class", "the dotted name of a class", dotted_name)
TUPLE = simple("tuple", "a Python tuple of literals, such as ('localhost', 9000)", expression_of(ast.Tuple, ast.List))
DICT = simple("dict", "a Python dict of literals, such as {'delay': True}", expression_of(ast.Dict))
DOCUMENT = simple("ZCML", "a well-formed XML document", zcml_document)
STATEMENTS = simple("ZCML", "well-formed ZCML statements", zcml_statements)
FILE_IN_DIRECTORY: Kind[str] = Kind("path", "a path, relative to the buildout directory", path("directory"))
FILE_IN_XML: Kind[str] = Kind("path", FILE_IN_DIRECTORY.allowed, path_in_xml)
FILE_IN_VAR: Kind[str] = Kind("path", "a path, relative to var", path("var"))
FILE_IN_DIRECTORY_OR_EMPTY = Kind("path", FILE_IN_DIRECTORY.allowed, or_empty(path("directory")))
FILE_IN_VAR_OR_EMPTY = Kind("path", FILE_IN_VAR.allowed, or_empty(path("var")))
EXISTING_FILE: Kind[str] = Kind("path", "an existing file, relative to the buildout directory", existing_file)
PATHS: Kind[tuple[str, ...]] = Kind("paths", "one directory a line", path_list)
PATH_OR_BOOLEAN: Kind[Any] = Kind("path or boolean", "on, off or a path", path_or_boolean)
LOG_FILE: Kind[str] = Kind("path", "a path, relative to var, or stdout, stderr or disable", log_file)
RATE = simple("share", "a number from 0 to 1", rate)
ZLIB = simple("word", "active or passive", one_of("active", "passive"), "active", "passive")
WARNINGS = simple("word", f"on, off or {', '.join(WARNING_ACTIONS)}", warning_action, "on", "off", *WARNING_ACTIONS)
LOG_FORMAT = simple("word", "plain or json", one_of("plain", "json"), "plain", "json")
SENTRY_DSN = simple("DSN", "https://KEY@HOST/PROJECT-NUMBER", lambda text: sentry_dsn(text) if text else "")
SLUGS = simple("slugs", "pkg, pkg-meta, pkg-configure, pkg-overrides, pkg:file.zcml or *", slugs)

"""Generates the table of the abilities of each WSGI server for the documentation.

python -m recipe.reference.servers > docs/which-server-table.txt
"""

from collections.abc import Callable

from recipe.common.servers import SERVERS, Description
from recipe.reference.paragraph import wrapped

HEAD = ".. Generated from src/recipe/common/servers.py: do not edit, run ``make options``."

ROWS: tuple[tuple[str, Callable[[Description], object]], ...] = (
    ("several threads (``threads``)", lambda server: server.threads),
    ("several processes (``workers``)", lambda server: server.workers),
    ("several addresses (``http-address``)", lambda server: server.several),
    ("unix sockets", lambda server: server.unix),
    ("``http-fast-listen = off``", lambda server: server.late),
    ("``http-header-max-length``", lambda server: server.header_limit),
    ("``wsgi-server-options``", lambda server: server.own_options),
    ("several requests over one connection", lambda server: server.lasting),
    ("serves other clients while 400 clients are slow", lambda server: server.slow_clients),
    ("removes headers with an underscore", lambda server: server.dashes_only),
    ("request bodies in chunks", lambda server: server.chunked),
    ("a client with ``Expect: 100-continue`` may send its body at once", lambda server: server.eager),
    (
        "time in which a client must receive a response, in seconds",
        lambda server: str(server.answer_limit) if server.answer_limit else "no limit",
    ),
    ("the extra that installs it", lambda server: f"``{server.extra}``" if server.extra else "none"),
    ("documentation of its settings", lambda server: f"`list <{server.homepage}>`__" if server.homepage else "none"),
)


def table() -> str:
    """Return the table as reStructuredText, with a row for each ability and a column for each server."""
    servers = SERVERS.values()
    lines = [HEAD, "", ".. list-table::", "   :header-rows: 1", ""]
    head: tuple[str, Callable[[Description], object]] = ("", lambda server: f"``{server.name}``")
    for title, ability in (head, *ROWS):
        lines.append(f"   * - {title}".rstrip())
        lines += [f"     - {_word(ability(server))}" for server in servers]
    lines.append("")
    for server in servers:
        if server.remark:
            lines += [f"``{server.name}``", *wrapped(server.remark, "    ")]
    return "\n".join(lines) + "\n"


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print(table(), end="")

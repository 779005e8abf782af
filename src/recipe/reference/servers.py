"""What each WSGI server can do, as a table for the documentation.

python -m recipe.reference.servers > docs/which-server-table.txt
"""

from collections.abc import Callable

from recipe.common.servers import SERVERS, Description

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
    ("400 slow clients do not keep others out", lambda server: server.slow_clients),
    ("headers with an underscore are dropped", lambda server: server.dashes_only),
    ("bodies in chunks", lambda server: server.chunked),
    ("a body at once with ``Expect: 100-continue``", lambda server: server.eager),
    ("seconds that an answer may take", lambda server: str(server.answer_limit) if server.answer_limit else "any"),
    ("the extra that brings it", lambda server: f"``{server.extra}``" if server.extra else "none"),
    ("its settings", lambda server: f"`list <{server.homepage}>`__" if server.homepage else "none"),
)


def table() -> str:
    """The table, reStructuredText: a row for each ability, a column for each server."""
    servers = SERVERS.values()
    lines = [HEAD, "", ".. list-table::", "   :header-rows: 1", ""]
    head: tuple[str, Callable[[Description], object]] = ("", lambda server: f"``{server.name}``")
    for title, told in (head, *ROWS):
        lines.append(f"   * - {title}".rstrip())
        lines += [f"     - {_word(told(server))}" for server in servers]
    remarks = [f"``{server.name}``\n    {server.remark}" for server in servers if server.remark]
    return "\n".join([*lines, "", *remarks]) + "\n"


def _word(told: object) -> str:
    return ("yes" if told else "no") if isinstance(told, bool) else str(told)


if __name__ == "__main__":
    print(table(), end="")

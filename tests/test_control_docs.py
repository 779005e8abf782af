"""``docs/control.rst`` and the table of commands describe the same commands and options."""

from __future__ import annotations

import re

import pytest

from recipe.control.commandline import OPTIONS, SCRIPT_OPTIONS
from recipe.control.commands import COMMANDS
from support import CHECKOUT

PAGE = CHECKOUT / "docs/control.rst"

#: Each usage, and the text that `bin/instance help` prints beside it.
DECLARED = {f"{name} {command.arguments}".rstrip(): command.text for name, command in COMMANDS.items()}
DECLARED |= {str(option): option.text for option in OPTIONS + SCRIPT_OPTIONS}


def entries() -> dict[str, str]:
    """The definition of each term in double backticks on the page, in one line."""
    text = PAGE.read_text(encoding="utf-8")
    pairs = re.findall(r"^``(.+)``\n((?:    .+\n)+)", text, re.MULTILINE)
    return {term: " ".join(definition.split()) for term, definition in pairs}


@pytest.mark.parametrize("usage", DECLARED)
def test_the_page_describes(usage: str) -> None:
    sentence = f"{DECLARED[usage][0].upper()}{DECLARED[usage][1:]}.".replace("`", "``")
    definition = entries().get(usage, "")
    assert definition.startswith(sentence), (
        f"docs/control.rst needs this entry; it may go on after the first sentence:\n\n``{usage}``\n    {sentence}\n"
    )


def test_the_page_describes_nothing_else() -> None:
    unknown = [usage for usage in entries() if usage not in DECLARED]
    assert unknown == [], (
        f"docs/control.rst describes {', '.join(unknown)}, but neither COMMANDS in recipe/control/commands.py "
        "nor OPTIONS in recipe/control/commandline.py has it: remove the entry, or add the command"
    )

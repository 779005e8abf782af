"""ZConfig text: what is written is read back by ZConfig itself."""

from __future__ import annotations

from io import StringIO

import pytest
import ZConfig
from hypothesis import given
from hypothesis import strategies as st

from recipe.describe.sections import Key, Section, Wrapped, check_syntax
from recipe.render import zconfig
from recipe.render.place import Place

SCHEMA = ZConfig.loadSchemaFile(
    StringIO(
        """
        <schema>
          <sectiontype name="part" keytype="identifier">
            <key name="value" />
            <multisection type="part" name="*" attribute="parts" />
          </sectiontype>
          <multisection type="part" name="*" attribute="parts" />
        </schema>
        """
    )
)

# What one line of ZConfig can hold: no line ends, no blanks at its ends.
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text == text.strip() and text.splitlines() == [text]
)
ELSEWHERE = zconfig.Writer(Place("/elsewhere", "/elsewhere"))


def load(text: str) -> str:
    head = "%define INSTANCEHOME /home\n%define CLIENTHOME /client\n"
    config, _ = ZConfig.loadConfigFile(SCHEMA, StringIO(head + text))
    value: str = config.parts[0].value
    return value


@given(LINES.filter(lambda text: "$" not in text) | LINES.map(lambda text: text.replace("$", "§")))
def test_plain_text_arrives(text: str) -> None:
    section = Section("part", (Key("value", text),))
    assert load(ELSEWHERE.section(section)) == text


@given(
    LINES, st.sampled_from(["$", "$ ", "$%", "$1", "$s%w", "${", "$(", "${x", "$(x", "$unknown", "${unknown}", "$é"])
)
def test_a_dollar_that_means_nothing_arrives(text: str, dollar: str) -> None:
    text = f"a{text.replace('$', '')}{dollar}!b"
    assert load(ELSEWHERE.section(Section("part", (Key("value", text),)))) == text


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("a$$b", "a$b"),
        ("$INSTANCEHOME/x", "/home/x"),
        ("${clienthome}x", "/clientx"),
        ("$(ZCONFIG_TEST)", "from outside"),
        ("pa$s%w", "pa$s%w"),
        ("$$$", "$$"),
        ("$INSTANCEHOMES", "$INSTANCEHOMES"),
    ],
)
def test_escapes_keep_their_meaning(text: str, arrives: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZCONFIG_TEST", "from outside")
    assert load(ELSEWHERE.section(Section("part", (Key("value", text),)))) == arrives


def test_names_that_a_user_defines_are_references() -> None:
    text = "%define HERE /here\n<part>\n  value $HERE/$there\n</part>"
    assert load(ELSEWHERE.lines(text)) == "/here/$there"


@pytest.mark.parametrize("directory", ["/a$b", "/$INSTANCEHOME", "/$(PATH)", "/a$$b", "/a b"])
def test_the_buildout_directory_is_never_an_escape(directory: str) -> None:
    writer = zconfig.Writer(Place(directory, directory.replace("$", "$$")))
    section = Section("part", (Key("value", f"{directory}/$CLIENTHOME"),))
    assert load(writer.section(section)) == f"{directory}//client"


def test_a_name_is_known_to_what_is_written_later() -> None:
    writer = zconfig.Writer(Place("/x", "/x"))
    head = writer.lines("%define HERE /here")
    section = writer.section(Section("part", (Key("value", "$HERE"),)))
    assert load(f"{head}\n{section}") == "/here"


def test_after_an_include_nobody_knows_the_names() -> None:
    writer = zconfig.Writer(Place("/x", "/x"))
    assert writer.lines("%include other.conf\na $ANY $1") == "%include other.conf\na $ANY $$1"


def test_the_directory_is_replaced_as_a_whole_only() -> None:
    place = Place("/srv/a", "BASE")
    assert place.quote("/srv/a /srv/ab /srv/a+b /mnt/srv/a /srv/a/b ('/srv/a/c',)", str) == (
        "BASE /srv/ab /srv/a+b /mnt/srv/a BASE/b ('BASE/c',)"
    )


def test_sections_nest_and_none_is_left_out() -> None:
    inner = Section("filestorage", (Key("path", "/x"), Key("quota", None)), name="base")
    outer = Section("demostorage", sections=(inner,))
    assert ELSEWHERE.section(outer) == (
        "<demostorage>\n  <filestorage base>\n    path /x\n  </filestorage>\n</demostorage>"
    )


def test_a_wrapper_stands_around_the_section() -> None:
    wrapped = Wrapped("<zlibstorage>\n  compress true", Section("filestorage"), "</zlibstorage>")
    assert ELSEWHERE.section(wrapped).splitlines() == [
        "<zlibstorage>", "  compress true", "  <filestorage>", "  </filestorage>", "</zlibstorage>",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a b", "<x>\n a b\n</x>", "<x/>", "%import ZEO", "%define A b\na $A", "a $x%y"])
def test_zconfig_text_passes(text: str) -> None:
    check_syntax(text)


@pytest.mark.parametrize(
    ("text", "line"), [("<x>", 1), ("a b\n</x>", 2), ("<x>\n</y>", 2), ("a b\n<x", 2), ("%nonsense x", 1)]
)
def test_other_text_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line}(: [<%].*)?$"):
        check_syntax(text)

"""Texts of the web, of file names and of errors are shown on a terminal, and cannot steer it."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.table import Table
from rich.text import Text

from metaclip_spark.cli import main
from metaclip_spark.cli.metadata_tables import _print_packed, _print_rows
from metaclip_spark.core.wording import one_line, visible_lines
from metaclip_spark.terminal.console import PlainConsole, console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows

STEERS = {
    "\x1b[2J\x1b[31mred": "[U+001B][2J[U+001B][31mred",
    "\x9b31mred": "[U+009B]31mred",
    "\x1b]0;title\x07": "[U+001B]]0;title[U+0007]",
    "\x1b]8;;http://x\x1b\\here": "[U+001B]]8;;http://x[U+001B]\\here",
    "over\rwritten": "over[U+000D]written",
    "back\x08\x7f": "back[U+0008][U+007F]",
    "\u202egnp.exe": "[U+202E]gnp.exe",
    "\u2067iso\u2069": "[U+2067]iso[U+2069]",
    "nul\x00": "nul[U+0000]",
    "zero\u200bwidth\ufeff": "zero[U+200B]width[U+FEFF]",
    "\ud800 lone": "[U+D800] lone",
    "line\u2028end": "line[U+2028]end",
    "[bold]no markup[/bold] :smile:": "[bold]no markup[/bold] :smile:",
    "京都 שלום\u200c\u00a0é": "京都 שלום\u200c\u00a0é",
}
"""A text -> what is shown of it."""
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(("text", "shown"), STEERS.items())
def test_a_text_is_shown_and_does_not_steer(text, shown, capsys):
    """In a line, in a table's cell, as a progress line and as a warning; rich's markup is a text.

    Of a table that rich makes by itself, only the controls are shown: it drops some, and folds the rest.
    """
    console().print(text, markup=False)
    print_rows(["a", "b"], [[text, "1"], ["x", "2"]])
    table = Table(box=None, show_header=False)
    table.add_row(Text(text), text if "[" not in text else Text(text))
    console().print(table, markup=False)
    _print_packed([text], ", ", "  ")
    _print_rows([[text, "1"]])
    Reporter().say(text)
    Reporter().warn(text)
    said = capsys.readouterr()
    assert said.out.count(shown) >= 4
    assert said.err == f"{shown}\nwarning: {shown}\n"
    assert _CONTROLS.search(said.out + said.err) is None


def test_the_line_ends_of_a_caption_make_no_line_of_their_own(capsys):
    """A caption cannot print a line that looks like one of the program."""
    print_rows(["text"], [["a\nmetaclip-spark: done"]])
    Reporter().say("a\nb")
    said = capsys.readouterr()
    assert said.out.splitlines()[1:] == ["a[U+000A]metaclip-spark: done"]
    assert said.err == "a[U+000A]b\n"


def test_colours_of_the_program_stay():
    """On a terminal, a warning is yellow: the escapes of rich are no text."""
    out = io.StringIO()
    colours = PlainConsole(file=out, force_terminal=True, color_system="standard", highlight=False)
    colours.print("a\x1b[31m", style="yellow", markup=False)
    assert out.getvalue() == "\x1b[33ma[U+001B][31m\x1b[0m\n"


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_an_error_that_quotes_a_text_does_not_steer(debug, capsys, tmp_path):
    """Of settings, of click, and with a stack trace."""
    steers = "\x1b[31m\u202e\x9b"
    commands = (
        ["run", "--input", str(tmp_path / f"none{steers}"), "--metadata", "en", "--warehouse", str(tmp_path / "w")],
        ["run", f"--none{steers}"],
        ["metadata", "inspect", str(tmp_path / f"none{steers}.json")],
        ["explain", "--warehouse", f"{tmp_path}/none{steers}", "--text", "a"],
    )
    for words in commands:
        assert main([*words, *(debug if words[0] != "metadata" else [])])
        said = capsys.readouterr()
        # click writes an unknown option as Python does.
        assert "[U+001B][31m[U+202E][U+009B]" in said.err or "\\x1b[31m\\u202e\\x9b" in said.err
        assert _CONTROLS.search(said.out + said.err) is None


def test_a_list_of_hostile_entries_is_inspected(capsys, tmp_path):
    """`metadata inspect` and `diff` show entries."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(["cat", "a\x1b[31mb", "\u202e", " x", "y\tz"]), encoding="utf-8")
    second.write_text(json.dumps(["cat", "\x9b31m"]), encoding="utf-8")
    main(["metadata", "inspect", str(first)])
    main(["metadata", "diff", str(first), str(second)])
    said = capsys.readouterr()
    assert "y\\tz" in said.out
    assert _CONTROLS.search(said.out + said.err) is None


def test_lines_and_texts():
    """A text of several lines keeps its ends, and a text without odd characters is the same object."""
    text = "a plain text"
    assert one_line(text) is text
    assert visible_lines("a\x1b\nb\r\n") == "a[U+001B]\nb[U+000D]\n"

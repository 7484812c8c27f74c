"""What commands print with: lines, tables, JSON, and text that no encoding holds."""

from __future__ import annotations

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from tests.support.captured import Captured
from xver.cli.output import Styled


def test_a_line_is_one_line() -> None:
    captured = Captured()
    captured.out.line("name ", "a\nb\x1b[2J", Styled("\x1b]0;x\x07", "good"))
    assert captured.stdout == b"name a\\nb\\x1b[2J\\x1b]0;x\\x07\n"


def test_colours_are_for_terminals() -> None:
    part = Styled("ok\x1b", "good")
    for terminal, colour, shown in (
        (True, True, b"\x1b[32mok\\x1b\x1b[0m\n"),
        (True, False, b"ok\\x1b\n"),
        (False, True, b"ok\\x1b\n"),
    ):
        captured = Captured(terminal=terminal, colour=colour)
        captured.out.line(part)
        assert captured.stdout == shown


def test_no_encoding_ends_a_command() -> None:
    captured = Captured("ascii")
    captured.out.line("├─ Ødegård 写 \udcff")
    assert captured.stdout == b"|- \\xd8deg\\xe5rd \\u5199 \\xff\n"


def test_a_table_is_aligned_by_columns_not_characters() -> None:
    captured = Captured()
    captured.out.table(
        [["写真", "812 MB", "x"], ["a\nb", Styled("8.5 kB", "id"), "longer"], ["short"]], ["path", "size"], right={1}
    )
    assert captured.stdout.decode() == ("path     size\n写真   812 MB  x\na\\nb   8.5 kB  longer\nshort\n")


def test_an_empty_table_prints_nothing() -> None:
    captured = Captured()
    captured.out.table([])
    assert captured.stdout == b""


def test_quiet_leaves_answers_and_warnings() -> None:
    captured = Captured()
    captured.out.quiet = True
    captured.out.note("Added data")
    captured.out.line("answer")
    captured.out.warn("look ", "out")
    assert (captured.stdout, captured.stderr) == (b"answer\n", b"warning: look out\n")


def test_json_keeps_order_and_is_utf_8_in_every_locale() -> None:
    captured = Captured("ascii")
    captured.out.line("first")
    captured.out.json({"b": "写", "a": [1.5, float("nan"), float("inf")], "c": ("x",)})
    expected = '{\n  "b": "写",\n  "a": [\n    1.5,\n    null,\n    null\n  ],\n  "c": [\n    "x"\n  ]\n}\n'
    assert captured.stdout == b"first\n" + expected.encode()


@given(st.text(st.characters()), st.binary(max_size=20))
def test_every_name_comes_back_from_json(text: str, name: bytes) -> None:
    captured = Captured()
    value = {text: [text, os.fsdecode(name)]}
    captured.out.json(value)
    assert os.fsencode(json.loads(captured.stdout)[text][1]) == name
    assert json.loads(captured.stdout) == value
    assert not set(captured.stdout.decode()) & set("\x00\x1b\x7f\x9b\u202e\u2028")


def test_raw_bytes_keep_their_place() -> None:
    captured = Captured()
    captured.out.line("one")
    captured.out.raw(b"\xff\x00\x1b")
    captured.out.line("two")
    assert captured.stdout == b"one\n\xff\x00\x1btwo\n"


def test_a_meter_makes_room_for_a_line() -> None:
    captured = Captured(terminal=True, colour=False)
    meter = captured.out.meter()
    meter.start("Hashing", None, "files")
    captured.now += 1
    meter.advance(1)
    captured.out.warn("careful")
    drawn, cleared, rest = captured.stderr.decode().removeprefix("\r").split("\r")
    assert drawn.startswith("Hashing  1 files")
    assert cleared == " " * len(drawn)
    assert rest == "warning: careful\n"

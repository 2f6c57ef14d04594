"""Code in a call's arguments: read as it is written, however it is cut and however sloppy."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.runs.code_arguments import OPENING_CHARACTERS_MAX, CodeReader, code_in

# Pieces of arguments that come near to everything that the reader tells apart.
PARTS = st.sampled_from(
    [
        *('{"code": "', '{ "input":"', '"}', '{"title": "t", "code": "', '{"n": 1, "code": "'),
        *("{", "}", '"', ":", ",", " ", "\n", "code", "x = 1", "print(1)", "```python\n", "\n```"),
        *("\\", "\\n", "\\u00e9", "\\ud83d", "\\ude00", "\\u12", "u", "d", "🙂", "\\d", "\\'"),
        *('{"meta": {"a": 1}, "code": "', "null", "[", "]", "x" * OPENING_CHARACTERS_MAX),
    ]
)
ARGUMENTS = st.lists(PARTS, max_size=10).map("".join)


def read(*pieces: str) -> str:
    reader = CodeReader()
    return "".join([*(reader.take(piece) for piece in pieces), reader.end()])


@given(ARGUMENTS, st.data())
def test_what_is_read_depends_on_the_text_and_not_on_its_pieces(
    text: str, data: st.DataObject
) -> None:
    """STR-07: told as deltas and stored as a whole, the code is the same."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    assert read(*pieces) == read(*text) == code_in(text)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_proper_arguments_are_read_exactly(code: str, ascii_only: bool) -> None:  # noqa: FBT001
    assert read(*json.dumps({"code": code}, ensure_ascii=ascii_only)) == code


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_proper_code_is_told_at_once_but_for_what_is_not_certain(code: str) -> None:
    reader = CodeReader()
    told = reader.take('{"code": "')
    for character in code:
        told += reader.take(json.dumps(character)[1:-1])
    assert told == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("print(1)\n", "print(1)\n"),
        ("```python\nx = 1\n```", "x = 1"),
        ("```\nx = 1\n```\n", "x = 1"),
        ('"x = 1\\n"', "x = 1\n"),
        ('"abc".upper()', '"abc".upper()'),
        ('{"a": 1}["a"]', '{"a": 1}["a"]'),
        ("{1, 2}", "{1, 2}"),
        ('{"script": "x = 1"}', "x = 1"),
        ('{"language": "python", "code": "x = 1"}', "x = 1"),
        ('{"options": {"a": 1}, "code": "x = 1"}', "x = 1"),
        ('{"code": "a = 1\nb = 2"}', "a = 1\nb = 2"),
        ("{\"code\": \"re.match('\\d', 'it\\'s')\"}", "re.match('\\d', 'it's')"),
        ('{"code": "\\ud83d!"}', "\ufffd!"),
        ('{"code": "x = 1', "x = 1"),
        ("{}", ""),
        ('{"code": null}', ""),
        ("", ""),
    ],
)
def test_sloppy_arguments_are_understood(arguments: str, code: str) -> None:
    assert code_in(arguments) == code

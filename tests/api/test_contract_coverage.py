"""Each rule of the contract is shown by a test that cites it, or listed as a gap with a reason."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
GAPS = TESTS.parent / "docs" / "contract-gaps.md"
RULES = Path(__file__).with_name("rules.txt").read_text().split()

_RULE = re.compile(r"\b(?:[A-Z]+|V1V2)-[0-9A-F]{2}\b")
# A range such as RUN-10 to RUN-1A tells what a file is about; whoever shows a rule names it.
_RANGE = re.compile(rf"{_RULE.pattern} to {_RULE.pattern}")
_ENTRY = re.compile(r"- (?P<rule>\S+?)(?P<partly> \(partly\))?: (?P<reason>\S.+)")


def _test_files() -> Iterator[Path]:
    """Yield the tests, and the programs that real clients run as tests."""
    yield from (path for path in TESTS.glob("*/test_*.py") if path != Path(__file__))
    for ending in ("py", "mjs"):
        yield from TESTS.glob(f"clients/*_v?/*.{ending}")
        yield from TESTS.glob(f"clients/python/*.{ending}")
        yield from TESTS.glob(f"clients/node/*.{ending}")


@cache
def _cited() -> frozenset[str]:
    # The strict suites cite rules to explain why a foreign test is left out, which shows nothing.
    shown = (path for path in _test_files() if path.parent.name != "strict")
    texts = (_RANGE.sub("", path.read_text()) for path in shown)
    return frozenset(rule for text in texts for rule in _RULE.findall(text))


@cache
def _entries() -> tuple[re.Match[str], ...]:
    lines = GAPS.read_text().splitlines()
    return tuple(found for line in lines if (found := _ENTRY.fullmatch(line)))


def _listed(*, partly: bool) -> set[str]:
    return {one["rule"] for one in _entries() if bool(one["partly"]) is partly}


def test_every_line_of_the_gaps_is_an_entry() -> None:
    """A rule, perhaps "(partly)", and a reason; known rules only, and each once."""
    lines = [line for line in GAPS.read_text().splitlines() if line.startswith("- ")]
    assert [line for line in lines if not _ENTRY.fullmatch(line)] == []
    rules = [one["rule"] for one in _entries()]
    assert set(rules) - set(RULES) == set()
    assert [rule for rule, count in Counter(rules).items() if count > 1] == []


def test_every_section_has_its_place_among_the_gaps() -> None:
    """One heading for each section of the contract that is served here."""
    found = re.findall(r"^## (\d+) ", GAPS.read_text(), re.MULTILINE)
    assert [int(number) for number in found] == [*range(1, 17)]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_shown_or_listed(rule: str) -> None:
    """Cited by a test, or a gap, or partly each; never a gap that a test contradicts."""
    is_cited = rule in _cited()
    if rule in _listed(partly=False):
        assert not is_cited, f"{rule} is listed as a gap, but a test cites it"
    else:
        assert is_cited, f"no test cites {rule}, and docs/contract-gaps.md does not list it"


def test_the_list_of_rules_is_whole() -> None:
    """As many rules as the sections have, each once, so that none is lost from the file."""
    assert len(RULES) == len(set(RULES)) == 279
    families = Counter(rule.rpartition("-")[0] for rule in RULES)
    assert families == {
        "GEN": 19,
        "AUTH": 8,
        "ERR": 47,
        "LIST": 13,
        "ID": 5,
        "ASST": 14,
        "THR": 8,
        "MSG": 14,
        "RUN": 44,
        "STEP": 14,
        "STR": 18,
        "ANN": 8,
        "FILE": 9,
        "UPL": 2,
        "VS": 15,
        "V1V2": 8,
        "SDK": 12,
        "D": 21,
    }

"""Terms: what passages and questions have in common."""

# ruff: noqa: RUF001 - letters of other scripts are meant

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.retrieval.terms import index_terms, query_terms


def matches(question: str, passage: str) -> bool:
    """Return whether the passage has every term of the question, in one spelling or another."""
    terms = set(index_terms(passage).split())
    wanted = query_terms(question)
    return bool(wanted) and all(terms & set(term.split("|")) for term in wanted)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("running committees", "a committee runs"),
        ("Which banks?", "the bank"),
        ("the company's debts", "company debt"),
        ("Häuser", "das Haus, in dem man wohnt"),
        ("informacion", "la información que no es"),
        ("informaciones", "la información que es de los"),
        ("resume", "her résumé"),
        ("strasse", "die Straße ist lang und nicht breit"),
        ("Ελλάδα", "στην ΕΛΛΆΔΑ"),
        ("учёный", "ученые открыли"),
        ("القاهرة", "اَلْقَاهِرَة"),
        ("किताबें", "वह किताब है"),
        ("機械", "機械学習の入門"),
        ("猫", "黒い猫がいる"),
        ("ค้าง", "ใบค้างชำระ"),
        ("서울", "서울은 수도"),
        ("ＡＢＣ", "abc"),
        ("١٢٣", "123"),
        ("email", "e-mail"),
        ("wellbeing", "well-\nbeing"),
        ("getUserName", "get_user_name"),
        ("user name", "getUserName()"),
        ("XMLHttpRequest", "an xml http request: XMLHttpRequest"),
        ("1500000", "1,500,000 people"),
        ("1.500.000", "1,500,000 people"),
        ("3.14", "pi is 3.14 or so"),
        ("Tiếng Việt", "tieng viet"),
        ("don't", "DON\u2019T"),
        ("l'eau", "l\u2019eau"),
        ("GPT-4", "gpt-4 turbo"),
    ],
)
def test_a_question_matches_other_forms_of_its_words(question: str, passage: str) -> None:
    assert matches(question, passage)


@pytest.mark.parametrize("passage", ["an e-mail", "an email"])
@pytest.mark.parametrize("question", ["e-mail", "email"])
def test_compounds_meet_whichever_way_they_are_written(question: str, passage: str) -> None:
    assert "email" in index_terms(passage).split()
    assert any("email" in term.split("|") for term in query_terms(question))


@pytest.mark.parametrize(
    ("question", "passage"),
    [("cat", "category"), ("1500", "15.00"), ("医疗", "疗医"), ("parse", "sparse")],
)
def test_other_words_do_not_match(question: str, passage: str) -> None:
    assert not matches(question, passage)


def test_common_words_are_left_out_of_a_question_in_its_own_language() -> None:
    assert query_terms("What is the capital of France?") == ["capit", "franc"]
    assert query_terms("¿Cuál es la capital de Francia?") == ["capital|capit", "franci|francia"]
    assert query_terms("Was ist die Hauptstadt?") == ["hauptstadt"]


def test_a_question_of_common_words_alone_keeps_them() -> None:
    assert query_terms("to be or not to be") == ["to", "be", "or", "not"]


def test_a_long_question_has_a_bounded_number_of_terms() -> None:
    assert len(query_terms(" ".join(f"word{number}" for number in range(10_000)))) == 256


@pytest.mark.parametrize("text", ["", " \n", "?!…", "\x00", "\u200b", "---", "'", "_", "\u0301"])
def test_nothing_to_find_has_no_terms(text: str) -> None:
    assert index_terms(text).split() == []
    assert query_terms(text) == []


@given(st.text(max_size=200))
def test_terms_are_safe_to_store_and_the_same_each_time(text: str) -> None:
    terms = index_terms(text)

    assert terms == index_terms(text)
    assert not set(terms) & set("\"'|\\\n\x00:&!*()")
    assert all(len(term) <= 400 for term in terms.split())
    terms.encode()  # no surrogates


@given(st.text(max_size=100))
def test_a_text_answers_to_itself(text: str) -> None:
    assert not query_terms(text) or matches(text, text)

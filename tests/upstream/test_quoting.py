"""Answers out of files: reading what a search returned, and choosing what to quote of it."""

import pytest

from understudy.runs.citations import NOTHING_FOUND, marker, passages
from understudy.upstream.passages import Passage, passages_in
from understudy.upstream.quoting import QUOTE_CHARACTERS_MAX, QUOTES_MAX, best_quotes
from understudy.wire.objects.steps import FileSearchCall, SearchResult, SearchResultText

FIRST, SECOND = marker(3, 0), marker(3, 1)


def searched(*texts: str) -> str:
    """Return what a model reads of a search at place 3 that found these passages."""
    results = [
        SearchResult(
            file_id="file-1", file_name="a【b.txt", score=0.5, content=[SearchResultText(text=text)]
        )
        for text in texts
    ]
    return passages(FileSearchCall(results=results, query="?", place=3))


def quoted(question: str, *texts: str) -> list[str]:
    """Return the quotes without their markers."""
    found = [Passage(marker(0, index), text) for index, text in enumerate(texts)]
    return [quote.text for quote in best_quotes(question, found)]


def test_each_passage_is_read_with_its_marker() -> None:
    texts = ["The oven is off.\n\nThe door is open.", "See 【9:9†source】 in this line."]
    found = [Passage(FIRST, texts[0]), Passage(SECOND, texts[1])]
    assert passages_in(searched(*texts)) == found


@pytest.mark.parametrize("output", ["", NOTHING_FOUND, '{"a": 1}', f"Cite like {FIRST} this."])
def test_other_outputs_have_no_passages(output: str) -> None:
    assert passages_in(output) == []


def test_an_empty_passage_is_left_out() -> None:
    assert passages_in(searched(" \n ", "words")) == [Passage(SECOND, "words")]


@pytest.mark.parametrize(
    ("question", "answer", "others"),
    [
        ("Which allergies matter?", "Tell us of an allergy.", "We open at six. Bring a pen."),
        ("借书期限有多长？", "借书期限是三十天！", "图书馆每天早上九点开门。读者可以上网。"),  # noqa: RUF001 - other scripts
        ("本は何日間借りられますか", "本は二週間借りられます。", "図書館は九時に開きます。"),
        ("متى يفتح المقهى أبوابه؟", "المقهى يفتح أبوابه في السابعة.", "هل لديكم كلب؟ نعم."),
        ("किताबें कितने दिन?", "किताबें तीस दिन रखें।", "पुस्तकालय सुबह खुलता है।"),
        ("Во сколько открывается кафе?", "Кафе открывают в семь.", "Собаки ждут снаружи."),  # noqa: RUF001
    ],
)
def test_the_sentence_that_shares_most_with_the_question_is_quoted(
    question: str, answer: str, others: str
) -> None:
    """In any language, inflected or written without spaces, wherever it stands."""
    assert quoted(question, f"{answer} {others}")[0] == answer
    assert quoted(question, f"{others} {answer}")[0] == answer
    assert quoted(question, others, answer)[0] == answer


def test_lines_of_a_paragraph_are_joined_and_a_heading_is_none() -> None:
    text = "Lost property\nWhatever is lost is kept\nfor forty days, e.g. keys.\nThen it is sold."
    assert (
        quoted("How long is it kept?", text)[0] == "Whatever is lost is kept for forty days, "
        "e.g. keys."
    )


def test_passages_that_overlap_are_not_quoted_twice() -> None:
    assert quoted("cats?", "Dogs bark. Cats purr.", "Cats purr. Cows moo.") == ["Cats purr."]


def test_few_sentences_are_quoted_and_only_good_ones() -> None:
    assert len(quoted("bread", *[f"We sell bread {n}." for n in "abcdef"])) == QUOTES_MAX
    assert quoted("bread and butter", "Bread and butter. Some bread.") == ["Bread and butter."]


def test_a_question_that_shares_nothing_gets_the_first_sentence_of_the_best_passage() -> None:
    assert quoted("xyz", "First. Second.", "Third.") == ["First."]


def test_what_is_too_long_for_a_sentence_is_quoted_by_its_lines() -> None:
    rows = "\n".join(f"row {number}, nothing to see in here" for number in range(40))
    assert quoted("row 17", rows)[0] == "row 17, nothing to see in here"
    (cut,) = quoted("a", "a" * 5000)
    assert len(cut) == QUOTE_CHARACTERS_MAX
    assert cut.endswith("…")


def test_nothing_is_quoted_of_nothing() -> None:
    assert quoted("What?") == []

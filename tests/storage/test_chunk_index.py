"""What every chunk index does; an adapter is one more entry in OPENERS."""

# ruff: noqa: RUF001 - letters of other scripts are meant

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tests.storage.passages import MODEL, batches, pack, passage
from understudy.retrieval.terms import query_terms
from understudy.storage.chunks import ChunkIndex, Hit, IndexedChunk, Vector
from understudy.storage.postgres.chunk_index import PostgresChunkIndex
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex

STORE = "vs_one"


async def _sqlite(request: pytest.FixtureRequest) -> ChunkIndex:
    folder: Path = request.getfixturevalue("tmp_path")
    return SqliteChunkIndex(folder / "indexes")


async def _postgres(request: pytest.FixtureRequest) -> ChunkIndex:
    return await PostgresChunkIndex.open(request.getfixturevalue("pgvector_url"))


async def _postgres_without_pgvector(request: pytest.FixtureRequest) -> ChunkIndex:
    return await PostgresChunkIndex.open(request.getfixturevalue("postgres_url"))


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Awaitable[ChunkIndex]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
    "postgres without pgvector": _postgres_without_pgvector,
}
WITH_VECTORS = ("sqlite", "postgres")


def _parameters(*names: str) -> Sequence[object]:
    """Return adapters as parameters; those that need a server are marked."""
    return [
        pytest.param(name, marks=() if name == "sqlite" else pytest.mark.cluster) for name in names
    ]


with_vectors = pytest.mark.parametrize("index", _parameters(*WITH_VECTORS), indirect=True)


@pytest.fixture(params=_parameters(*OPENERS))
async def index(request: pytest.FixtureRequest) -> AsyncIterator[ChunkIndex]:
    opened = await OPENERS[request.param](request)
    try:
        yield opened
    finally:
        await opened.close()


async def ask(
    index: ChunkIndex, question: str, limit: int = 10, entries: set[int] | None = None
) -> Sequence[Hit]:
    return await index.search(STORE, query_terms(question), limit, entries)


async def found(index: ChunkIndex, question: str) -> list[int]:
    return [hit.entry for hit in await ask(index, question)]


async def test_a_chunk_comes_back_as_it_was_put(index: ChunkIndex) -> None:
    put = passage("Otters hold hands while they sleep. \ud83d \x00 é")
    size = await index.put(STORE, 7, batches("Badgers dig.", put))

    [hit] = await ask(index, "otters")

    assert (hit.entry, hit.ordinal, hit.chunk) == (7, 1, put.chunk)
    assert size.chunks == 2
    assert size.text_bytes == len("Badgers dig.") + len(put.chunk.text) + 3


async def test_chunks_are_listed_in_order_behind_an_ordinal(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches(*(f"passage {number}" for number in range(7)), size=3))
    await index.put(STORE, 2, batches("another"))

    listed = await index.chunks(STORE, 1, after=2, limit=3)

    assert [(ordinal, chunk.text) for ordinal, chunk in listed] == [
        (3, "passage 3"),
        (4, "passage 4"),
        (5, "passage 5"),
    ]
    assert [ordinal for ordinal, _ in await index.chunks(STORE, 1, limit=99)] == list(range(7))
    assert await index.chunks(STORE, 1, after=6, limit=3) == []


async def test_more_of_the_question_ranks_first_and_scores_stay_within_0_and_1(
    index: ChunkIndex,
) -> None:
    await index.put(STORE, 1, batches("red fox", "the red fox jumps", "blue whale", "fox " * 500))

    hits = await ask(index, "a red fox that jumps")

    assert hits[0].chunk.text == "the red fox jumps"
    assert [hit.ordinal for hit in hits[:2]] == [1, 0]
    assert {hit.ordinal for hit in hits} == {0, 1, 3}
    assert all(0 < hit.score <= 1 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_a_rare_word_counts_more_than_a_common_one(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches(*["report of the year"] * 20, "an axolotl"))

    assert (await ask(index, "report axolotl"))[0].chunk.text == "an axolotl"


async def test_equal_scores_come_in_the_order_of_the_passages(index: ChunkIndex) -> None:
    for entry in range(5):
        await index.put(STORE, entry, batches("same words", "same words"))

    hits = await ask(index, "same words", 6)

    assert [(hit.entry, hit.ordinal) for hit in hits] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip


async def test_words_that_the_store_lacks_lower_the_score(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("green tea", "black coffee"))

    [whole] = await ask(index, "green tea")
    [half] = await ask(index, "green tea submarine periscope")

    assert half.score < whole.score


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (50, 50)])
async def test_no_more_hits_than_asked_for(index: ChunkIndex, limit: int, expected: int) -> None:
    await index.put(STORE, 1, batches(*["plum"] * 60, size=20))

    assert len(await ask(index, "plum", limit)) == expected


async def test_stores_know_nothing_of_each_other(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("a secret"))
    await index.put("vs_two", 1, batches("another secret"))

    await index.drop_store("vs_two")

    assert await found(index, "secret") == [1]
    assert not await index.search("vs_two", ["secret"], 5)


async def test_only_the_named_entries_are_found(index: ChunkIndex) -> None:
    for entry in range(6):
        await index.put(STORE, entry, batches("walnut", "walnut"))

    assert {hit.entry for hit in await ask(index, "walnut", 50, {1, 4, 99})} == {1, 4}
    assert list(await ask(index, "walnut", 50, set())) == []


async def test_putting_again_replaces(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("old words", "old ends"))
    await index.put(STORE, 1, batches("new words"))

    assert [hit.chunk.text for hit in await ask(index, "old new words ends")] == ["new words"]
    assert len(await index.chunks(STORE, 1, limit=9)) == 1


async def test_a_dropped_entry_is_gone_and_others_stay(index: ChunkIndex) -> None:
    for entry in range(20):
        await index.put(STORE, entry, batches(f"cherry {entry}", "cherry"))
    for entry in range(0, 20, 2):
        await index.drop_entry(STORE, entry)
    await index.drop_entry(STORE, 4_000)
    await index.drop_entry("vs_unknown", 1)

    assert sorted({hit.entry for hit in await ask(index, "cherry", 50)}) == list(range(1, 20, 2))
    assert await index.chunks(STORE, 2, limit=9) == []


async def test_an_entry_without_chunks_is_no_mistake(index: ChunkIndex) -> None:
    size = await index.put(STORE, 1, batches())

    assert (size.chunks, size.text_bytes) == (0, 0)
    assert await found(index, "anything") == []


@pytest.mark.parametrize("before", [(), ("kept from before",)])
async def test_a_failing_iterator_leaves_what_was_there_before(
    index: ChunkIndex, before: tuple[str, ...]
) -> None:
    async def failing() -> AsyncIterator[Sequence[IndexedChunk]]:
        for _ in range(30):
            yield [passage("halfway")] * 100
        raise RuntimeError("the file broke off")

    await index.put(STORE, 1, batches(*before))
    with pytest.raises(RuntimeError, match="broke off"):
        await index.put(STORE, 1, failing())

    assert await found(index, "halfway") == []
    assert await found(index, "kept") == [1] * len(before)
    assert len(await index.chunks(STORE, 1, limit=9)) == len(before)


async def test_a_long_question_finds_by_what_is_known_of_it(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("the one word"))

    hits = await index.search(STORE, [*(f"unknown{number}" for number in range(200)), "word"], 5)

    assert [hit.entry for hit in hits] == [1]


async def test_nothing_is_found_before_all_of_it_is_there(index: ChunkIndex) -> None:
    written, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Sequence[IndexedChunk]]:
        for _ in range(50):
            yield [passage("gradual")] * 100
        written.set()
        await go_on.wait()

    putting = asyncio.create_task(index.put(STORE, 1, slow()))
    await written.wait()
    await index.put(STORE, 2, batches("gradual"))  # others are not held up
    meanwhile = await found(index, "gradual")
    go_on.set()
    await putting

    assert meanwhile == [2]
    assert len(await ask(index, "gradual", 50)) == 50


async def test_a_cancelled_put_leaves_nothing(index: ChunkIndex) -> None:
    written = asyncio.Event()

    async def endless() -> AsyncIterator[Sequence[IndexedChunk]]:
        for _ in range(50):
            yield [passage("cancelled")] * 100
        written.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(index.put(STORE, 1, endless()))
    await written.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert await found(index, "cancelled") == []


async def test_searches_go_on_while_others_put_and_drop(index: ChunkIndex) -> None:
    await index.put(STORE, 0, batches("constant"))

    async def put(entry: int) -> None:
        for _ in range(5):
            await index.put(STORE, entry, batches(*["constant"] * 5))
            await index.drop_entry(STORE, entry)

    async def search() -> list[Sequence[Hit]]:
        return [await ask(index, "constant", 50) for _ in range(20)]

    changes = [asyncio.create_task(put(entry)) for entry in range(1, 5)]
    answers = await asyncio.gather(*(search() for _ in range(4)))
    await asyncio.gather(*changes)

    for hits in (one for several in answers for one in several):
        entries = [hit.entry for hit in hits]
        assert entries.count(0) == 1
        assert all(entries.count(entry) in (0, 5) for entry in range(1, 5))


async def test_an_entry_is_found_as_a_whole_while_it_is_replaced(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches(*["constant 0"] * 5))

    async def replace() -> None:
        for number in range(1, 11):
            await index.put(STORE, 1, batches(*[f"constant {number}"] * 5))

    replacing = asyncio.create_task(replace())
    answers = []
    while not replacing.done():
        answers.append([hit.chunk.text for hit in await ask(index, "constant", 50)])
    await replacing

    assert all(len(one) == 5 and len(set(one)) == 1 for one in answers)


@pytest.mark.parametrize(
    "question",
    [
        "", " ", "?!", "the of and", '"', "NEAR(a b)", "a* OR b* NOT c", "{col}: x", "'; DROP",
        "( AND )", "\x00", "\ud800", "|||", "a" * 100_000, "word " * 20_000, "漢" * 30_000,
        " ".join(f"w{number}" for number in range(15_000)),
    ],
    ids=lambda question: ascii(question[:12]),
)  # fmt: skip
async def test_any_question_is_answered(index: ChunkIndex, question: str) -> None:
    await index.put(STORE, 1, batches("the word a b c", "漢字", "w1 w2 w3"))

    assert all(0 <= hit.score <= 1 for hit in await ask(index, question))


async def test_a_question_of_common_words_alone_finds_them(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("To be, or not to be", "Whatever"))

    assert (await ask(index, "to be or not to be"))[0].ordinal == 0


LANGUAGES = {
    "en": ("The committees approved several budgets.", "Which committee approves a budget?"),
    "es": ("Las bibliotecas municipales abrieron en otoño.", "¿Cuándo abrió la biblioteca?"),
    "de": ("Die Häuser wurden im Jahr 1910 gebaut.", "Wann baute man das Haus?"),
    "fr": ("Les chevaux galopaient à travers l'école.", "Que fait un cheval dans une ecole ?"),
    "zh": ("人工智能正在改变医疗行业。", "医疗行业的人工智能"),
    "ja": ("東京の電車はとても正確です。", "東京の電車"),
    "ko": ("서울은 대한민국의 수도입니다.", "대한민국 수도는 어디인가요"),
    "ar": ("تقع المدرسة في وسط المدينة.", "أين المدارس في المدينة؟"),
    "hi": ("किसानों ने फसलें काटीं।", "किसान की फसल"),
    "th": ("ประเทศไทยมีเมืองหลวงชื่อกรุงเทพ", "เมืองหลวงของไทย"),
    "ru": ("Учёные открыли новые планеты.", "Какую планету открыл ученый?"),
    "el": ("Οι επιστήμονες ανακάλυψαν πλανήτες.", "Ποιος πλανήτης;"),
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_question_finds_its_passage_among_all_languages(
    index: ChunkIndex, language: str
) -> None:
    passages = [text for text, _ in LANGUAGES.values()]
    await index.put(STORE, 1, batches(*passages))

    hits = await ask(index, LANGUAGES[language][1])

    assert passages[hits[0].ordinal] == LANGUAGES[language][0]


@pytest.mark.parametrize(
    "question", ["parseHttpHeader", "parse_http_header", "http header", "PARSE-HTTP-HEADER"]
)
async def test_identifiers_are_found_whole_and_by_their_parts(
    index: ChunkIndex, question: str
) -> None:
    await index.put(STORE, 1, batches("def parse_http_header(line): ...", "x = readFile(path)"))

    assert [hit.ordinal for hit in await ask(index, question)] == [0]


@with_vectors
async def test_the_nearest_vectors_are_found(index: ChunkIndex) -> None:
    await index.put(
        STORE,
        1,
        batches(
            passage("east", [1, 0]),
            passage("north", [0, 1]),
            passage("without"),
            passage("north-east", [0.6, 0.8]),
            passage("west", [-1, 0]),
            passage("of another length", [0, 1, 0]),
            passage("of another model", [0, 1], "model-two"),
        ),
    )

    hits = await index.nearest(STORE, pack([0, 1]), 3)

    assert [hit.chunk.text for hit in hits] == ["north", "north-east"]
    assert [hit.score for hit in hits] == pytest.approx(
        [1, 0.8], abs=0.001
    )  # some keep half precision


@with_vectors
async def test_vectors_follow_what_is_put_dropped_and_asked_for(index: ChunkIndex) -> None:
    for entry in range(30):
        await index.put(STORE, entry, batches(passage(f"{entry}", [1, entry / 100])))
        assert len(await index.nearest(STORE, pack([1, 0]), 50)) == entry + 1
    await index.drop_entry(STORE, 0)
    await index.put(STORE, 1, batches(passage("again", [0, 1])))

    hits = await index.nearest(STORE, pack([1, 0]), 50)
    some = await index.nearest(STORE, pack([1, 0]), 50, {3, 5, 700})

    assert [hit.entry for hit in hits] == list(range(2, 30))
    assert [hit.entry for hit in some] == [3, 5]
    assert not await index.nearest("vs_unknown", pack([1, 0]), 5)
    assert list(await index.nearest(STORE, Vector(MODEL, b""), 5)) == []


@with_vectors
async def test_vectors_of_two_models_are_found_by_their_own(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches(passage("new", [0, 1]), passage("old", [0, 1], "model-two")))
    for model, text in [(MODEL, "new"), ("model-two", "old"), (MODEL, "new")]:
        hits = await index.nearest(STORE, pack([0, 1], model), 5)
        assert [hit.chunk.text for hit in hits] == [text]


@with_vectors
async def test_entries_without_vectors_of_a_model_are_known(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches(passage("all", [0, 1]), passage("of it", [1, 0])))
    await index.put(STORE, 2, batches(passage("a part", [0, 1]), "and a part without"))
    await index.put(STORE, 3, batches(passage("of another model", [0, 1], "model-two")))
    await index.put(STORE, 4, batches())
    await index.put(STORE, 5, batches("without"))

    assert list(await index.entries_without_vectors(STORE, MODEL)) == [2, 3, 5]
    assert list(await index.entries_without_vectors(STORE, "model-two")) == [1, 2, 5]
    assert list(await index.entries_without_vectors("vs_unknown", MODEL)) == []


async def test_a_term_may_hold_what_means_something_to_the_database(index: ChunkIndex) -> None:
    await index.put(STORE, 1, batches("a word"))
    for term in ['word"', '"', '" OR "word', "word* OR x", "NEAR(word)"]:
        assert list(await index.search(STORE, ["word", term], 5)) != []


async def test_many_passages_of_many_entries_are_all_found(index: ChunkIndex) -> None:
    """Enough writings for what was written to be put in order several times."""
    for entry in range(150):
        await index.put(STORE, entry, batches(f"all of it number{entry}", f"unique{entry}"))
    for entry in range(0, 150, 3):
        await index.drop_entry(STORE, entry)

    for entry in range(150):
        gone = entry % 3 == 0
        assert await found(index, f"unique{entry} number{entry}") == ([] if gone else [entry] * 2)

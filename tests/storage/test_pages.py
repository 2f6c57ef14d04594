"""Lists: keyset pages by (created_at, sequence)."""

from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json

from understudy.ids import new_id
from understudy.storage.base import Storage
from understudy.storage.changes import Delete, Insert
from understudy.storage.records import Scope, Slice, UnknownCursor

from .rows import ACME, NOW, OTHER, ids, message_row, plain_row, thread_row, within

NAMES = "abcdefgh"


async def make(storage: Storage, *times: int) -> None:
    """Write assistants a, b, c ... with these times."""
    rows = zip(NAMES, times, strict=False)
    await storage.write(*(plain_row("assistant", name, NOW + time) for name, time in rows))


async def listed(storage: Storage, **part: object) -> tuple[str, bool]:
    """Return the names of a page, and whether there is more."""
    page = await storage.page("assistant", within(None), Slice(**part))  # type: ignore[arg-type]
    return "".join(ids(page)), page.has_more


async def test_an_empty_list_has_nothing_more(storage: Storage) -> None:
    """LIST-01, STEP-14."""
    assert await listed(storage) == ("", False)


async def test_the_newest_come_first_unless_asked_otherwise(storage: Storage) -> None:
    """LIST-02: also when they were written in another order."""
    await make(storage, 3, 1, 2)
    assert await listed(storage) == ("acb", False)
    assert await listed(storage, order="asc") == ("bca", False)


async def test_ties_stand_in_the_order_of_insertion(storage: Storage) -> None:
    """LIST-03."""
    await make(storage, 0, 0, 0, 0)
    assert await listed(storage, order="asc") == ("abcd", False)
    assert await listed(storage, order="desc") == ("dcba", False)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"limit": 4}, ("abcd", True)),
        ({"limit": 8}, ("abcdefgh", False)),
        ({"limit": 3, "after": "c"}, ("def", True)),
        ({"limit": 5, "after": "c"}, ("defgh", False)),
        ({"after": "h"}, ("", False)),
        ({"before": "c"}, ("ab", False)),
        ({"limit": 2, "before": "e"}, ("cd", True)),
        ({"limit": 4, "before": "e"}, ("abcd", False)),
        ({"before": "a"}, ("", False)),
        ({"after": "b", "before": "f"}, ("cde", False)),
        ({"limit": 2, "after": "b", "before": "f"}, ("cd", True)),
        ({"after": "f", "before": "b"}, ("", False)),
        ({"after": "c", "before": "c"}, ("", False)),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_begin_and_end_where_they_are_asked_to(
    storage: Storage,
    order: Literal["asc", "desc"],
    part: dict[str, object],
    expected: tuple[str, bool],
) -> None:
    """LIST-04, LIST-05 (the nearest before), LIST-06 (both), LIST-07 (after the last: empty)."""
    times = [0, 0, 1, 1, 1, 2, 2, 3]
    await make(storage, *times)
    if order == "asc":
        assert await listed(storage, order="asc", **part) == expected
        return
    # The same list, mirrored: what is h there is a here.
    mirror = dict(zip(NAMES, reversed(NAMES), strict=True))
    turned = {key: mirror.get(str(value), value) for key, value in part.items()}
    names, more = await listed(storage, order="desc", **turned)
    assert ("".join(mirror[name] for name in names), more) == expected


@pytest.mark.parametrize("cursor", ["after", "before"])
async def test_a_cursor_that_never_was_is_refused(storage: Storage, cursor: str) -> None:
    """LIST-08."""
    await make(storage, 0, 1)
    with pytest.raises(UnknownCursor) as refused:
        await listed(storage, **{cursor: "z"})
    assert refused.value.object_id == "z"


async def test_a_cursor_of_another_project_never_was(storage: Storage) -> None:
    await storage.write(plain_row("assistant", "x", NOW, project_id=OTHER))
    with pytest.raises(UnknownCursor):
        await listed(storage, after="x")


async def test_a_deleted_object_keeps_its_place(storage: Storage) -> None:
    """LIST-08: loops that delete what they list go on behind it."""
    await make(storage, 0, 1, 2, 3)
    await storage.write(Delete(kind="assistant", project_id=ACME, id="b", now=NOW))
    assert await listed(storage, order="asc", after="b") == ("cd", False)
    assert await listed(storage, order="asc", before="b") == ("a", False)
    assert await listed(storage, order="asc") == ("acd", False)


async def test_a_loop_that_deletes_each_comes_to_an_end(storage: Storage) -> None:
    """LIST-07, LIST-08."""
    await make(storage, *range(8))
    seen, after = "", None
    for _ in range(8):
        names, more = await listed(storage, limit=3, after=after)
        for name in names:
            await storage.write(Delete(kind="assistant", project_id=ACME, id=name, now=NOW))
        seen += names
        after = names[-1]
        if not more:
            break
    assert seen == NAMES[::-1]
    assert await listed(storage, after=after) == ("", False)


async def test_messages_are_listed_by_thread_and_run(storage: Storage) -> None:
    """LIST-09."""
    await storage.write(thread_row("thread_1"), message_row("msg_1"))
    await storage.write(
        plain_row("message", "msg_2", NOW, thread_id="thread_1", run_id="run_1"),
        plain_row("message", "msg_3", NOW, thread_id="thread_2", run_id="run_1"),
    )
    assert ids(await storage.page("message", within(), Slice(order="asc"))) == ["msg_1", "msg_2"]
    assert ids(await storage.page("message", within(run_id="run_1"), Slice())) == ["msg_2"]


def tagged(thread_id: str, **metadata: str) -> Insert:
    return thread_row(thread_id, metadata=metadata)


def with_metadata(**metadata: str) -> Scope:
    return Scope(project_id=ACME, metadata=metadata)


async def test_threads_are_found_by_metadata(storage: Storage) -> None:
    """Ours: every pair has to be there."""
    await storage.write(tagged("thread_1", user="ann", tier="x"), tagged("thread_2", user="ann"))
    await storage.write(tagged("thread_3", user="bob"), tagged("thread_4"))
    assert ids(await storage.page("thread", with_metadata(user="ann"), Slice())) == [
        "thread_2",
        "thread_1",
    ]
    both = with_metadata(user="ann", tier="x")
    assert ids(await storage.page("thread", both, Slice())) == ["thread_1"]
    page = await storage.page("thread", with_metadata(user="ann"), Slice(limit=1))
    assert page.has_more


@pytest.mark.parametrize("text", ["a.b", 'quo"te', "it's", "$[0]", "né🙂", "back\\slash", "", "%_"])
async def test_metadata_may_contain_anything(storage: Storage, text: str) -> None:
    await storage.write(tagged("thread_1", **{text: text}), tagged("thread_2", other=text))
    found = await storage.page("thread", with_metadata(**{text: text}), Slice())
    assert ids(found) == ["thread_1"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
async def test_pages_joined_are_the_whole_list(storage: Storage, data: st.DataObject) -> None:
    """LIST-04: whatever the limit, the order, the ties and the holes."""
    prefix = new_id("proj")  # a project of its own for each example
    scope = Scope(project_id=prefix)
    times = data.draw(st.lists(st.integers(0, 3), max_size=12))
    rows = [
        plain_row("assistant", f"{prefix}{number}", NOW + time, project_id=prefix)
        for number, time in enumerate(times)
    ]
    if rows:
        await storage.write(*rows)
    for row in data.draw(st.lists(st.sampled_from(rows), unique=True)) if rows else []:
        await storage.write(Delete(kind="assistant", project_id=prefix, id=row.id, now=NOW))
    order: Literal["asc", "desc"] = data.draw(st.sampled_from(["asc", "desc"]))
    limit = data.draw(st.integers(1, 5))
    whole = ids(await storage.page("assistant", scope, Slice(limit=100, order=order)))
    joined: list[str] = []
    for _ in range(len(rows) + 1):
        after = joined[-1] if joined else None
        page = await storage.page("assistant", scope, Slice(limit=limit, order=order, after=after))
        joined += ids(page)
        if not page.has_more:
            break
    assert joined == whole
    backwards: list[str] = []
    for _ in range(len(rows) + 1):
        if not joined:
            break
        before = backwards[0] if backwards else joined[-1]
        page = await storage.page(
            "assistant", scope, Slice(limit=limit, order=order, before=before)
        )
        backwards = ids(page) + backwards
        if not page.has_more:
            break
    assert backwards == whole[:-1]


async def test_bodies_of_a_page_are_those_of_the_objects(storage: Storage) -> None:
    """LIST-12."""
    await make(storage, 0, 1)
    page = await storage.page("assistant", within(None), Slice())
    assert [json.decode(row.body)["id"] for row in page.rows] == ["b", "a"]

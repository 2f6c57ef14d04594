"""Lists and their cursors (contract section 4)."""

import json
from typing import Any

import pytest

from .client import JSON, Client, Error

ENVELOPE = ["object", "data", "first_id", "last_id", "has_more"]


async def ids(client: Client, path: str) -> list[str]:
    return [one["id"] for one in (await client.get(path))["data"]]


async def made(client: Client, count: int) -> list[str]:
    """Create assistants in one go, and return their ids in the order of creation."""
    return [(await client.assistant(name=str(n)))["id"] for n in range(count)]


async def four_lists(client: Client) -> dict[str, list[str]]:
    """Return a list of each kind by its path, with three items each, oldest first."""
    assistants = await made(client, 3)
    thread = await client.thread("one", "two", "three")
    base = f"/threads/{thread['id']}"
    runs: list[str] = []
    other = await client.thread("hello")
    for _ in range(3):
        run = await client.settled(await client.run(other["id"], assistants[0]))
        runs.append(run["id"])
    files = [(await client.upload(b"x", f"{n}.txt"))["id"] for n in range(3)]
    messages = [m["id"] for m in await client.listed(f"{base}/messages?order=asc")]
    return {
        "/assistants": assistants,
        f"{base}/messages": messages,
        f"/threads/{other['id']}/runs": runs,
        "/files": files,
    }


async def test_the_envelope_and_its_order(either: Client) -> None:
    """LIST-01, GEN-05: object, data, first_id, last_id, has_more; ids of the ends."""
    for path, oldest_first in (await four_lists(either)).items():
        page = await either.get(path)
        assert list(page) == ENVELOPE
        assert page["object"] == "list"
        newest_first = oldest_first[::-1]
        assert [one["id"] for one in page["data"]] == newest_first
        assert (page["first_id"], page["last_id"]) == (newest_first[0], newest_first[-1])
        assert page["has_more"] is False


@pytest.mark.parametrize(
    "path", ["/assistants", "/files", "/threads/{}/messages", "/threads/{}/runs"]
)
async def test_an_empty_list_has_null_ids(either: Client, path: str) -> None:
    """LIST-01: data [], first_id null, last_id null, has_more false."""
    thread = await either.thread()
    page = await either.get(path.format(thread["id"]))
    assert page == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_a_page_has_twenty_items_newest_first(either: Client) -> None:
    """LIST-02: limit 20 and order desc by default."""
    all_ids = await made(either, 22)
    page = await either.get("/assistants")
    assert [one["id"] for one in page["data"]] == all_ids[:1:-1]
    assert page["has_more"] is True
    assert await ids(either, "/assistants?limit=100&order=asc") == all_ids


@pytest.mark.parametrize("path", ["/assistants", "/threads/{}/messages", "/threads/{}/runs"])
@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            "limit=0",
            Error(
                400,
                "Invalid 'limit': integer below minimum value. Expected a value >= 1, "
                "but got 0 instead.",
                param="limit",
                code="integer_below_min_value",
            ),
        ),
        (
            "limit=101",
            Error(
                400,
                "Invalid 'limit': integer above maximum value. Expected a value <= 100, "
                "but got 101 instead.",
                param="limit",
                code="integer_above_max_value",
            ),
        ),
        (
            "limit=ten",
            Error(
                400,
                "Invalid type for 'limit': expected an integer, but got a string instead.",
                param="limit",
                code="invalid_type",
            ),
        ),
        (
            "order=random",
            Error(
                400,
                "Invalid value: 'random'. Supported values are: 'asc' and 'desc'.",
                param="order",
                code="invalid_value",
            ),
        ),
    ],
)
async def test_limit_and_order_are_checked(
    either: Client, path: str, query: str, error: Error
) -> None:
    """LIST-02, ERR-29, ERR-23: limit 1 to 100, order asc or desc."""
    thread = await either.thread()
    assert await either.refused("GET", f"{path.format(thread['id'])}?{query}") == error


@pytest.mark.parametrize("limit", ["-1", "1.5", "", "1e3", "9" * 5000, "%00", "%D9%A3"])
async def test_a_strange_limit_is_refused(v2: Client, limit: str) -> None:
    """LIST-02: whatever is no integer from 1 to 100 is a 400."""
    error = await v2.refused("GET", f"/assistants?limit={limit}")
    assert (error.status, error.param) == (400, "limit")


async def test_items_of_one_second_keep_their_order(either: Client) -> None:
    """LIST-03: ties in created_at are broken by insertion order, in both directions."""
    messages = [{"role": "user", "content": str(n)} for n in range(5)]
    thread = await either.post("/threads", {"messages": messages})
    path = f"/threads/{thread['id']}/messages"
    up, down = await either.listed(f"{path}?order=asc"), await either.listed(path)
    assert len({one["created_at"] for one in up}) == 1, "made by one request"
    assert [one["content"][0]["text"]["value"] for one in up] == ["0", "1", "2", "3", "4"]
    assert down == up[::-1]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_after_walks_a_list_without_gaps(v2: Client, order: str, limit: int) -> None:
    """LIST-04, LIST-07: each item once; has_more is exact; then comes an empty page."""
    all_ids = await made(v2, 5)
    wanted = all_ids if order == "asc" else all_ids[::-1]
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = await v2.get(f"/assistants?order={order}&limit={limit}{cursor}")
        seen += [one["id"] for one in page["data"]]
        assert page["has_more"] is (len(seen) < 5)
        if not page["data"]:
            break
        cursor = f"&after={page['last_id']}"
    assert seen == wanted
    assert (page["data"], page["first_id"], page["last_id"]) == ([], None, None)


async def test_after_the_last_item_there_is_an_empty_page(either: Client) -> None:
    """LIST-07: openai 1.20.0 asks on until data is empty, in every list."""
    for path, oldest_first in (await four_lists(either)).items():
        page = await either.get(f"{path}?after={oldest_first[0]}")
        assert (page["data"], page["has_more"]) == ([], False)


async def test_before_gives_what_stands_before_in_the_same_order(either: Client) -> None:
    """LIST-05: order=asc and before=3rd is [1st, 2nd] and has_more false."""
    for path, (first, second, third) in (await four_lists(either)).items():
        if path == "/files":
            continue
        page = await either.get(f"{path}?order=asc&before={third}")
        assert [one["id"] for one in page["data"]] == [first, second]
        assert page["has_more"] is False
        assert await ids(either, f"{path}?before={first}") == [third, second]


async def test_before_with_a_limit_takes_the_nearest_items(v2: Client) -> None:
    """LIST-05: the previous page; has_more says that there are items still further away."""
    one, two, three, four, _ = await made(v2, 5)
    page = await v2.get(f"/assistants?order=asc&limit=2&before={four}")
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([two, three], True)
    page = await v2.get(f"/assistants?order=asc&limit=2&before={three}")
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([one, two], False)


async def test_after_and_before_together_are_a_window(either: Client) -> None:
    """LIST-06: both constraints apply, in both orders."""
    one, two, three, four, five = await made(either, 5)
    assert await ids(either, f"/assistants?order=asc&after={one}&before={five}") == [
        two,
        three,
        four,
    ]
    assert await ids(either, f"/assistants?after={five}&before={two}") == [four, three]
    page = await either.get(f"/assistants?order=asc&limit=1&after={one}&before={four}")
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([two], True)
    assert await ids(either, f"/assistants?order=asc&after={four}&before={two}") == []


async def test_a_loop_that_deletes_what_it_lists_comes_to_its_end(v2: Client) -> None:
    """LIST-08: after=<deleted id> goes on behind where the object stood."""
    await made(v2, 5)
    page = await v2.get("/assistants?limit=2")
    for _ in range(5):
        for item in page["data"]:
            await v2.delete(f"/assistants/{item['id']}")
        if not page["data"]:
            break
        page = await v2.get(f"/assistants?limit=2&after={page['last_id']}")
    assert await v2.listed("/assistants") == []


async def test_deleted_cursors_work_in_every_list(v2: Client) -> None:
    """LIST-08: messages and files, too."""
    lists = await four_lists(v2)
    for path, (first, second, third) in lists.items():
        if path.endswith("/runs"):
            continue
        await v2.delete(f"{path}/{second}")
        assert await ids(v2, f"{path}?order=asc&after={second}") == [third]
        if path != "/files":
            assert await ids(v2, f"{path}?order=asc&before={second}") == [first]


@pytest.mark.parametrize(
    ("path", "cursor", "noun"),
    [
        ("/assistants", "asst_none", "assistant"),
        ("/threads/{}/messages", "msg_none", "message"),
        ("/threads/{}/runs", "run_none", "run"),
    ],
)
@pytest.mark.parametrize("name", ["after", "before"])
async def test_a_cursor_that_never_was_is_not_found(
    either: Client, path: str, cursor: str, noun: str, name: str
) -> None:
    """LIST-08, ERR-40: 404 in the words of the listed type."""
    full = path.format((await either.thread())["id"])
    error = await either.refused("GET", f"{full}?{name}={cursor}")
    assert error == Error(404, f"No {noun} found with id '{cursor}'.")


async def test_a_file_cursor_that_never_was_is_not_found(either: Client) -> None:
    """LIST-08, ERR-42: files have their own words."""
    error = await either.refused("GET", "/files?after=file-none")
    assert error == Error(404, "No such File object: file-none", param="id")


async def test_a_cursor_of_another_project_is_unknown(v2: Client, stranger: Client) -> None:
    """LIST-08, GEN-18: a cursor does not tell that an object exists elsewhere."""
    (theirs,) = await made(stranger, 1)
    error = await v2.refused("GET", f"/assistants?after={theirs}")
    assert error == Error(404, f"No assistant found with id '{theirs}'.")


async def test_messages_can_be_those_of_one_run(either: Client) -> None:
    """LIST-09: run_id is an exact filter, in both eras, and pages like any list."""
    first = await either.turn("one")
    base = f"/threads/{first['thread_id']}"
    await either.say(first["thread_id"], "two")
    second = await either.settled(await either.run(first["thread_id"], first["assistant_id"]))
    for run in (first, second):
        (message,) = await either.listed(f"{base}/messages?run_id={run['id']}")
        assert message["run_id"] == run["id"]
    assert len(await either.listed(f"{base}/messages")) == 4
    page = await either.get(f"{base}/messages?run_id={first['id']}&limit=1")
    assert page["has_more"] is False
    assert await either.listed(f"{base}/messages?run_id=run_none") == []


async def test_files_can_be_those_of_one_purpose(either: Client) -> None:
    """LIST-11: purpose filters; the envelope is whole in v1, too."""
    mine = await either.upload(purpose="assistants")
    seen = await either.upload(purpose="vision")
    page = await either.get("/files?purpose=vision")
    assert list(page) == ENVELOPE
    assert page["data"] == [seen]
    assert await ids(either, "/files?purpose=assistants") == [mine["id"]]
    assert await ids(either, "/files?purpose=batch") == []


async def test_files_are_listed_by_the_ten_thousand(v2: Client) -> None:
    """LIST-11: limit 1 to 10000 with that as default; order and after; before has no effect."""
    files = [(await v2.upload(b"x", f"{n}.txt"))["id"] for n in range(21)]
    page = await v2.get("/files")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (files[::-1], False)
    assert await ids(v2, "/files?limit=10000&order=asc") == files
    page = await v2.get(f"/files?order=asc&limit=2&after={files[3]}")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (files[4:6], True)
    for limit, code in (("0", "integer_below_min_value"), ("10001", "integer_above_max_value")):
        error = await v2.refused("GET", f"/files?limit={limit}")
        assert (error.param, error.code) == ("limit", code)


async def test_items_are_what_retrieve_gives(either: Client) -> None:
    """LIST-12: full objects, identical to retrieve down to the order of their keys."""
    for path in await four_lists(either):
        for item in (await either.get(path))["data"]:
            alone = await either.get(f"{path}/{item['id']}")
            assert json.dumps(item) == json.dumps(alone)


async def test_a_list_does_not_leak_into_another(v2: Client) -> None:
    """LIST-12: messages and runs are those of the thread in the path."""
    first, second = await v2.turn("one"), await v2.turn("two")
    for run in (first, second):
        base = f"/threads/{run['thread_id']}"
        assert await ids(v2, f"{base}/runs") == [run["id"]]
        messages: list[Any] = await v2.listed(f"{base}/messages")
        assert {one["thread_id"] for one in messages} == {run["thread_id"]}


@pytest.mark.parametrize("query", ["after=", "before=", "surprise=1", "after=&limit=5&x"])
async def test_empty_and_unknown_parameters_are_ignored(v2: Client, query: str) -> None:
    """LIST-04: an empty cursor is none; a list takes parameters that it does not know."""
    all_ids: list[str] = await made(v2, 2)
    answer: JSON = await v2.get(f"/assistants?order=asc&{query}")
    assert [one["id"] for one in answer["data"]] == all_ids

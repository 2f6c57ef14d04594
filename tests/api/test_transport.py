"""Transport: paths, bodies, headers and versions (contract section 1)."""

import json
import re

import pytest

from .client import Client
from .conftest import Build, House

HANGS = "rules: [{hang: true}]"


async def test_everything_stands_below_v1_and_speaks_json(v2: Client) -> None:
    """GEN-01, ERR-32: the base path is /v1; what stands elsewhere is unknown."""
    answer = await v2.send("POST", "/threads", {})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    elsewhere = await v2.send("POST", "/threads", {}, prefix="")
    assert (elsewhere.status, elsewhere.error.message) == (404, "Invalid URL (POST /threads)")


@pytest.mark.parametrize("prefix", ["/openai", "/openai/v1"])
async def test_the_doors_of_azure_lead_to_the_same_objects(v2: Client, prefix: str) -> None:
    """GEN-01: Azure's base paths hold the same objects; api-version is ignored."""
    thread = await v2.post("/threads?api-version=2024-05-01-preview", {}, prefix=prefix)
    assert await v2.get(f"/threads/{thread['id']}") == thread


async def test_stream_data_is_one_compact_line_whatever_the_text_holds(build: Build) -> None:
    """GEN-02: an SSE data line has no raw newline, also when the model's text has some."""
    text = "one\ntwo\r\nthree\u2028four\x0bfive"
    house = await build(f"rules: [{{say: [{json.dumps(text)}]}}]")
    client = house.client()
    assistant = await client.assistant()
    body = {"assistant_id": assistant["id"], "thread": {"messages": []}, "instructions": "Go."}
    answer = await client.send("POST", "/threads/runs", {**body, "stream": True})
    frames = answer.body.decode().removesuffix("\n\n").split("\n\n")
    for frame in frames:
        assert re.fullmatch(r"event: [a-z._]+(\nid: \d+-\d+)?\ndata: [^\r\n]+", frame), frame
    deltas = [
        json.loads(frame.partition("data: ")[2])
        for frame in frames
        if frame.startswith("event: thread.message.delta")
    ]
    assert "".join(one["delta"]["content"][0]["text"]["value"] for one in deltas) == text
    assert all(json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in deltas)
    assert not any('": ' in frame for frame in frames)


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_an_empty_body_is_an_empty_object(either: Client, body: bytes) -> None:
    """GEN-03: POST /threads takes no body at all, {}, and no Content-Type."""
    first = await either.send("POST", "/threads", body)
    assert (first.status, first.json["metadata"]) == (200, {})
    path = f"/threads/{first.json['id']}"
    assert await either.post(path, body) == await either.get(path)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "?"])
async def test_the_content_type_of_json_does_not_matter(v2: Client, content_type: str) -> None:
    """GEN-03: a body is JSON whatever its Content-Type says; on a GET it is ignored (D-14)."""
    headers = {"Content-Type": content_type}
    thread = await v2.post("/threads", {"metadata": {"a": "b"}}, headers=headers)
    assert thread["metadata"] == {"a": "b"}
    assert await v2.get(f"/threads/{thread['id']}", headers=headers) == thread


async def test_a_missing_body_where_something_is_required_is_a_missing_parameter(
    either: Client,
) -> None:
    """GEN-03, ERR-20: no body is {}, so the first required parameter is missed."""
    error = await either.refused("POST", "/assistants")
    assert (error.status, error.param) == (400, "model")
    assert error.message == "Missing required parameter: 'model'."
    assert error.code == "missing_required_parameter"


async def test_times_are_whole_seconds_and_floats_have_a_point(v2: Client) -> None:
    """GEN-04: timestamps are integers; temperature and top_p print as 1.0 even if sent as 1."""
    answer = await v2.send(
        "POST",
        "/assistants",
        {"model": "scripted", "temperature": 1, "top_p": 1, "tools": [{"type": "file_search"}]},
    )
    assert type(answer.json["created_at"]) is int
    assert b'"temperature":1.0' in answer.body
    assert b'"top_p":1.0' in answer.body
    assert b'"score_threshold":0.0' in answer.body
    assert abs(answer.json["created_at"] - (await v2.thread())["created_at"]) <= 60


async def test_unset_fields_are_null_and_not_absent(v2: Client) -> None:
    """GEN-06: optional fields that nobody set are there, and null."""
    assistant = await v2.assistant()
    assert [key for key, value in assistant.items() if value is None] == [
        "name",
        "description",
        "instructions",
        "reasoning_effort",
    ]


async def test_every_answer_has_the_headers_of_the_hosted_api(house: House) -> None:
    """GEN-07, GEN-08: version, organization, project, time taken, request id, nosniff."""
    client = house.client()
    for answer in (
        await client.send("POST", "/threads", {}),
        await client.send("GET", "/threads/thread_none"),
        await client.send("GET", "/nowhere"),
    ):
        assert answer.headers["openai-version"] == "2020-10-01"
        assert answer.headers["openai-organization"]
        assert re.fullmatch(r"proj_[A-Za-z0-9]{24}", answer.headers["openai-project"])
        assert re.fullmatch(r"\d+", answer.headers["openai-processing-ms"])
        assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_each_request_has_an_id_of_its_own(v2: Client) -> None:
    """GEN-08: request ids do not repeat."""
    ids = {(await v2.send("GET", "/models")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_no_rate_limit_headers_are_made_up(house: House) -> None:
    """GEN-09: no x-ratelimit-* anywhere; a 401 names no organization."""
    client = house.client()
    for answer in (await client.send("POST", "/threads", {}), await client.send("GET", "/files")):
        assert not [name for name in answer.headers if name.lower().startswith("x-ratelimit")]
    refused = await house.anonymous().send("GET", "/files")
    assert refused.status == 401
    assert "openai-organization" not in refused.headers


@pytest.mark.parametrize("at_most", [1, 300])
async def test_run_gets_say_when_to_poll_again(build: Build, at_most: int) -> None:
    """GEN-10: GET of a run carries openai-poll-after-ms, up to the setting; other GETs do not."""
    client = (await build(poll_after_ms=at_most)).client()
    run = await client.turn("hello")
    answer = await client.send("GET", f"/threads/{run['thread_id']}/runs/{run['id']}")
    assert 1 <= int(answer.headers["openai-poll-after-ms"]) <= at_most
    other = await client.send("GET", f"/threads/{run['thread_id']}")
    assert "openai-poll-after-ms" not in other.headers


async def test_headers_of_the_sdks_are_tolerated(either: Client) -> None:
    """GEN-11: X-Stainless-*, organization, project, retry count: accepted and without effect."""
    headers = {
        "X-Stainless-Lang": "python",
        "X-Stainless-Poll-Helper": "true",
        "X-Stainless-Custom-Poll-Interval": "500",
        "X-Stainless-Retry-Count": "1",
        "OpenAI-Organization": "org-of-old",
        "OpenAI-Project": "proj_of_old",
    }
    thread = await either.post("/threads", {}, headers=headers)
    assert await either.get(f"/threads/{thread['id']}", headers=headers) == thread


@pytest.mark.parametrize("spelling", ["include[]={}", "include={}", "include%5B%5D={}"])
async def test_query_arrays_have_two_spellings(v2: Client, spelling: str) -> None:
    """GEN-12: include[]=a and include=a; an unknown value is refused in both (STEP-13)."""
    run = await v2.turn("hello")
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/steps?"
    known = "step_details.tool_calls%5B*%5D.file_search.results%5B*%5D.content"
    assert len(await v2.listed(path + spelling.format(known))) == 1
    error = await v2.refused("GET", path + spelling.format("everything"))
    assert (error.status, error.param, error.code) == (400, "include", "invalid_value")


async def test_query_arrays_may_be_repeated_or_joined_by_commas(v2: Client) -> None:
    """GEN-12: include=a,b and include[]=a&include[]=b name two values, and each is checked."""
    run = await v2.turn("hello")
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/steps?"
    known = "step_details.tool_calls%5B*%5D.file_search.results%5B*%5D.content"
    for query in (f"include={known},{known}", f"include[]={known}&include[]={known}"):
        assert len(await v2.listed(path + query)) == 1
    for query in (f"include={known},other", f"include[]={known}&include[]=other"):
        error = await v2.refused("GET", path + query)
        assert error.message.startswith("Invalid value: 'other'. Supported values are: ")


async def test_a_state_conflict_is_a_400_that_no_sdk_retries(build: Build) -> None:
    """GEN-13, ERR-50, ERR-51: never 409 or 5xx, which SDKs would send again."""
    client = (await build(HANGS)).client()
    assistant, thread = await client.assistant(), await client.thread("hello")
    run = await client.run(thread["id"], assistant["id"])
    message = {"role": "user", "content": "more"}
    locked = await client.refused("POST", f"/threads/{thread['id']}/messages", message)
    assert (locked.status, locked.param, locked.code) == (400, None, None)
    assert (
        locked.message == f"Can't add messages to {thread['id']} while a run {run['id']} is active."
    )
    body = {"assistant_id": assistant["id"]}
    second = await client.refused("POST", f"/threads/{thread['id']}/runs", body)
    assert (second.status, second.param, second.code) == (400, None, None)
    assert second.message == f"Thread {thread['id']} already has an active run {run['id']}."
    assert len(await client.listed(f"/threads/{thread['id']}/messages")) == 1
    assert len(await client.listed(f"/threads/{thread['id']}/runs")) == 1


@pytest.mark.parametrize(
    ("header", "is_v1"),
    [
        ("assistants=v1", True),
        ("assistants=v2", False),
        ("realtime=v1, assistants=v2", False),
        ("assistants=v1,other=v2", True),
        (" assistants=v1 ", True),
    ],
)
async def test_the_beta_header_chooses_the_view(house: House, header: str, is_v1: bool) -> None:  # noqa: FBT001
    """GEN-14: the assistants= item of the list decides, for each request anew."""
    client = house.client(None)
    assistant = await house.client("v2").assistant()
    seen = await client.get(f"/assistants/{assistant['id']}", headers={"OpenAI-Beta": header})
    assert ("file_ids" in seen) is is_v1
    assert ("tool_resources" in seen) is not is_v1


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_files_and_models_need_no_beta_header(house: House, era: None) -> None:
    """GEN-15: /files and /models answer the same with and without OpenAI-Beta."""
    client = house.client(era)
    file = await client.upload()
    assert await client.get(f"/files/{file['id']}") == file
    assert [one["id"] for one in await client.listed("/files")] == [file["id"]]
    assert {one["id"] for one in (await client.get("/models"))["data"]} == {"demo", "scripted"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/assistants"),
        ("POST", "/assistants"),
        ("POST", "/threads"),
        ("GET", "/threads/thread_a"),
        ("GET", "/threads/thread_a/messages"),
        ("POST", "/threads/thread_a/runs"),
        ("GET", "/threads/thread_a/runs/run_a/steps"),
    ],
)
@pytest.mark.parametrize("header", [None, "assistants=v3", "realtime=v1", ""])
async def test_assistants_and_threads_need_a_beta_header(
    house: House, method: str, path: str, header: str | None
) -> None:
    """GEN-16, ERR-10, ERR-12: without a version that we know, the v2 text and invalid_beta."""
    headers = {} if header is None else {"OpenAI-Beta": header}
    error = await house.client(None).refused(method, path, headers=headers)
    assert (error.status, error.param, error.code) == (400, None, "invalid_beta")
    assert error.message == (
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again "
        "by setting the header 'OpenAI-Beta: assistants=v2'."
    )


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_default_version_can_be_configured(build: Build, era: str) -> None:
    """GEN-16 (D-15): with default_beta, a request without the header speaks that version."""
    client = (await build(default_beta=era)).client(None)
    assert ("file_ids" in await client.assistant()) is (era == "v1")


async def test_every_key_of_a_project_sees_its_objects(house: House, stranger: Client) -> None:
    """GEN-18: objects belong to the project, not to the key; other projects see none."""
    first, second = house.client(), house.client(key=await house.new_key())
    thread, assistant = await first.thread("hi"), await first.assistant()
    assert await second.get(f"/threads/{thread['id']}") == thread
    assert await second.listed("/assistants") == [assistant]
    assert await stranger.listed("/assistants") == []
    assert await stranger.listed("/threads") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/threads//messages"),
        ("GET", "/threads//messages"),
        ("GET", "/assistants//"),
        ("GET", "/threads/"),
        ("POST", "/threads/thread_a/runs//cancel"),
        ("DELETE", "/files/"),
    ],
)
async def test_an_empty_id_in_a_path_is_an_unknown_url(
    either: Client, method: str, path: str
) -> None:
    """GEN-19, ERR-32: an empty id is not routed to some other operation."""
    error = await either.refused(method, path, {"role": "user", "content": "hi"})
    assert (error.status, error.message) == (404, f"Invalid URL ({method} /v1{path})")

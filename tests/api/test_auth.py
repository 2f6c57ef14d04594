"""Authentication (contract section 2)."""

from base64 import b64encode

import pytest

from understudy.operations import keys

from .client import Client
from .conftest import Build, House

NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank "
    "username) if you're accessing the API from your browser and are prompted for a username and "
    "password. You can obtain an API key from https://platform.openai.com/account/api-keys."
)


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


async def test_a_wrong_key_is_refused_and_shown_masked(house: House) -> None:
    """AUTH-01: 401, the key with only its first 8 and last 4 characters, WWW-Authenticate."""
    wrong = "sk-abcdefghijklmnopqrstuvwxyz"
    answer = await house.client(key=wrong).send("GET", "/assistants")
    assert answer.status == 401
    assert answer.error.type == "invalid_request_error"
    assert (answer.error.param, answer.error.code) == (None, "invalid_api_key")
    assert answer.error.message == (
        f"Incorrect API key provided: sk-abcde{'*' * 17}wxyz. You can find your API key at "
        "https://platform.openai.com/account/api-keys."
    )
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="OpenAI API"'


@pytest.mark.parametrize("wrong", ["XYZ", "sk-12345", "sk-123456789"])
async def test_a_short_key_is_not_shown_at_all(house: House, wrong: str) -> None:
    """AUTH-01: masking never shows a whole key."""
    error = await house.client(key=wrong).refused("GET", "/assistants")
    assert error.status == 401
    assert wrong not in error.message


async def test_a_key_of_strange_bytes_is_just_wrong(house: House) -> None:
    """AUTH-01: what is no ASCII is a wrong key and no error of ours."""
    error = await house.anonymous(Authorization="Bearer schlüssel-ä").refused("GET", "/files")
    assert (error.status, error.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic !!!"},
        {"Authorization": basic("user", "")},
        {"api-key": ""},
    ],
)
async def test_no_key_is_told_where_to_put_one(house: House, headers: dict[str, str]) -> None:
    """AUTH-02: 401, the long text, code null."""
    error = await house.anonymous(**headers).refused("POST", "/threads", {})
    assert (error.status, error.message) == (401, NO_KEY)
    assert (error.type, error.param, error.code) == ("invalid_request_error", None, None)


@pytest.mark.parametrize("user", ["", "someone"])
async def test_the_key_may_be_the_password_of_basic_auth(house: House, user: str) -> None:
    """AUTH-03: curl -u :$KEY works, whatever the user name."""
    client = house.anonymous(Authorization=basic(user, house.key))
    assert (await client.post("/threads", {}))["object"] == "thread"
    wrong = house.anonymous(Authorization=basic(user, "sk-wrong-key-of-mine"))
    assert (await wrong.refused("GET", "/assistants")).code == "invalid_api_key"


@pytest.mark.parametrize("name", ["api-key", "Api-Key"])
async def test_the_key_may_stand_in_the_header_of_azure(house: House, name: str) -> None:
    """AUTH-03: the third spelling, which Azure's clients use."""
    client = house.anonymous(**{name: house.key})
    assert (await client.post("/threads", {}))["object"] == "thread"


async def test_the_scheme_may_be_spelled_in_any_case(house: House) -> None:
    """AUTH-03: bearer, Bearer and BEARER are one scheme."""
    for scheme in ("bearer", "BEARER"):
        client = house.anonymous(Authorization=f"{scheme} {house.key}")
        assert await client.listed("/assistants") == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"OpenAI-Organization": "org-any"},
        {"OpenAI-Project": "proj_any"},
        {"OpenAI-Organization": "org-any", "OpenAI-Project": "proj_any"},
    ],
)
async def test_organization_and_project_headers_are_optional(
    house: House, headers: dict[str, str]
) -> None:
    """AUTH-05: without them the key's own project applies, and any value is accepted."""
    thread = await house.client().thread()
    answer = await house.client().send("GET", f"/threads/{thread['id']}", headers=headers)
    assert (answer.status, answer.json) == (200, thread)


async def test_a_revoked_key_is_a_wrong_key(house: House) -> None:
    """AUTH-01: from the moment of its revocation, while the server runs."""
    key = await house.new_key()
    client = house.client(key=key)
    assert await client.listed("/assistants") == []
    assert await keys.revoke(house.ports.storage, key, house.ports.now) == 1
    error = await client.refused("GET", "/assistants")
    assert (error.status, error.code) == (401, "invalid_api_key")


async def test_the_key_is_not_stored(house: House) -> None:
    """AUTH-01: the database holds a hash and a hint, never the key."""
    await house.client().thread("hello")
    folder = house.ports.settings.database_path.parent
    for path in folder.glob("understudy.sqlite3*"):
        assert house.key.encode() not in path.read_bytes()


NOT_JSON = b"{"
NO_MODEL = b"{}"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "start"),
    [
        ("GET", "/nowhere", b"", 404, "Invalid URL"),
        ("PUT", "/assistants", NOT_JSON, 405, "Not allowed to PUT"),
        ("POST", "/assistants", NOT_JSON, 400, "You must provide the 'OpenAI-Beta' header"),
    ],
)
async def test_order_of_checks_before_the_body(
    house: House, method: str, path: str, body: bytes, status: int, start: str
) -> None:
    """AUTH-08: authentication comes before routing, routing before the beta header."""
    error = await house.anonymous(None).refused(method, path, body)
    assert error.status == 401
    error = await house.client(None).refused(method, path, body)
    assert error.status == status
    assert error.message.startswith(start)


async def test_order_of_checks_in_the_body(v2: Client) -> None:
    """AUTH-08: JSON syntax, then schema, then the parent, then what is referenced, then state."""
    path = "/threads/thread_none/messages"
    not_json = await v2.refused("POST", path, NOT_JSON)
    assert not_json.message.startswith("We could not parse the JSON body")
    schema = await v2.refused("POST", path, {"content": "hi"})
    assert (schema.status, schema.param) == (400, "role")
    unknown_file = {"file_id": "file-none", "tools": [{"type": "code_interpreter"}]}
    message = {"role": "user", "content": "hi", "attachments": [unknown_file]}
    parent = await v2.refused("POST", path, message)
    assert (parent.status, parent.message) == (404, "No thread found with id 'thread_none'.")
    thread = await v2.thread()
    referenced = await v2.refused("POST", f"/threads/{thread['id']}/messages", message)
    assert (referenced.status, referenced.message) == (404, "Files [file-none] were not found")


async def test_what_is_referenced_is_checked_before_the_state(build: Build) -> None:
    """AUTH-08: an unknown file on a locked thread is told of the file."""
    v2 = (await build("rules: [{hang: true}]")).client()
    assistant, thread = await v2.assistant(), await v2.thread("hello")
    await v2.run(thread["id"], assistant["id"])
    unknown_file = {"file_id": "file-none", "tools": [{"type": "code_interpreter"}]}
    message = {"role": "user", "content": "hi", "attachments": [unknown_file]}
    error = await v2.refused("POST", f"/threads/{thread['id']}/messages", message)
    assert error.message == "Files [file-none] were not found"

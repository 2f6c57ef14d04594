"""``understudy keys``."""

import re
from pathlib import Path

from tests.cli.command import serving, understudy


def test_create_prints_the_key_alone(tmp_path: Path) -> None:
    understudy("keys", "create", "--name", "first", "--data-dir", "data", folder=tmp_path)
    made = understudy("keys", "create", "--name", "app", "--data-dir", "data", folder=tmp_path)
    assert made.code == 0
    assert re.fullmatch(r"sk-understudy-[0-9a-f]{48}\n", made.out)
    assert made.err == ""


def test_a_key_for_a_new_folder_says_so_beside_it(tmp_path: Path) -> None:
    """Whoever runs it in another folder than the server's learns why the key opens nothing."""
    made = understudy("keys", "create", "--name", "app", "--data-dir", "data", folder=tmp_path)
    assert re.fullmatch(r"sk-understudy-[0-9a-f]{48}\n", made.out)
    assert str(tmp_path / "data") in made.err


def test_the_list_shows_names_and_hints_but_no_key(tmp_path: Path) -> None:
    data = ("--data-dir", "data")
    key = understudy("keys", "create", "--name", "app", *data, folder=tmp_path).out.strip()
    listed = understudy("keys", "list", *data, folder=tmp_path)
    assert "app" in listed.out
    assert "active" in listed.out
    assert key not in listed.out
    assert understudy("keys", "revoke", "app", *data, folder=tmp_path).code == 0
    assert "revoked" in understudy("keys", "list", *data, folder=tmp_path).out


def test_revoking_an_unknown_key_is_refused(tmp_path: Path) -> None:
    ended = understudy("keys", "revoke", "nobody", "--data-dir", "data", folder=tmp_path)
    ended.refused("no active key 'nobody'")


def test_keys_come_and_go_while_the_server_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        data = ("--data-dir", str(tmp_path / "data"))
        key = understudy("keys", "create", "--name", "app", *data, folder=tmp_path).out.strip()
        assert server.ask("GET", "/v1/assistants", key)[0] == 200
        assert understudy("keys", "revoke", "app", *data, folder=tmp_path).code == 0
        status, answer = server.ask("GET", "/v1/assistants", key)
        assert status == 401
        assert answer["error"]["code"] == "invalid_api_key"
        assert server.ask("GET", "/v1/assistants", server.first_key)[0] == 200


def test_a_key_of_another_project_sees_nothing_of_ours(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = ("keys", "create", "--name", "b", "--project", "other")
        key = understudy(*made, "--data-dir", tmp_path / "data", folder=tmp_path).out.strip()
        thread = server.ask("POST", "/v1/threads", server.first_key, {"metadata": {}})[1]["id"]
        assert server.ask("GET", f"/v1/threads/{thread}", server.first_key)[0] == 200
        assert server.ask("GET", f"/v1/threads/{thread}", key)[0] == 404

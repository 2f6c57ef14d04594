"""``understudy serve``: its banner, what it keeps, and the starts that it refuses."""

import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.cli.command import SECONDS_MAX, serving, understudy


def test_the_banner_tells_everything_and_the_key_works(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert str(tmp_path / "data") in server.banner
        assert "demo" in server.banner
        assert (
            "function: yes · file_search: yes, by words · "
            "code_interpreter: not installed (understudy sandbox install)"
        ) in server.banner
        assert server.ask("GET", "/v1/models", server.first_key)[0] == 200


def test_the_banner_names_the_model_that_searches_by_meaning(tmp_path: Path) -> None:
    upstream = {"UNDERSTUDY_UPSTREAM_URL": "http://127.0.0.1:9/v1"}
    with serving(tmp_path, UNDERSTUDY_EMBEDDING_MODEL="embed", **upstream) as server:
        assert "file_search: yes, by words and by embed" in server.banner


def test_data_and_keys_are_kept_across_restarts_and_the_key_is_shown_once(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        key = first.first_key
        assistant = {"name": "Kept", "model": "demo"}
        made = first.ask("POST", "/v1/assistants", key, assistant)[1]
    with serving(tmp_path) as second:
        assert "sk-understudy-" not in second.banner
        assert second.ask("GET", f"/v1/assistants/{made['id']}", key) == (200, made)


def test_what_the_server_keeps_is_for_its_user_only(tmp_path: Path) -> None:
    with serving(tmp_path):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_puts_its_database_away(tmp_path: Path, stop: signal.Signals) -> None:
    with serving(tmp_path) as server:
        assert server.ask("GET", "/healthz", "none")[0] == 200
        server.process.send_signal(stop)
        assert server.process.wait(SECONDS_MAX) in {0, 128 + signal.SIGINT}
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert "understudy.sqlite3-wal" not in left, "SQLite removes the log when it is closed"


def test_health_needs_no_key(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.ask("GET", "/healthz", "none") == (200, {"status": "ok"})
        ready = {"status": "ok", "parts": {"database": "ok", "files": "ok", "dispatch": "ok"}}
        assert server.ask("GET", "/readyz", "none") == (200, ready)


def test_a_flag_wins_over_its_variable(tmp_path: Path) -> None:
    with serving(tmp_path, UNDERSTUDY_DATA_DIR="ignored") as server:
        assert str(tmp_path / "data") in server.banner
    assert not (tmp_path / "ignored").exists()


def test_a_server_without_a_worker_may_share_the_folder(tmp_path: Path) -> None:
    with serving(tmp_path) as first, serving(tmp_path, UNDERSTUDY_WORKER="false") as second:
        assert second.ask("GET", "/v1/models", first.first_key)[0] == 200


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = understudy("serve", "--port", str(port), folder=tmp_path)
    ended.refused(f"127.0.0.1:{port}", "in use", "--port")


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path):
        again = understudy("serve", "--port", "0", "--data-dir", tmp_path / "data", folder=tmp_path)
    again.refused("Another server is working on", "--data-dir", "--no-worker")


def test_a_public_address_without_keys_is_refused(tmp_path: Path) -> None:
    ended = understudy("serve", "--host", "0.0.0.0", "--port", "0", folder=tmp_path)  # noqa: S104
    ended.refused("no API key", "understudy keys create")


CONFIGS = {
    "no_such_setting = 1": "no_such_setting",
    "log_level = 'loud'": "log_level",
    "port = 1\nport = 2": "not valid TOML",
    '[[upstreams]]\nname = "x"': "needs a base_url",
    '[[upstreams]]\nname = "x"\nbase_url = "nowhere"': "base URL",
    '[aliases]\ngpt-4o = "qwen3"': "qwen3",
}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda text: text.splitlines()[-1])
def test_a_bad_configuration_is_refused_by_name(tmp_path: Path, config: str) -> None:
    (tmp_path / "understudy.toml").write_text(config)
    understudy("serve", "--port", "0", folder=tmp_path).refused(CONFIGS[config])


def test_a_configuration_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_bytes(b"\xff\xfe")
    understudy("serve", "--port", "0", folder=tmp_path).refused("understudy.toml")


def test_a_variable_that_is_no_json_is_refused(tmp_path: Path) -> None:
    ended = understudy("serve", "--port", "0", folder=tmp_path, UNDERSTUDY_ALIASES="a=b")
    ended.refused("aliases")


def test_a_key_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_text(
        '[[upstreams]]\nname = "x"\nbase_url = "http://127.0.0.1:9"\napi_key_file = "no-key"\n'
    )
    understudy("serve", "--port", "0", folder=tmp_path).refused("no-key")


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    ended = understudy("serve", "--config", "missing.toml", folder=tmp_path)
    ended.refused("missing.toml does not exist")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    ended = understudy("serve", "--port", "0", "--data-dir", "data/x", folder=tmp_path)
    ended.refused("data/x", "--data-dir")

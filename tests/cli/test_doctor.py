"""``understudy doctor``: each line, and the exit code."""

import os
import socket
import sqlite3
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.command import Ended, serving, understudy
from tests.upstream.loopback import serving as loopback_serving
from understudy.cli.check_machine import check_folder, check_search_folders
from understudy.cli.check_models import Source, check_embedder, check_models, check_reranker
from understudy.settings import Settings
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.connection import Connection
from understudy.upstream.demo import Demo
from understudy.upstream.embeddings import Embeddings
from understudy.upstream.reranking import Reranking


def doctor(folder: Path, *arguments: str | Path, **variables: str) -> Ended:
    """Run the doctor on a port that is surely free, unless the test names another."""
    return understudy("doctor", *arguments, folder=folder, **{"UNDERSTUDY_PORT": "0", **variables})


def line(ended: Ended, what: str) -> str:
    """Return the first line about this, with the remedy below it if there is one."""
    lines = ended.out.splitlines()
    number = next(n for n, text in enumerate(lines) if text[9:].startswith(what))
    return "\n".join(lines[number : number + 2])


def test_a_fresh_folder_has_no_problem_and_stays_as_it_is(tmp_path: Path) -> None:
    ended = doctor(tmp_path)
    assert ended.code == 0, ended.out
    for what in ("Python", "SQLite", "Settings", "Data", "Port", "Database", "Search", "Files"):
        assert line(ended, what).startswith("ok"), what
    assert "the first start makes it" in line(ended, "Data")
    assert line(ended, "Keys").startswith("warning")
    assert [*tmp_path.iterdir()] == []


def test_a_server_that_runs_is_recognised_and_not_disturbed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        ended = doctor(tmp_path, "--data-dir", "data", "--port", str(server.port))
        assert server.ask("GET", "/v1/models", server.first_key)[0] == 200
    assert ended.code == 0, ended.out
    assert "an Understudy server is ready there" in line(ended, "Port")
    assert "1 active" in line(ended, "Keys")


def test_a_port_that_something_else_has_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        taken.settimeout(0)
        ended = doctor(tmp_path, UNDERSTUDY_PORT=str(taken.getsockname()[1]))
    assert ended.code == 1
    assert line(ended, "Port").startswith("problem")
    assert "UNDERSTUDY_PORT" in line(ended, "Port")


def test_wrong_settings_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_text("prot = 8000")
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert "'prot'" in line(ended, "Settings")
    assert ended.err == "understudy: 1 problem.\n"


def test_a_configuration_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_bytes(b"\xff\xfe")
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert line(ended, "Settings").startswith("problem")


def test_a_variable_that_is_no_json_is_a_problem(tmp_path: Path) -> None:
    ended = doctor(tmp_path, UNDERSTUDY_ALIASES="gpt-4o=qwen3")
    assert ended.code == 1
    assert "aliases" in line(ended, "Settings")


def test_a_damaged_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "understudy-data").mkdir()
    (tmp_path / "understudy-data" / "understudy.sqlite3").write_bytes(b"rubbish" * 1000)
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert "file is not a database" in line(ended, "Database")


def test_a_database_of_a_newer_release_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "understudy-data").mkdir()
    connection = sqlite3.connect(tmp_path / "understudy-data" / "understudy.sqlite3")
    connection.execute("PRAGMA user_version = 1000")
    connection.close()
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert "newer release" in line(ended, "Database")


@pytest.mark.parametrize("name", ["indexes", "reading"])
def test_a_file_in_place_of_a_folder_of_search_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "understudy-data").mkdir()
    (tmp_path / "understudy-data" / name).write_text("")
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert line(ended, "Search").startswith("problem")
    assert f"{name} is not a folder" in line(ended, "Search")
    assert "Traceback" not in ended.err


def test_files_that_cannot_be_kept_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    ended = doctor(tmp_path, UNDERSTUDY_FILES_URL=str(tmp_path / "occupied"))
    assert ended.code == 1
    assert line(ended, "Files").startswith("problem")


def test_a_public_address_without_a_key_is_a_problem(tmp_path: Path) -> None:
    ended = doctor(tmp_path, UNDERSTUDY_HOST="0.0.0.0")  # noqa: S104 - nothing listens there
    assert ended.code == 1
    assert "understudy keys create" in line(ended, "Keys")


def test_an_endpoint_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    ended = doctor(tmp_path, UNDERSTUDY_UPSTREAM_URL="http://127.0.0.1:9/v1")
    assert ended.code == 1
    assert "http://127.0.0.1:9/v1" in line(ended, "Models")


def test_a_key_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_text(
        '[[upstreams]]\nname = "x"\nbase_url = "http://127.0.0.1:9/v1"\napi_key_file = "none"\n'
    )
    ended = doctor(tmp_path)
    assert ended.code == 1
    assert "none" in line(ended, "Models")
    assert "Traceback" not in ended.err


def test_a_file_in_place_of_the_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert check_folder(tmp_path / "data").state == "problem"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert check_folder(tmp_path / "data").state == "problem"
    assert check_search_folders(Settings(data_dir=tmp_path)).state == "problem"


def test_an_endpoint_that_answers_is_fine_and_a_wrong_key_is_a_problem(tmp_path: Path) -> None:
    with serving(tmp_path) as endpoint:
        url = f"http://127.0.0.1:{endpoint.port}/v1"
        good = {"UNDERSTUDY_UPSTREAM_URL": url, "UNDERSTUDY_UPSTREAM_KEY": endpoint.first_key}
        fine = doctor(tmp_path, **good)
        refused = doctor(tmp_path, **{**good, "UNDERSTUDY_UPSTREAM_KEY": "sk-wrong"})
    assert fine.code == 0, fine.out
    assert "environment answers: demo" in line(fine, "Models")
    assert refused.code == 1
    assert "401" in line(refused, "Models")
    assert "sk-wrong" not in refused.out


def test_models_of_search_that_do_not_answer_are_problems(tmp_path: Path) -> None:
    models = {"UNDERSTUDY_EMBEDDING_MODEL": "embed", "UNDERSTUDY_RERANK_MODEL": "rerank"}
    ended = doctor(tmp_path, UNDERSTUDY_UPSTREAM_URL="http://127.0.0.1:9/v1", **models)
    assert ended.code == 1
    for what in ("Embedding", "Reranking"):
        assert line(ended, what).startswith("problem")
        assert "http://127.0.0.1:9/v1" in line(ended, what)


async def test_models_of_search_that_answer_are_fine() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/embeddings"):
            return web.json_response({"data": [{"index": 0, "embedding": [3.0, 4.0]}]})
        return web.json_response({"results": [{"index": 0, "relevance_score": 0.5}]})

    async with loopback_serving(answer) as endpoint:
        embedder = Embeddings(Connection("it", endpoint.url), model="embed")
        reranker = Reranking(Connection("it", endpoint.url), model="rerank")
        found = [await check_embedder(embedder), await check_reranker(reranker)]
        await embedder.close()
        await reranker.close()
    assert [finding.state for finding in found] == ["ok", "ok"]
    assert "2 numbers" in found[0].told


async def test_an_alias_of_a_listed_model_is_fine() -> None:
    demo = Source(name="demo", upstream=Demo(), models=("demo",))
    assert [finding.state for finding in await check_models([demo], {"gpt-4o": "demo"})] == [
        "ok",
        "warning",  # about the demo being the only one
        "ok",
    ]


async def test_an_alias_of_an_unlisted_model_is_a_warning() -> None:
    demo = Source(name="demo", upstream=Demo(), models=("demo",))
    *_, alias = await check_models([demo], {"gpt-4o": "qwen3"})
    assert alias.state == "warning"
    assert "gpt-4o means qwen3" in alias.told


async def test_a_configured_model_that_the_endpoint_does_not_list_is_a_warning() -> None:
    source = Source(name="it", upstream=Demo(), models=("demo", "qwen3"))
    (finding,) = await check_models([source], {})
    assert finding.state == "warning"
    assert "qwen3" in finding.told


async def test_aliases_are_not_blamed_for_an_endpoint_that_is_down() -> None:
    upstream = ChatCompletions("down", "http://127.0.0.1:9/v1")
    findings = await check_models([Source(name="down", upstream=upstream)], {"gpt-4o": "qwen3"})
    await upstream.close()
    assert [finding.state for finding in findings] == ["problem"]

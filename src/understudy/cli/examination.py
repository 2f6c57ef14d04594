"""Examines everything that a server needs, each thing as far as those before it allow."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from understudy.app.models import open_embedder, open_models, open_reranker
from understudy.app.ports import open_storage, opened_ports
from understudy.cli.check_cluster import check_cluster
from understudy.cli.check_machine import (
    check_folder,
    check_port,
    check_python,
    check_search_folders,
    check_sqlite,
)
from understudy.cli.check_models import Source, check_embedder, check_models, check_reranker
from understudy.cli.check_parts import check_keys, check_parts, check_vectors
from understudy.cli.check_sandbox import check_sandbox
from understudy.cli.finding import Finding, ok, problem
from understudy.errors import Misconfigured
from understudy.settings import CONFIG_NAME, Settings, load_settings


class Patient(Struct, frozen=True, kw_only=True):
    """The server to examine: its configuration file, and what the command line gives besides."""

    config: Path | None
    given: Mapping[str, Any]


async def examine(patient: Patient) -> AsyncIterator[Finding]:
    """Yield one finding after the other; nothing is changed but what a start would change."""
    yield check_python()
    yield check_sqlite()
    try:
        settings = load_settings(patient.config, **patient.given)
    except (Misconfigured, ValueError) as error:  # a file that is no text, a variable no JSON
        yield problem("Settings", str(error), "Correct it; the names stand in docs/settings.md.")
        return
    yield ok("Settings", _where_from(patient.config))
    for finding in check_cluster(settings):
        yield finding
    folder = check_folder(settings.data_dir)
    yield folder
    yield check_port(settings)
    if folder.state != "problem":
        with _place_to_try(settings) as tried:
            async for finding in _examine_parts(tried):
                yield finding


def _where_from(config: Path | None) -> str:
    file = config or Path(CONFIG_NAME)
    return f"{file} is valid" if file.is_file() else f"defaults, there is no {CONFIG_NAME} here"


@contextmanager
def _place_to_try(settings: Settings) -> Iterator[Settings]:
    """Give the settings with a folder for a while when theirs has yet to be made."""
    if settings.data_dir.exists():
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="understudy-doctor-") as folder:
        yield settings.model_copy(update={"data_dir": Path(folder)})


async def _examine_parts(settings: Settings) -> AsyncIterator[Finding]:
    if (broken := await _database_problem(settings)) is not None:
        yield broken
        return
    folders = check_search_folders(settings)
    yield folders
    if folders.state == "problem":
        return
    if (broken := _models_problem(settings)) is not None:
        yield broken
        settings = _without_models(settings)
    for finding in await _ports_findings(settings):
        yield finding
    yield await check_sandbox(settings)
    if broken is None:
        for finding in await _examine_models(settings):
            yield finding
        async for finding in _examine_search_models(settings):
            yield finding


async def _database_problem(settings: Settings) -> Finding | None:
    try:
        await (await open_storage(settings)).close()
    except (Misconfigured, sqlite3.Error) as error:
        mend = "Check who may write it, restore it from a backup, or choose another --data-dir."
        return problem("Database", str(error), mend)
    return None


def _models_problem(settings: Settings) -> Finding | None:
    try:
        open_models(settings)
    except (Misconfigured, OSError) as error:
        mend = "Correct [[upstreams]] and [aliases] in understudy.toml."
        return problem("Models", str(error), mend)
    return None


def _without_models(settings: Settings) -> Settings:
    return settings.model_copy(update={"upstreams": [], "aliases": {}, "upstream_url": None})


async def _ports_findings(settings: Settings) -> list[Finding]:
    try:
        async with opened_ports(settings) as ports:
            return [*await check_parts(ports), *check_vectors(ports), await check_keys(ports)]
    except Misconfigured as error:
        return [problem("Files", str(error), "Correct files_url, or what stands in its way.")]


async def _examine_models(settings: Settings) -> list[Finding]:
    catalogue = open_models(settings)
    try:
        entries = catalogue.entries  # each one is asked by itself, with its error
        sources = [Source(name=e.name, upstream=e.upstream, models=e.models) for e in entries]
        return await check_models(sources, settings.aliases)
    finally:
        await catalogue.close()


async def _examine_search_models(settings: Settings) -> AsyncIterator[Finding]:
    if (embedder := open_embedder(settings)) is not None:
        try:
            yield await check_embedder(embedder)
        finally:
            await embedder.close()
    if (reranker := open_reranker(settings)) is not None:
        try:
            yield await check_reranker(reranker)
        finally:
            await reranker.close()

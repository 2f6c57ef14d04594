"""Every setting, from the command line, UNDERSTUDY_… variables, and understudy.toml."""

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from understudy.errors import Misconfigured

MEBIBYTE = 1024 * 1024
CONFIG_NAME = "understudy.toml"
_RUNNER = re.compile(r"unix:/.+|https?://[^/@:\s]+(:[0-9]{1,5})?/?")


class UpstreamSettings(BaseModel):
    """One place that answers model calls."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["chat_completions", "scripted"] = "chat_completions"
    base_url: str = ""
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    models: list[str] = []
    context_windows: dict[str, int] = {}
    embedding_model: str | None = None
    embedding_dimensions: int | None = Field(default=None, ge=1)
    rerank_model: str | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    idle_timeout_seconds: float = 120.0
    calls_max: int | None = Field(default=None, ge=1)
    script: Path | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> "UpstreamSettings":
        if self.kind == "chat_completions" and not self.base_url:
            raise ValueError(f"upstream {self.name!r} needs a base_url")
        if self.kind != "chat_completions" and (self.embedding_model or self.rerank_model):
            raise ValueError(f"upstream {self.name!r} cannot have models that embed or rerank")
        if self.kind == "scripted" and self.script is None:
            raise ValueError(f"upstream {self.name!r} needs a script")
        return self

    def secret(self) -> str | None:
        """Return the key, read from its file if it stands in one."""
        if self.api_key_file is not None:
            try:
                return self.api_key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise Misconfigured(
                    f"The api_key_file of upstream {self.name!r} cannot be read: {error}."
                ) from error
        return self.api_key.get_secret_value() if self.api_key else None


class Settings(BaseSettings):
    """What the server is started with."""

    model_config = SettingsConfigDict(env_prefix="UNDERSTUDY_", extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8730, ge=0, le=65535)
    health_port: int | None = Field(default=None, ge=0, le=65535)
    data_dir: Path = Path("understudy-data")
    database_url: SecretStr | None = None
    nats_url: SecretStr | None = None
    nats_credentials: Path | None = None
    nats_prefix: str = "understudy"
    nats_replicas: int = Field(default=1, ge=1, le=5)
    events_keep_seconds: float = Field(default=3_600.0, ge=60)
    events_bytes_max: int = Field(default=1024 * MEBIBYTE, ge=MEBIBYTE)
    worker: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    upstream_url: str | None = None
    upstream_key: SecretStr | None = None
    embedding_model: str | None = None
    embedding_dimensions: int | None = Field(default=None, ge=1)
    rerank_model: str | None = None
    upstreams: list[UpstreamSettings] = []
    aliases: dict[str, str] = {}

    files_url: str | None = None
    file_bytes_max: int = Field(default=512 * MEBIBYTE, ge=1)
    upload_bytes_max: int = Field(default=8 * 1024 * MEBIBYTE, ge=0)
    upload_part_bytes_max: int = Field(default=64 * MEBIBYTE, ge=1)
    body_bytes_max: int = Field(default=16 * MEBIBYTE, ge=1)
    allow_download_of_inputs: bool = False

    ingestions_max: int = Field(default=2, ge=1)
    reading_seconds_max: int = Field(default=120, ge=1)
    reading_bytes_max: int = Field(default=1024 * MEBIBYTE, ge=64 * MEBIBYTE)
    file_tokens_max: int = Field(default=5_000_000, ge=1)
    file_search_tokens_max: int = Field(default=16_000, ge=1)
    vector_cache_bytes_max: int = Field(default=256 * MEBIBYTE, ge=0)

    sandbox: Literal["own", "remote", "off"] = "own"
    sandbox_environment: Path | None = None
    sandbox_options: list[str] = []
    sandbox_runners: list[str] = []
    sandbox_secret: SecretStr | None = None

    default_beta: Literal["v1", "v2"] | None = None
    expires_after_seconds: int = Field(default=600, ge=1)
    expires_after_seconds_max: int = Field(default=30 * 86_400, ge=1)
    poll_after_ms: int = Field(default=300, ge=1)
    wait_seconds_max: float = Field(default=60.0, ge=0)
    keep_alive_seconds: float = Field(default=15.0, ge=0.01)
    idempotency_keep_seconds: int = Field(default=86_400, ge=0)

    sqlite_synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    legs_max: int = Field(default=4_000, ge=1)
    project_legs_max: int | None = Field(default=None, ge=1)
    lease_seconds: float = Field(default=15.0, gt=0)
    sweep_seconds: float = Field(default=0.5, gt=0)
    drain_seconds: float = Field(default=5.0, ge=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the command line win over the environment, and that over the file."""
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file

    @model_validator(mode="after")
    def _has_runners(self) -> "Settings":
        if self.sandbox == "remote" and not self.sandbox_runners:
            raise ValueError("sandbox 'remote' needs sandbox_runners")
        for address in self.sandbox_runners:
            if not _RUNNER.fullmatch(address):
                raise ValueError(f"{address!r} is neither unix:/path nor http(s)://host[:port]")
        if self.sandbox == "own" and "external" in self.sandbox_options:
            raise ValueError("isolation 'external' is for a runner in a pod of its own")
        return self

    @property
    def patience_seconds(self) -> float:
        """Return how long a stream waits for news before it reads the rows.

        Nobody brings news here from a worker in another process, unless NATS does.
        """
        has_news = self.nats_url is not None or (self.worker and not self.is_shared)
        return self.keep_alive_seconds if has_news else min(self.keep_alive_seconds, 1.0)

    @property
    def is_shared(self) -> bool:
        """Return whether other processes may work on the same rows."""
        return self.database_url is not None

    @property
    def endpoints(self) -> list[UpstreamSettings]:
        """Return the upstreams of the file and, last, the one of the environment."""
        if not self.upstream_url:
            return self.upstreams
        environment = UpstreamSettings(
            name="environment",
            base_url=self.upstream_url,
            api_key=self.upstream_key,
            embedding_model=self.embedding_model,
            embedding_dimensions=self.embedding_dimensions,
            rerank_model=self.rerank_model,
        )
        return [*self.upstreams, environment]

    @property
    def database_path(self) -> Path:
        """Return where the SQLite file is."""
        return self.data_dir / "understudy.sqlite3"

    @property
    def indexes_folder(self) -> Path:
        """Return where the passages of vector stores are."""
        return self.data_dir / "indexes"

    @property
    def kernels_folder(self) -> Path:
        """Return where the Python of the code interpreter is, which has none of our packages."""
        return self.sandbox_environment or self.data_dir / "kernels"

    @property
    def reading_folder(self) -> Path:
        """Return where files lie while they are read."""
        return self.data_dir / "reading"

    @property
    def files_location(self) -> str:
        """Return where bytes are kept: a URL, or a folder."""
        return self.files_url or str(self.data_dir / "files")


def without_password(urls: str) -> str:
    """Return the addresses, separated by commas, without who connects to them and how.

    Whatever stands before the last ``@`` is left out: a password may hold commas and slashes.
    """
    scheme, found, rest = urls.partition("://")
    shown = (rest if found else scheme).partition("?")[0]
    servers = shown.rpartition("@")[2] if scheme.startswith("postgres") else _hosts(shown)
    return f"{scheme}://{servers}" if found else servers


def _hosts(servers: str) -> str:
    return ",".join(one.rpartition("@")[2] for one in servers.split(","))


def load_settings(config: Path | None = None, **given: Any) -> Settings:
    """Return the settings; ``given`` wins, and what is None in it was not given.

    Without ``config``, an understudy.toml in the current folder is used if it is there. Raises
    Misconfigured with the name of the setting that is wrong.
    """
    file = config or Path(CONFIG_NAME)
    if config is not None and not config.is_file():
        raise Misconfigured(f"The configuration file {config} does not exist.")
    chosen = {name: value for name, value in given.items() if value is not None}

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file if file.is_file() else None)

    try:
        return FromFile(**chosen)
    except ValidationError as error:
        raise Misconfigured(_first_problem(error)) from error
    except SettingsError as error:
        raise Misconfigured(f"A variable cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not valid TOML: {error}.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}.") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    return f"The setting {name!r} is wrong: {problem['msg']}."

"""The format of scripts: YAML in, checked rules out. ``scripted.py`` explains and plays them."""

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import yaml

from understudy.errors import Misconfigured

_T = TypeVar("_T", bound=msgspec.Struct)


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CallSpec(_Strict, frozen=True):
    """A call that a rule makes; ``arguments`` as a mapping, or as raw text to send it as it is."""

    name: str
    arguments: dict[str, Any] | str = {}
    id: str | None = None


class ErrorSpec(_Strict, frozen=True):
    """A refusal before the first byte."""

    status: int = 500
    message: str = "the script says so"
    retry_after_seconds: float | None = None


class UsageSpec(_Strict, frozen=True):
    """Tokens that the script claims."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Rule(_Strict, frozen=True):
    """When a rule applies, and what it answers."""

    on: str | None = None
    model: str | None = None
    after_tools: bool | Literal["either"] = False
    times: int | None = None

    say: str | list[str] = ""
    chunk: Literal["words", "chars", "whole"] = "words"
    repeat: int = 1
    refuse: str = ""
    call: list[CallSpec] = []
    error: ErrorSpec | None = None
    break_after: int | None = None
    hang: bool = False
    delay_ms: float = 0
    between_ms: float = 0
    usage: UsageSpec | bool = True
    finish: Literal["stop", "length", "content_filter"] | None = None


class Script(_Strict, frozen=True):
    """A whole file."""

    rules: list[Any]
    models: tuple[str, ...] = ("scripted",)
    honour_budget: bool = False


class CheckedScript(msgspec.Struct, frozen=True, kw_only=True):
    """A script in which every rule has been checked."""

    rules: tuple[Rule, ...]
    models: tuple[str, ...]
    honour_budget: bool


def read_script(path: Path) -> CheckedScript:
    """Read and check a script; Misconfigured names the file, the rule and the mend."""
    try:
        return parse_script(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The script {path} cannot be read: {error}.") from error


def parse_script(text: str, source: str) -> CheckedScript:
    """Check the text of a script; ``source`` stands in the messages."""
    script = _convert(_yaml(text, source), Script, f"The script {source}")
    rules = [
        _rule(raw, f"Rule {number} of the script {source}")
        for number, raw in enumerate(script.rules, start=1)
    ]
    return CheckedScript(
        rules=tuple(rules), models=script.models, honour_budget=script.honour_budget
    )


def _yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a safe loader, see below
    except yaml.YAMLError as error:
        raise Misconfigured(f"The script {source} is not YAML: {error}.") from error


class _Loader(yaml.SafeLoader):
    """The safe loader, but ``on`` is a key and not the boolean that YAML 1.1 makes of it."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:bool"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _rule(raw: Any, place: str) -> Rule:
    rule = _convert(raw, Rule, place)
    try:
        re.compile(rule.on or "")
    except re.error as error:
        raise Misconfigured(
            f"{place}: 'on' is not a regular expression ({error}); "
            "put a backslash before special characters."
        ) from error
    if rule.repeat < 1 or (rule.times is not None and rule.times < 1):
        raise Misconfigured(f"{place}: 'times' and 'repeat' count from 1.")
    return rule


def _convert(raw: Any, kind: type[_T], place: str) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise Misconfigured(f"{place}: {error}. The fields here are: {known}.") from error

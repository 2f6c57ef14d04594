"""The form of the answer, as clients ask for it (RUN-34)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from understudy.errors import InvalidRequest
from understudy.wire.objects.tools import (
    FunctionTool,
    JsonSchemaFormat,
    ResponseFormat,
    ResponseFormatOption,
    Tool,
)
from understudy.wire.params.json_schemas import check_depth


class ResponseFormatV1(Struct, forbid_unknown_fields=True):
    """Text or any JSON object."""

    type: Literal["text", "json_object"] = "text"

    def canonical(self) -> ResponseFormat:
        """Return what the rest of the program knows this as."""
        return ResponseFormat(self.type)


class TextFormat(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Text."""

    def canonical(self) -> ResponseFormat:
        """Return what the rest of the program knows this as."""
        return ResponseFormat("text")


class JsonObjectFormat(Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""

    def canonical(self) -> ResponseFormat:
        """Return what the rest of the program knows this as."""
        return ResponseFormat("json_object")


class JsonSchemaParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON schema that the answer must match."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class JsonSchemaFormatParam(
    Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True
):
    """JSON that matches a schema."""

    json_schema: JsonSchemaParam

    def canonical(self) -> ResponseFormat:
        """Return what the rest of the program knows this as."""
        sent = self.json_schema
        check_depth(sent.schema, "response_format.json_schema.schema")
        return ResponseFormat(
            "json_schema",
            JsonSchemaFormat(
                name=sent.name,
                description=sent.description,
                schema=sent.schema,
                strict=sent.strict,
            ),
        )


ResponseFormatOptionV1 = Literal["none", "auto"] | ResponseFormatV1
ResponseFormatOptionV2 = Literal["auto"] | TextFormat | JsonObjectFormat | JsonSchemaFormatParam


def canonical_response_format(
    sent: ResponseFormatOptionV1 | ResponseFormatOptionV2 | None,
) -> ResponseFormatOption | None:
    """Return the format in the one form that the rest of the program knows."""
    return sent if sent is None or isinstance(sent, str) else sent.canonical()


def check_response_format(
    response_format: ResponseFormatOption | None, tools: Sequence[Tool]
) -> None:
    """Refuse JSON answers together with hosted tools (ASST-13, ERR-60)."""
    if not isinstance(response_format, ResponseFormat) or response_format.type == "text":
        return
    if all(isinstance(tool, FunctionTool) for tool in tools):
        return
    raise InvalidRequest(
        "Invalid tools: all tools must be of type `function` when `response_format` is of type"
        f" `{response_format.type}`."
    )

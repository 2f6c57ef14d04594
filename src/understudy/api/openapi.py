"""The API, described by itself: an OpenAPI document from the table of routes and the wire structs.

Nothing here is imported before somebody asks for ``/openapi.json``. The document describes v2;
operations that only v1 had say so in their OpenAI-Beta header. A route that ``_DESCRIBED`` does
not know is still listed, without its bodies; a test keeps the two tables together.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from understudy import __version__
from understudy.api import (
    assistants,
    files,
    messages,
    models,
    run_steps,
    runs,
    threads,
    uploads,
    vector_store_batches,
    vector_store_files,
    vector_stores,
)
from understudy.api.endpoint import Handler
from understudy.api.routes import TABLE, Row
from understudy.operations.run_creation import BusyThread
from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.deletions import Deleted
from understudy.wire.objects.files import File
from understudy.wire.objects.messages import Message
from understudy.wire.objects.models import Model
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.uploads import Upload, UploadPart
from understudy.wire.objects.vector_stores import (
    FileContentPage,
    SearchResultsPage,
    StoredChunk,
    VectorStore,
    VectorStoreFile,
    VectorStoreFileBatch,
)
from understudy.wire.params.assistants import _AssistantV2, _NewFile
from understudy.wire.params.assistants import _ChangesV2 as _AssistantChangesV2
from understudy.wire.params.files import UploadPurpose
from understudy.wire.params.messages import MessageV2
from understudy.wire.params.metadata import _ChangeV2
from understudy.wire.params.pages import SEARCH_CONTENT, STORE_FILE_FILTERS
from understudy.wire.params.path_ids import PREFIXES
from understudy.wire.params.runs import _OutputParam, _Outputs, _RunV2, _ThreadAndRunV2
from understudy.wire.params.threads import ThreadV2
from understudy.wire.params.threads import _ChangesV2 as _ThreadChangesV2
from understudy.wire.params.uploads import CompletionParam, FileExpiryParam, UploadParam
from understudy.wire.params.vector_store_files import (
    AttributesChangeParam,
    FileBatchParam,
    StoreFileParam,
)
from understudy.wire.params.vector_store_search import SearchParam
from understudy.wire.params.vector_stores import CreateVectorStoreParam, ModifyVectorStoreParam
from understudy.wire.v1 import AssistantFile, MessageFile

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
# What stored calls keep for the model (wire/v2.py): schema and property.
_NEVER_SHOWN = (
    ("FileSearchCall", "query"),
    ("FileSearchCall", "place"),
    ("CodeInterpreterCall", "files"),
)
_PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class ErrorBody(Struct, kw_only=True):
    """What is wrong; all four keys are always there (ERR-01)."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(Struct):
    """The answer to every request that is refused."""

    error: ErrorBody


class Nothing(Struct):
    """No parameters: an empty body, or an empty object."""


class Described(Struct, frozen=True, kw_only=True):
    """What an operation takes and answers, as far as the table of routes does not say it."""

    sends: type[Struct] | None = None
    answers: type[Struct] | Literal["bytes"] | None = None
    is_list: bool = False
    streams: Literal["never", "if asked", "always"] = "never"
    parameters: tuple[str, ...] = ()


PAGE = ("limit", "order", "after", "before")
FILES_PAGE = ("limit_files", "order", "after", "purpose")
STORE_FILES_PAGE = (*PAGE, "filter")
NEW_RUN = ("Understudy-Busy-Thread", "Understudy-Expires-After", "Understudy-On-Disconnect")

_DESCRIBED: dict[Handler, Described] = {
    assistants.create: Described(sends=_AssistantV2, answers=Assistant),
    assistants.retrieve: Described(answers=Assistant),
    assistants.list_: Described(answers=Assistant, is_list=True, parameters=PAGE),
    assistants.modify: Described(sends=_AssistantChangesV2, answers=Assistant),
    assistants.delete: Described(answers=Deleted),
    assistants.create_file: Described(sends=_NewFile, answers=AssistantFile),
    assistants.retrieve_file: Described(answers=AssistantFile),
    assistants.list_files: Described(answers=AssistantFile, is_list=True, parameters=PAGE),
    assistants.delete_file: Described(answers=Deleted),
    threads.create: Described(sends=ThreadV2, answers=Thread),
    threads.retrieve: Described(answers=Thread),
    threads.list_: Described(answers=Thread, is_list=True, parameters=(*PAGE, "metadata")),
    threads.modify: Described(sends=_ThreadChangesV2, answers=Thread),
    threads.delete: Described(answers=Deleted),
    messages.create: Described(sends=MessageV2, answers=Message),
    messages.retrieve: Described(answers=Message),
    messages.list_: Described(answers=Message, is_list=True, parameters=(*PAGE, "run_id")),
    messages.modify: Described(sends=_ChangeV2, answers=Message),
    messages.delete: Described(answers=Deleted),
    messages.retrieve_file: Described(answers=MessageFile),
    messages.list_files: Described(answers=MessageFile, is_list=True, parameters=PAGE),
    runs.create: Described(
        sends=_RunV2, answers=Run, streams="if asked", parameters=("include[]", *NEW_RUN)
    ),
    runs.create_with_thread: Described(
        sends=_ThreadAndRunV2, answers=Run, streams="if asked", parameters=NEW_RUN
    ),
    runs.retrieve: Described(answers=Run, parameters=("wait",)),
    runs.list_: Described(answers=Run, is_list=True, parameters=PAGE),
    runs.modify: Described(sends=_ChangeV2, answers=Run),
    runs.submit_tool_outputs: Described(
        sends=_Outputs,
        answers=Run,
        streams="if asked",
        parameters=("Understudy-On-Disconnect",),
    ),
    runs.cancel: Described(sends=Nothing, answers=Run),
    runs.events: Described(
        streams="always", parameters=("Last-Event-ID", "Understudy-On-Disconnect", "include[]")
    ),
    run_steps.retrieve: Described(answers=RunStep, parameters=("include[]",)),
    run_steps.list_: Described(answers=RunStep, is_list=True, parameters=(*PAGE, "include[]")),
    files.create: Described(answers=File),
    files.retrieve: Described(answers=File),
    files.list_: Described(answers=File, is_list=True, parameters=FILES_PAGE),
    files.delete: Described(answers=Deleted),
    files.content: Described(answers="bytes"),
    uploads.create: Described(sends=UploadParam, answers=Upload),
    uploads.add_part: Described(answers=UploadPart),
    uploads.complete: Described(sends=CompletionParam, answers=Upload),
    uploads.cancel: Described(sends=Nothing, answers=Upload),
    vector_stores.create: Described(sends=CreateVectorStoreParam, answers=VectorStore),
    vector_stores.retrieve: Described(answers=VectorStore),
    vector_stores.list_: Described(answers=VectorStore, is_list=True, parameters=PAGE),
    vector_stores.modify: Described(sends=ModifyVectorStoreParam, answers=VectorStore),
    vector_stores.delete: Described(answers=Deleted),
    vector_stores.search: Described(sends=SearchParam, answers=SearchResultsPage),
    vector_store_files.create: Described(sends=StoreFileParam, answers=VectorStoreFile),
    vector_store_files.retrieve: Described(answers=VectorStoreFile),
    vector_store_files.list_: Described(
        answers=VectorStoreFile, is_list=True, parameters=STORE_FILES_PAGE
    ),
    vector_store_files.modify: Described(sends=AttributesChangeParam, answers=VectorStoreFile),
    vector_store_files.delete: Described(answers=Deleted),
    vector_store_files.content: Described(answers=FileContentPage, parameters=("page",)),
    vector_store_files.chunks: Described(
        answers=StoredChunk, is_list=True, parameters=("limit", "after_index")
    ),
    vector_store_batches.create: Described(sends=FileBatchParam, answers=VectorStoreFileBatch),
    vector_store_batches.retrieve: Described(answers=VectorStoreFileBatch),
    vector_store_batches.cancel: Described(sends=Nothing, answers=VectorStoreFileBatch),
    vector_store_batches.list_files: Described(
        answers=VectorStoreFile, is_list=True, parameters=STORE_FILES_PAGE
    ),
    models.list_: Described(answers=Model, is_list=True),
    models.retrieve: Described(answers=Model),
}

# What the document calls the structs whose own names are private to their modules.
_PUBLIC_NAMES: Mapping[type[Struct], str] = {
    _AssistantV2: "CreateAssistantRequest",
    _AssistantChangesV2: "ModifyAssistantRequest",
    _NewFile: "CreateAssistantFileRequest",
    ThreadV2: "CreateThreadRequest",
    _ThreadChangesV2: "ModifyThreadRequest",
    MessageV2: "CreateMessageRequest",
    _ChangeV2: "ModifyMetadataRequest",
    _RunV2: "CreateRunRequest",
    _ThreadAndRunV2: "CreateThreadAndRunRequest",
    _Outputs: "SubmitToolOutputsRequest",
    _OutputParam: "ToolOutput",
    UploadParam: "CreateUploadRequest",
    CompletionParam: "CompleteUploadRequest",
    FileExpiryParam: "FileExpirationAfter",
    CreateVectorStoreParam: "CreateVectorStoreRequest",
    ModifyVectorStoreParam: "ModifyVectorStoreRequest",
    StoreFileParam: "CreateVectorStoreFileRequest",
    AttributesChangeParam: "ModifyVectorStoreFileRequest",
    FileBatchParam: "CreateVectorStoreFileBatchRequest",
    SearchParam: "SearchVectorStoreRequest",
    Nothing: "EmptyRequest",
}


def _query(name: str, schema: Json, description: str = "") -> Json:
    described = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **described}


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "schema": schema, "description": description}


_ORDER = {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
_PARAMETERS: dict[str, Json] = {
    "limit": _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    "limit_files": _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10_000}
    ),
    "order": _query("order", _ORDER),
    "after": _query("after", {"type": "string"}, "The id behind which the page begins."),
    "before": _query("before", {"type": "string"}, "The id before which the page ends."),
    "run_id": _query("run_id", {"type": "string"}, "Only messages that this run has written."),
    "filter": _query(
        "filter", {"type": "string", "enum": [*STORE_FILE_FILTERS]}, "Only files in this status."
    ),
    "page": _query("page", {"type": "string"}, "The `next_page` of the page before."),
    "after_index": _query(
        "after",
        {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        "The index behind which the page begins.",
    ),
    "purpose": _query("purpose", {"type": "string"}, "Only files of this purpose."),
    "include[]": _query(
        "include[]", {"type": "array", "items": {"type": "string", "enum": [SEARCH_CONTENT]}}
    ),
    "metadata": {
        **_query(
            "metadata",
            {"type": "object", "additionalProperties": {"type": "string"}},
            "Only threads whose metadata has these values (an extension).",
        ),
        "style": "deepObject",
        "explode": True,
    },
    "wait": _query(
        "wait",
        {"type": "integer", "minimum": 0, "maximum": 999_999},
        "Answer when the run needs its client or is over, at most so many seconds later, within "
        "the server's own limit (an extension).",
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        {"type": "string", "minLength": 1},
        "The same key and body get the same answer again, whatever happened to the first one "
        "(an extension).",
    ),
    "Last-Event-ID": _header(
        "Last-Event-ID",
        {"type": "string", "pattern": "^[0-9]{1,9}-[0-9]{1,9}$"},
        "The id of the last event that was received; the stream goes on behind it.",
    ),
    "Understudy-Busy-Thread": _header(
        "Understudy-Busy-Thread",
        {"type": "string", "enum": [*get_args(BusyThread)], "default": "reject"},
        "What happens when the thread has an active run: the request is refused, or the new run "
        "waits for the end of the other, or cancels it (an extension).",
    ),
    "Understudy-Expires-After": _header(
        "Understudy-Expires-After",
        {"type": "integer", "minimum": 1},
        "How many seconds the run may take, waiting for tool outputs included (an extension).",
    ),
    "Understudy-On-Disconnect": _header(
        "Understudy-On-Disconnect",
        {"type": "string", "enum": ["cancel"]},
        "Cancel the run when the reader of its stream goes away (an extension).",
    ),
}

_FILE_FORM: Json = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": [*get_args(UploadPurpose)]},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3_600, "maximum": 2_592_000},
    },
}

_PART_FORM: Json = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "format": "binary"}},
}

_FORMS: dict[Handler, Json] = {files.create: _FILE_FORM, uploads.add_part: _PART_FORM}

_SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
    "azure": {"type": "apiKey", "in": "header", "name": "api-key"},
}


@cache
def document() -> bytes:
    """Return the OpenAPI 3.1 document, encoded."""
    described = {row: _DESCRIBED.get(row.handler, Described()) for row in TABLE}
    answers = dict.fromkeys(one.answers for one in described.values())
    structs = [one for one in answers if isinstance(one, type)]
    references, schemas = _schemas([ErrorEnvelope, *_PUBLIC_NAMES, *structs])
    paths: dict[str, Json] = {}
    for row, what in described.items():
        path = _PATH_PARAMETER.sub(r"{\1}", row.path)
        paths.setdefault(path, {})[row.method.lower()] = _operation(row, what, references)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Understudy",
                "version": __version__,
                "description": "A self-hosted stand-in for the OpenAI Assistants API.",
            },
            "servers": [{"url": "/v1"}],
            "security": [{name: []} for name in _SECURITY_SCHEMES],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": {"Error": _error_response(references)},
                "securitySchemes": _SECURITY_SCHEMES,
            },
        }
    )


References = Mapping[type[Struct], Json]


def _schemas(types: list[type[Struct]]) -> tuple[References, Json]:
    """Return how to refer to each type, and all schemas, under the names that are public."""
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    text = msgspec.json.encode([*found, components]).decode()
    for type_, reference in zip(types, found, strict=True):
        own = reference["$ref"].rpartition("/")[2]
        public = _PUBLIC_NAMES.get(type_, own)
        text = text.replace(f'"{_REF.format(name=own)}"', f'"{_REF.format(name=public)}"')
        text = text.replace(f'"{own}":{{', f'"{public}":{{').replace(
            f'"title":"{type_.__name__}"', f'"title":"{public}"'
        )
    *references, schemas = msgspec.json.decode(text)
    for schema, name in _NEVER_SHOWN:
        del schemas[schema]["properties"][name]
    del schemas["MadeFile"]
    return dict(zip(types, references, strict=True)), schemas


def _operation(row: Row, what: Described, references: References) -> Json:
    operation: Json = {
        "operationId": _operation_id(row.handler),
        "summary": (row.handler.__doc__ or "").partition("\n")[0],
        "tags": [_resource(row.handler)],
        "parameters": _parameters(row, what),
        "responses": _responses(what, references),
    }
    if row.body == "stream":
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _FORMS[row.handler]}},
        }
    elif what.sends is not None:
        operation["requestBody"] = {
            "required": _needs_a_body(what.sends),
            "content": {"application/json": {"schema": references[what.sends]}},
        }
    return operation


def _needs_a_body(type_: type[Struct]) -> bool:
    """Return whether an empty body, which counts as an empty object (GEN-03), is refused."""
    return any(field.required for field in msgspec.structs.fields(type_))


def _operation_id(handler: Handler) -> str:
    return f"{_resource(handler)}_{handler.__name__.strip('_')}"


def _resource(handler: Handler) -> str:
    return handler.__module__.rpartition(".")[2]


def _parameters(row: Row, what: Described) -> list[Json]:
    parameters = [_path_parameter(name) for name in _PATH_PARAMETER.findall(row.path)]
    if row.needs_beta:
        parameters.append(_beta(row))
    if row.body == "json":
        parameters.append(_PARAMETERS["Idempotency-Key"])
    return [*parameters, *(_PARAMETERS[name] for name in what.parameters)]


def _path_parameter(name: str) -> Json:
    schema: Json = {"type": "string", "minLength": 1}
    if name in PREFIXES and name != "file_id":  # files are looked up whatever the id looks like
        schema = {"type": "string", "pattern": f"^{PREFIXES[name]}[A-Za-z0-9_-]*$", "maxLength": 64}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _beta(row: Row) -> Json:
    versions = [row.only_era] if row.only_era else ["v2", "v1"]
    schema = {"type": "string", "enum": [f"assistants={version}" for version in versions]}
    return {"name": "OpenAI-Beta", "in": "header", "required": True, "schema": schema}


def _responses(what: Described, references: References) -> Json:
    content: Json = {}
    if what.answers == "bytes":
        content["application/octet-stream"] = {}
    elif what.answers is not None:
        schema = references[what.answers]
        content["application/json"] = {"schema": _page_of(schema) if what.is_list else schema}
    if what.streams != "never":
        content["text/event-stream"] = {}
    refused = {"$ref": "#/components/responses/Error"}
    answered = {"description": "OK", "content": content}
    return {"200": answered, "400": refused, "401": refused, "404": refused}


def _page_of(schema: Json) -> Json:
    some_id = {"type": ["string", "null"]}
    return {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": schema},
            "first_id": some_id,
            "last_id": some_id,
            "has_more": {"type": "boolean"},
        },
    }


def _error_response(references: References) -> Json:
    return {
        "description": "The request is refused, and nothing was written.",
        "content": {"application/json": {"schema": references[ErrorEnvelope]}},
    }

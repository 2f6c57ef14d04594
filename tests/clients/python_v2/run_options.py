"""What a run takes and shows in v2 (RUN-02, RUN-20, RUN-25, RUN-26, RUN-31, RUN-33 to RUN-35)."""

from common import (
    MODEL,
    PLAIN,
    WEATHER_TOOL,
    each,
    expect,
    got,
    new_assistant,
    play,
    text_of,
)

SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "city",
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
OPTIONS = {
    "tools": [WEATHER_TOOL],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "top_p": 0.9,
    "max_prompt_tokens": 5000,
    "max_completion_tokens": 500,
    "truncation_strategy": {"type": "last_messages", "last_messages": 3},
    "response_format": SCHEMA,
}


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


async def scenario(client):
    threads = client.beta.threads
    assistant = await new_assistant(client, reasoning_effort="low")
    thread = await got(threads.create())
    run = await got(
        threads.runs.create(
            thread.id,
            assistant_id=assistant.id,
            additional_messages=[
                {"role": "user", "content": "earlier"},
                {"role": "user", "content": PLAIN},
            ],
            **OPTIONS,
        )
    )
    shown = without_nulls(run.model_dump(by_alias=True))
    expect("tool (ASST-05)", shown["tools"][0]["function"]["name"], "get_weather")
    for name in OPTIONS.keys() - {"tools"}:
        expect(f"echo of {name}", shown[name], OPTIONS[name])
    expect("inherited (RUN-02)", (run.model, shown["reasoning_effort"]), (MODEL, "low"))
    expect("the assistant keeps its tools (RUN-26)", assistant.tools, [])

    await got(threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20))
    first, second, *_ = await each(threads.messages.list(thread.id, order="asc"))
    expect("appended (RUN-25)", (text_of(first), text_of(second)), ("earlier", PLAIN))


play(scenario)

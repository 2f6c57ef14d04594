"""One turn of a conversation that other clients share: `turn.py ASSISTANT THREAD`.

Prints what this client sees of the thread afterwards.
"""

import json
import sys

from common import ERA, PATIENCE, PLAIN, text_of
from openai import OpenAI

assistant_id, thread_id = sys.argv[1:]
with OpenAI(**PATIENCE) as client:
    threads = client.beta.threads
    threads.messages.create(thread_id, role="user", content=PLAIN)
    run = threads.runs.create_and_poll(
        thread_id=thread_id, assistant_id=assistant_id, poll_interval_ms=20
    )
    assistant = client.beta.assistants.retrieve(assistant_id).model_dump()
    texts = [text_of(message) for message in threads.messages.list(thread_id, order="asc")]
    runs = [run.id for run in threads.runs.list(thread_id, order="asc")]
tools = [tool["type"] for tool in assistant["tools"]]
print(json.dumps({"era": ERA, "status": run.status, "texts": texts, "runs": runs, "tools": tools}))

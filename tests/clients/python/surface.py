"""Print the methods that this client has, by the name of their resource."""

import json

from openai import OpenAI

client = OpenAI(api_key="any")
threads = client.beta.threads
vector_stores = getattr(client, "vector_stores", None)
resources = {
    "assistants": client.beta.assistants,
    "assistants.files": getattr(client.beta.assistants, "files", None),
    "threads": threads,
    "messages": threads.messages,
    "messages.files": getattr(threads.messages, "files", None),
    "runs": threads.runs,
    "steps": threads.runs.steps,
    "files": client.files,
    "uploads": getattr(client, "uploads", None),
    "parts": getattr(getattr(client, "uploads", None), "parts", None),
    "vector_stores": vector_stores,
    "vector_stores.files": getattr(vector_stores, "files", None),
    "file_batches": getattr(vector_stores, "file_batches", None),
}


def methods_of(resource):
    kind = type(resource)
    return [name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))]


print(json.dumps({name: methods_of(thing) for name, thing in resources.items() if thing}))

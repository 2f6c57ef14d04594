"""Print the methods that this client has, by the name of their resource."""

import json

from openai import OpenAI

client = OpenAI(api_key="any")
threads = client.beta.threads
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
}


def methods_of(resource):
    kind = type(resource)
    return [name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))]


print(json.dumps({name: methods_of(thing) for name, thing in resources.items() if thing}))

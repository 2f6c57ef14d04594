"""The one encoder, and a decoder for every object that is stored."""

import msgspec

from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.files import File
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.usage import Usage
from understudy.wire.objects.vector_stores import VectorStore

encode = msgspec.json.Encoder().encode
decode_assistant = msgspec.json.Decoder(Assistant).decode
decode_thread = msgspec.json.Decoder(Thread).decode
decode_message = msgspec.json.Decoder(Message).decode
decode_run = msgspec.json.Decoder(Run).decode
decode_step = msgspec.json.Decoder(RunStep).decode
decode_file = msgspec.json.Decoder(File).decode
decode_vector_store = msgspec.json.Decoder(VectorStore).decode
decode_usage = msgspec.json.Decoder(Usage).decode

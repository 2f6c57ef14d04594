// AssistantStream and `stream: true` (STR-01 to STR-04, SDK-03 to SDK-05, SDK-09).

import {
  MESSAGE_STEP, PLAIN, PLAIN_ANSWER, RUN_STARTS, Recorder, SILENT, SILENT_ANSWER, expect, newAssistant, newThread, play,
  textOf, withoutRepeats,
} from './common.mjs';

const ORDER = [
  'runStepCreated', 'messageCreated', 'textCreated', 'textDelta', 'textDone', 'messageDone',
  'runStepDone', 'end',
];

async function check(stream, start) {
  const heard = new Recorder(stream);
  expect('final run (SDK-09)', (await stream.finalRun()).status, 'completed');
  const messages = await stream.finalMessages();
  expect('final messages', messages.map(textOf), [PLAIN_ANSWER]);
  const steps = await stream.finalRunSteps();
  expect('final steps', steps.map((s) => [s.type, s.status]), [['message_creation', 'completed']]);
  expect('events (STR-04)', heard.eventNames(), [...start, ...RUN_STARTS, ...MESSAGE_STEP]);
  const order = heard.names().filter((name) => name !== 'messageDelta');
  expect('callbacks', order, ORDER);
  const text = heard.of('textDelta').map(([delta]) => delta.value).join('');
  expect('the deltas add up (SDK-05)', text, PLAIN_ANSWER);
  for (const once of ['textCreated', 'textDone', 'messageDone', 'runStepDone', 'end']) {
    expect(`calls of ${once}`, heard.of(once).length, 1);
  }
}

async function raw(client, assistant, body) {
  const { threads } = client.beta;
  const thread = await newThread(client, PLAIN);
  const run = { assistant_id: assistant.id, stream: true };
  const names = [];
  for await (const event of await threads.runs.create(thread.id, run)) names.push(event.event);
  expect('raw events (STR-04)', withoutRepeats(names), [...RUN_STARTS, ...MESSAGE_STEP]);

  const both = [];
  for await (const { event } of await threads.createAndRun({ ...body, stream: true })) both.push(event);
  const wanted = ['thread.created', ...RUN_STARTS, ...MESSAGE_STEP];
  expect('raw events (STR-04)', withoutRepeats(both), wanted);
}

// Keep-alive comments are no events to any client (STR-16).
async function silence(client, assistant) {
  const thread = await newThread(client, SILENT);
  const stream = client.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id });
  const heard = new Recorder(stream);
  expect('text', (await stream.finalMessages()).map(textOf), [SILENT_ANSWER]);
  expect('events (STR-16)', heard.eventNames(), [...RUN_STARTS, ...MESSAGE_STEP]);
}

async function iterated(client, assistant) {
  const thread = await newThread(client, PLAIN);
  const names = [];
  const stream = client.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id });
  for await (const event of stream) names.push(event.event);
  expect('iterated events', withoutRepeats(names), [...RUN_STARTS, ...MESSAGE_STEP]);
}

await play(async (client) => {
  const { threads } = client.beta;
  const assistant = await newAssistant(client);
  const run = { assistant_id: assistant.id };
  const body = { ...run, thread: { messages: [{ role: 'user', content: PLAIN }] } };
  await check(threads.runs.stream((await newThread(client, PLAIN)).id, run), []);
  await check(threads.runs.createAndStream((await newThread(client, PLAIN)).id, run), []);
  await check(threads.createAndRunStream(body), ['thread.created']);
  await raw(client, assistant, body);
  await iterated(client, assistant);
  await silence(client, assistant);
});

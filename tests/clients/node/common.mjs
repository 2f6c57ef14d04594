// What the scenario programs share. `node program.mjs PATH_OF_THE_PACKAGE` plays one scenario with
// the official package at that path, as an application would use it.

import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual, inspect } from 'node:util';

const packageFile = pathToFileURL(process.argv[2]);
export const openai = await import(packageFile);
export const { OpenAI, toFile, BadRequestError, NotFoundError, AuthenticationError } = openai;

// 4.36.0 is the last release that speaks v1 (SDK-01); its nested methods take all ids in order.
export const ERA = 'del' in new OpenAI({ apiKey: 'any' }).beta.assistants ? 'v1' : 'v2';

// A refusal or a 500 must be seen as it is: no silent retry, no endless wait.
export const PATIENCE = { maxRetries: 0, timeout: 20_000 };
export const OFTEN = { pollIntervalMs: 20 };

export const MODEL = 'scripted';
export const PLAIN = 'say the alphabet';
export const PLAIN_ANSWER = 'alpha beta gamma delta epsilon';
export const FUNCTIONS = 'compare the weather';
export const ALOUD = 'think aloud and compare';
export const FUNCTIONS_ANSWER = 'Paris is warmer than Rome today.';
export const FAILING = 'break before the first word';
export const FAILING_LATE = 'break after a word';
export const SLOW = 'count slowly';
export const LONG = 'ramble on';
export const SILENT = 'think for a while';
export const SILENT_ANSWER = 'At last.';
export const CITIES = ['Paris', 'Rome'];
export const WEATHER_TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

export const RUN_STARTS = ['thread.run.created', 'thread.run.queued', 'thread.run.in_progress'];
export const MESSAGE_STEP = [
  'thread.run.step.created',
  'thread.run.step.in_progress',
  'thread.message.created',
  'thread.message.in_progress',
  'thread.message.delta',
  'thread.message.completed',
  'thread.run.step.completed',
  'thread.run.completed',
];

/** Run the scenario and say so; a rejection ends the program with its reason. */
export async function play(scenario) {
  await scenario(new OpenAI(PATIENCE));
  console.log('{"passed": true}');
}

/** End the program with a readable reason unless both values are equal. */
export function expect(what, actual, wanted) {
  if (isDeepStrictEqual(actual, wanted)) return;
  const shown = (value) => inspect(value, { depth: 6, breakLength: 200 });
  console.error(`${what}\n  expected ${shown(wanted)}\n  got      ${shown(actual)}`);
  process.exit(1);
}

/** Return the error that the promise is rejected with; it must be of the given class. */
export async function refusalOf(kind, promise) {
  try {
    const answer = await promise;
    console.error(`expected ${kind.name}, got the answer ${inspect(answer)}`);
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  process.exit(1);
}

/** Return the arguments that name an object of a thread, in the spelling of this era's package. */
export function within(threadId, id, body, options = {}) {
  if (ERA === 'v2') return [id, { thread_id: threadId, ...body }, options];
  return body === undefined ? [threadId, id, options] : [threadId, id, body, options];
}

/** Call a resource's delete method, which was named `del` until 2025. */
export function remove(resource, ...ids) {
  return (resource.delete ?? resource.del).call(resource, ...ids);
}

/** Return all objects that the package's auto-iterator yields, over all pages. */
export async function each(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

export const idsOf = (items) => items.map((item) => item.id);

export function newAssistant(client, fields = {}) {
  return client.beta.assistants.create({ model: MODEL, ...fields });
}

export function newThread(client, content) {
  return client.beta.threads.create({ messages: [{ role: 'user', content }] });
}

export function newFile(client, name, bytes = 'x', purpose = 'assistants') {
  return toFile(Buffer.from(bytes), name).then((file) => client.files.create({ file, purpose }));
}

/** Return a run that waits for the outputs of two parallel function calls. */
export async function weatherRun(client) {
  const assistant = await newAssistant(client, { tools: [WEATHER_TOOL] });
  const thread = await newThread(client, FUNCTIONS);
  const run = await client.beta.threads.runs.createAndPoll(
    thread.id,
    { assistant_id: assistant.id },
    OFTEN,
  );
  expect('RUN-12 status', run.status, 'requires_action');
  return run;
}

export const callsOf = (run) => run.required_action.submit_tool_outputs.tool_calls;

/** Return an output for every pending call of the run, as an application would. */
export function outputsFor(run) {
  return callsOf(run).map((call, i) => ({ tool_call_id: call.id, output: `${20 + i} degrees` }));
}

/** Return the text of a message with exactly one text part. */
export function textOf(message) {
  expect('number of parts', message.content.length, 1);
  return message.content[0].text.value;
}

/** Return the names with neighbours that are equal told once. */
export function withoutRepeats(names) {
  return names.filter((name, i) => i === 0 || name !== names[i - 1]);
}

const HEARD = [
  'runStepCreated', 'runStepDelta', 'runStepDone', 'toolCallCreated', 'toolCallDelta',
  'toolCallDone', 'messageCreated', 'messageDelta', 'messageDone', 'textCreated', 'textDelta',
  'textDone', 'imageFileDone', 'event', 'error', 'abort', 'end',
];

/** Listens to every event of an AssistantStream. */
export class Recorder {
  constructor(stream) {
    this.calls = [];
    for (const name of HEARD) {
      // Snapshots are changed in place later on, so they are kept as they were.
      stream.on(name, (...heard) => this.calls.push([name, structuredClone(plain(heard))]));
    }
  }

  of(name) {
    return this.calls.filter((call) => call[0] === name).map((call) => call[1]);
  }

  names() {
    return [...new Set(this.calls.map((call) => call[0]))].filter((name) => name !== 'event');
  }

  eventNames() {
    return withoutRepeats(this.of('event').map(([event]) => event.event));
  }
}

function plain(heard) {
  return heard.map((value) => (value instanceof Error ? String(value) : value));
}

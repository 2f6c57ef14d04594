// Runs that fail, are cancelled or use up their tokens (RUN-16 to RUN-1F, STR-12, STR-13, SDK-06).

import {
  BadRequestError, ERA, FAILING, FAILING_LATE, LONG, OFTEN, Recorder, SLOW, each, expect,
  newAssistant, newThread, play, refusalOf, textOf, weatherRun, within,
} from './common.mjs';

async function streamed(client, assistant, text, fields = {}) {
  const thread = await newThread(client, text);
  const body = { assistant_id: assistant.id, ...fields };
  const stream = client.beta.threads.runs.stream(thread.id, body);
  const heard = new Recorder(stream);
  return { run: await stream.finalRun(), heard };
}

async function newestMessage(client, run) {
  return (await each(client.beta.threads.messages.list(run.thread_id)))[0];
}

async function failing(client, assistant) {
  const early = await streamed(client, assistant, FAILING);
  expect('end (RUN-1A)', [early.run.status, early.run.last_error.code], ['failed', 'server_error']);
  expect('no message', early.heard.of('messageCreated'), []);

  const late = await streamed(client, assistant, FAILING_LATE);
  const wanted = ['thread.message.incomplete', 'thread.run.step.failed', 'thread.run.failed'];
  expect('events (STR-13)', late.heard.eventNames().slice(-3), wanted);
  const message = await newestMessage(client, late.run);
  expect('partial text (MSG-14)', [message.status, textOf(message)], ['incomplete', 'one']);

  const thread = await newThread(client, FAILING);
  const body = { assistant_id: assistant.id };
  const polled = await client.beta.threads.runs.createAndPoll(thread.id, body, OFTEN);
  expect('polled end (RUN-1A)', polled.status, 'failed');
}

async function cancelled(client, assistant) {
  const { runs } = client.beta.threads;
  const thread = await newThread(client, SLOW);
  const stream = runs.stream(thread.id, { assistant_id: assistant.id });
  const heard = new Recorder(stream);
  stream.once('textDelta', async () => {
    const answer = await runs.cancel(...within(thread.id, stream.currentRun().id));
    expect('answer (RUN-17)', answer.status, 'cancelling');
  });
  const run = await stream.finalRun();
  expect('end (RUN-18)', [run.status, run.expires_at], ['cancelled', null]);
  const wanted = [
    'thread.run.cancelling', 'thread.message.incomplete', 'thread.run.step.cancelled',
    'thread.run.cancelled',
  ];
  const ends = heard.eventNames().filter((name) => wanted.includes(name));
  expect('events (STR-13)', ends, wanted);
  const again = runs.cancel(...within(thread.id, run.id));
  const { error } = await refusalOf(BadRequestError, again);
  expect('twice (ERR-53)', error.message, "Cannot cancel run with status 'cancelled'.");

  const waiting = await weatherRun(client);
  await runs.cancel(...within(waiting.thread_id, waiting.id));
  const done = await runs.poll(...within(waiting.thread_id, waiting.id, undefined, OFTEN));
  expect('a waiting run (RUN-18)', [done.status, done.required_action], ['cancelled', null]);
}

async function outOfTokens(client, assistant) {
  const status = { v1: 'completed', v2: 'incomplete' }[ERA];
  const { run, heard } = await streamed(client, assistant, LONG, { max_completion_tokens: 16 });
  expect('status (RUN-1E, SDK-06)', run.status, status);
  expect('reason (RUN-1F)', run.incomplete_details, { reason: 'max_completion_tokens' });
  const wanted = ['thread.message.incomplete', 'thread.run.step.completed', `thread.run.${status}`];
  expect('events (STR-12)', heard.eventNames().slice(-3), wanted);
  const message = await newestMessage(client, run);
  expect('message (MSG-13)', message.incomplete_details, { reason: 'max_tokens' });

  const thread = await newThread(client, LONG);
  const body = { assistant_id: assistant.id, max_completion_tokens: 16 };
  const polled = await client.beta.threads.runs.createAndPoll(thread.id, body, OFTEN);
  expect('polled status (RUN-1E)', polled.status, status);
}

await play(async (client) => {
  const assistant = await newAssistant(client);
  await failing(client, assistant);
  await cancelled(client, assistant);
  await outOfTokens(client, assistant);
});

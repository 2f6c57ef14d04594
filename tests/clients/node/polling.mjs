// Runs and steps without streaming (RUN-10 to RUN-15, RUN-36, RUN-40, STEP-01, STEP-04).

import {
  OFTEN, PLAIN, PLAIN_ANSWER, each, expect, idsOf, newAssistant, newThread, play, textOf, within,
  ERA,
} from './common.mjs';

async function oneRun(client, assistant) {
  const { runs } = client.beta.threads;
  const thread = await newThread(client, PLAIN);
  const made = await runs.create(thread.id, {
    assistant_id: assistant.id,
    instructions: 'Be brief.',
    additional_instructions: 'Be kind.',
  });
  expect('status (RUN-10)', made.status, 'queued');
  expect('lifetime (RUN-10)', made.expires_at - made.created_at, 600);
  expect('merged instructions (RUN-32)', made.instructions, 'Be brief.\nBe kind.');

  const done = await runs.poll(...within(thread.id, made.id, undefined, OFTEN));
  expect('end (RUN-15)', [done.status, done.expires_at, done.last_error], ['completed', null, null]);
  const { prompt_tokens, completion_tokens, total_tokens } = done.usage;
  expect('usage (RUN-36)', total_tokens, prompt_tokens + completion_tokens);
  const again = await runs.retrieve(...within(thread.id, made.id));
  expect('retrieved', again, done);
  const changed = await runs.update(...within(thread.id, made.id, { metadata: { a: '2' } }));
  expect('replaced metadata (RUN-40)', changed.metadata, { a: '2' });
  await stepsOf(client, done);
}

async function stepsOf(client, run) {
  const { steps } = client.beta.threads.runs;
  const [step, ...others] = await each(steps.list(...within(run.thread_id, run.id, {})));
  expect('one step', [step.type, step.status, others], ['message_creation', 'completed', []]);
  const ids = ERA === 'v1'
    ? [run.thread_id, run.id, step.id]
    : [step.id, { thread_id: run.thread_id, run_id: run.id }];
  expect('retrieved step', await steps.retrieve(...ids), step);
  const messageId = step.step_details.message_creation.message_id;
  const { messages } = client.beta.threads;
  const message = await messages.retrieve(...within(run.thread_id, messageId));
  expect("the step's message (STEP-04)", textOf(message), PLAIN_ANSWER);
}

async function threadAndRun(client, assistant) {
  const { threads } = client.beta;
  const body = {
    assistant_id: assistant.id,
    thread: { messages: [{ role: 'user', content: PLAIN }] },
  };
  const made = await threads.createAndRun(body);
  expect('status (RUN-21)', made.status, 'queued');
  const done = await threads.runs.poll(...within(made.thread_id, made.id, undefined, OFTEN));
  expect('end', done.status, 'completed');
  expect('end', (await threads.createAndRunPoll(body, OFTEN)).status, 'completed');
  // Here the pace is the server's `openai-poll-after-ms` or the helper's own (GEN-10).
  expect('end', (await threads.createAndRunPoll(body)).status, 'completed');
}

async function pages(client, assistant) {
  const { runs } = client.beta.threads;
  const thread = await newThread(client, PLAIN);
  const made = [];
  for (let n = 0; n < 5; n += 1) {
    const run = await runs.createAndPoll(thread.id, { assistant_id: assistant.id }, OFTEN);
    made.push(run.id);
  }
  const newestFirst = await each(runs.list(thread.id, { limit: 2 }));
  expect('five runs over three pages (LIST-02)', idsOf(newestFirst), made.toReversed());
}

await play(async (client) => {
  const assistant = await newAssistant(client);
  await oneRun(client, assistant);
  await threadAndRun(client, assistant);
  await pages(client, assistant);
});

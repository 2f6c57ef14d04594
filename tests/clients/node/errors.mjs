// Refusals arrive as the package's own error classes with exact text, param and code (section 3).

import {
  AuthenticationError, BadRequestError, MODEL, NotFoundError, OpenAI, PATIENCE, expect, newThread,
  play, refusalOf, weatherRun, within,
} from './common.mjs';

const NOBODY = '0'.repeat(24);

function check(rule, refusal, message, param = null, code = null) {
  expect(`${rule} message`, refusal.error.message, message);
  expect(`${rule} param, code`, [refusal.param, refusal.code], [param, code]);
}

async function wrongKey() {
  const client = new OpenAI({ ...PATIENCE, apiKey: 'sk-wrong000000000000last' });
  const refusal = await refusalOf(AuthenticationError, client.beta.threads.create());
  expect('AUTH-01', [refusal.status, refusal.code], [401, 'invalid_api_key']);
}

async function unknown(client) {
  const { assistants, threads } = client.beta;
  let refusal = await refusalOf(NotFoundError, assistants.retrieve(`asst_${NOBODY}`));
  check('ERR-40', refusal, `No assistant found with id 'asst_${NOBODY}'.`);
  const thread = await newThread(client, 'hello');
  const run = threads.runs.retrieve(...within(thread.id, `run_${NOBODY}`));
  refusal = await refusalOf(NotFoundError, run);
  check('ERR-40', refusal, `No run found with id 'run_${NOBODY}'.`);
  const body = { assistant_id: `asst_${NOBODY}`, stream: true };
  refusal = await refusalOf(NotFoundError, threads.runs.create(thread.id, body));
  check('ERR-40 before a stream (STR-01)', refusal, `No assistant found with id 'asst_${NOBODY}'.`);
}

async function badInput(client) {
  const { assistants } = client.beta;
  let refusal = await refusalOf(BadRequestError, assistants.create({}));
  const missing = "Missing required parameter: 'model'.";
  check('ERR-20', refusal, missing, 'model', 'missing_required_parameter');
  refusal = await refusalOf(BadRequestError, assistants.create({ model: MODEL, colour: 1 }));
  check('ERR-21', refusal, "Unknown parameter: 'colour'.", 'colour', 'unknown_parameter');
  refusal = await refusalOf(BadRequestError, assistants.list({ limit: 0 }));
  const text =
    "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.";
  check('ERR-29', refusal, text, 'limit', 'integer_below_min_value');
}

async function busyThread(client) {
  const run = await weatherRun(client);
  const { threads } = client.beta;
  const again = threads.runs.create(run.thread_id, { assistant_id: run.assistant_id });
  let refusal = await refusalOf(BadRequestError, again);
  check('ERR-51', refusal, `Thread ${run.thread_id} already has an active run ${run.id}.`);
  const more = threads.messages.create(run.thread_id, { role: 'user', content: 'x' });
  refusal = await refusalOf(BadRequestError, more);
  const text = `Can't add messages to ${run.thread_id} while a run ${run.id} is active.`;
  check('ERR-50', refusal, text);
}

await play(async (client) => {
  await wrongKey();
  await unknown(client);
  await badInput(client);
  await busyThread(client);
});

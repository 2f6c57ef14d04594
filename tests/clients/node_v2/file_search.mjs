// A run that searches files, streamed and polled, with its step and its citations.
// STR-08, STR-11, STEP-08, STEP-13, ANN-01 to ANN-03, ANN-07, MSG-06, MSG-07, VS-14.

import { OFTEN, each, expect, newAssistant, play } from '../node/common.mjs';
import {
  ALL_CITED, ANSWER, GUEST, MENU, PRICES, SHORT_ANSWER, SOUP, checkCitations, fileOf, streamed,
  uploaded,
} from '../node/documents.mjs';

const SEARCH = { type: 'file_search' };
const CONTENT = 'step_details.tool_calls[*].file_search.results[*].content';
const CALLBACKS = [
  'runStepCreated', 'toolCallCreated', 'runStepDelta', 'toolCallDone', 'runStepDone',
  'messageCreated', 'textCreated', 'messageDelta', 'textDelta', 'textDone', 'messageDone', 'end',
];

async function mealStore(client) {
  const store = await client.vectorStores.create({ name: 'Meals' });
  const files = [await fileOf(MENU), await fileOf(PRICES)];
  await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files });
  return store;
}

async function checkStep(client, { thread_id, run_id }) {
  const { steps } = client.beta.threads.runs;
  const [step] = await each(steps.list(run_id, { thread_id, order: 'asc' }));
  const { results } = step.step_details.tool_calls[0].file_search;
  const names = results.map((one) => one.file_name);
  expect('results (STEP-08)', names.toSorted(), ALL_CITED.toSorted());
  expect('content is not asked for', results.filter((one) => one.content), []);
  const whole = await steps.retrieve(step.id, { thread_id, run_id, include: [CONTENT] });
  const [menu] = whole.step_details.tool_calls[0].file_search.results.filter((one) => one.file_name === 'menu.md');
  expect('content (STEP-13)', menu.content[0].text.includes('pumpkin'), true);
}

await play(async (client) => {
  const { threads } = client.beta;
  const store = await mealStore(client);
  const tool_resources = { file_search: { vector_store_ids: [store.id] } };
  const assistant = await newAssistant(client, { tools: [SEARCH], tool_resources });
  const run = { assistant_id: assistant.id };

  const attachments = [{ file_id: await uploaded(client, GUEST), tools: [SEARCH] }];
  const question = { role: 'user', content: SOUP };
  const thread = await threads.create({ messages: [{ ...question, attachments }] });
  expect("the thread's store (MSG-07)", thread.tool_resources.file_search.vector_store_ids.length, 1);
  const { heard, message } = await streamed(client, threads.runs.stream(thread.id, run));
  expect('callbacks', heard.names(), CALLBACKS);
  const [[begun]] = heard.of('toolCallCreated');
  expect('begun (STR-08)', [begun.type, begun.file_search.results], ['file_search', []]);
  await checkCitations(client, message, ANSWER, ALL_CITED);
  await checkStep(client, message);

  const other = await threads.create({ messages: [question] });
  const done = await threads.runs.createAndPoll(other.id, run, OFTEN);
  const [answer] = await each(threads.messages.list(other.id, { run_id: done.id }));
  await checkCitations(client, answer, SHORT_ANSWER, ['menu.md', 'prices.txt']);
});

// The retrieval tool of v1: files on the assistant and a message, citations that quote.
// ASST-09, MSG-04, STR-08, STEP-08, ANN-01 to ANN-03, ANN-07, SDK-07, V1V2-02.

import { OFTEN, each, expect, newAssistant, newThread, play } from '../node/common.mjs';
import {
  ALL_CITED, ANSWER, GUEST, MENU, PRICES, SHORT_ANSWER, SOUP, checkCitations, streamed, uploaded,
} from '../node/documents.mjs';

function checkQuotes(message, words) {
  const quotes = message.content[0].text.annotations.map((a) => a.file_citation.quote);
  expect(`quotes in ${quotes} (ANN-01)`, words.map((word, n) => quotes[n].includes(word)), words.map(() => true));
}

await play(async (client) => {
  const { threads } = client.beta;
  const file_ids = [await uploaded(client, MENU), await uploaded(client, PRICES)];
  const assistant = await newAssistant(client, { tools: [{ type: 'retrieval' }], file_ids });
  expect('file_ids (ASST-09)', assistant.file_ids, file_ids);

  const thread = await newThread(client, SOUP);
  const run = { assistant_id: assistant.id };
  const { heard, message } = await streamed(client, threads.runs.stream(thread.id, run));
  const [[begun]] = heard.of('toolCallCreated');
  expect('begun (STR-08)', [begun.type, begun.retrieval], ['retrieval', {}]);
  await checkCitations(client, message, SHORT_ANSWER, ['menu.md', 'prices.txt']);
  checkQuotes(message, ['pumpkin', 'price']);
  const [step] = await each(threads.runs.steps.list(thread.id, message.run_id, { order: 'asc' }));
  const [call] = step.step_details.tool_calls;
  expect('that it took place (STEP-08)', [call.type, call.retrieval], ['retrieval', {}]);

  const question = { role: 'user', content: SOUP, file_ids: [await uploaded(client, GUEST)] };
  const other = await threads.create({ messages: [question] });
  const done = await threads.runs.createAndPoll(other.id, run, OFTEN);
  expect('end', done.status, 'completed');
  const [answer] = await each(threads.messages.list(other.id));
  await checkCitations(client, answer, ANSWER, ALL_CITED);
  checkQuotes(answer, ['pumpkin', 'price', 'walnuts']);
});

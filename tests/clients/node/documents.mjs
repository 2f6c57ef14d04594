// The files that users search in, and what has to hold for answers that cite them.

import { ERA, Recorder, expect, textOf, toFile, within } from './common.mjs';

export const SOUP = 'Which soup may the guest have, and what does it cost?';
export const MENU = ['menu.md', '# Menu\n\nThe soup of the day is **pumpkin** soup.\n'];
export const PRICES = ['prices.txt', 'The price of a soup is 7 €, with bread.\n'];
export const GUEST = ['guest.html', '<html><body><p>The guest must not eat walnuts.</p></body></html>'];
export const PICTURE = ['soup.png', '\x89PNG\r\n\x1a\n'];

export const ANSWER = '🥣 Pumpkin soup[0] for 7 €[1]; 👩‍🍳 no walnuts[2].';
export const SHORT_ANSWER = '🥣 Pumpkin soup[0] for 7 €[1].';
export const ALL_CITED = ['menu.md', 'prices.txt', 'guest.html'];

const SEARCH_RUN = [
  'thread.run.created', 'thread.run.queued', 'thread.run.in_progress',
  'thread.run.step.created', 'thread.run.step.in_progress', 'thread.run.step.delta',
  'thread.run.step.completed', 'thread.run.step.created', 'thread.run.step.in_progress',
  'thread.message.created', 'thread.message.in_progress', 'thread.message.delta',
  'thread.message.completed', 'thread.run.step.completed', 'thread.run.completed',
];

export const fileOf = ([name, text]) => toFile(Buffer.from(text, name === 'soup.png' ? 'latin1' : 'utf8'), name);

export async function uploaded(client, document) {
  return (await client.files.create({ file: await fileOf(document), purpose: 'assistants' })).id;
}

/** Check an answer against its text with footnotes and the names of the files that it cites. */
export async function checkCitations(client, message, answer, names) {
  // Offsets count code points (ANN-02), and JavaScript's strings UTF-16 units.
  const points = [...textOf(message)];
  let text = textOf(message);
  const cited = [];
  for (const [n, annotation] of message.content[0].text.annotations.entries()) {
    const marker = points.slice(annotation.start_index, annotation.end_index).join('');
    expect('exact to the code point (ANN-02)', marker, annotation.text);
    text = text.replace(annotation.text, `[${n}]`);
    cited.push((await client.files.retrieve(annotation.file_citation.file_id)).filename);
  }
  expect('text and files (ANN-03)', [text, cited], [answer, names]);
}

/** Return what was heard of a run that searches, and the message at its end as it is stored. */
export async function streamed(client, stream) {
  const heard = new Recorder(stream);
  expect('final run (SDK-09)', (await stream.finalRun()).status, 'completed');
  const [final] = await stream.finalMessages();
  const message = await client.beta.threads.messages.retrieve(...within(final.thread_id, final.id));
  // 4.36.0 never adds to a list of objects: its own message has the first annotation only.
  if (ERA === 'v2') expect('final message', final, message);
  const steps = await stream.finalRunSteps();
  expect('events (STR-08)', heard.eventNames(), SEARCH_RUN);
  expect('steps', steps.map((step) => step.type), ['tool_calls', 'message_creation']);
  checkTextDeltas(heard, message);
  return { heard, message };
}

// The deltas add up to the message (SDK-05, STR-10, STR-11, ANN-07).
function checkTextDeltas(heard, message) {
  const deltas = heard.of('textDelta').map(([delta]) => delta);
  const { value, annotations } = message.content[0].text;
  expect('the deltas add up', deltas.map((delta) => delta.value).join(''), value);
  const told = deltas.flatMap((delta) => delta.annotations ?? []);
  const places = (list) => list.map((a) => [a.text, a.start_index, a.end_index, a.file_citation.file_id]);
  expect('annotations, each once', places(told), places(annotations));
  expect('index (ANN-07)', told.map((a) => a.index), told.map((_, n) => n));
}

// Every method of files, and the list of models (FILE-01 to FILE-07, ERR-61, LIST-11).

import {
  BadRequestError, ERA, MODEL, NotFoundError, each, expect, idsOf, newFile, play, refusalOf, remove,
} from './common.mjs';

const LINES = '{"messages": []}\n';

async function oneFile(client) {
  const { files } = client;
  const made = await newFile(client, 'notes.txt', 'some words');
  expect('id prefix (ID-02)', made.id.slice(0, 5), 'file-');
  const shown = [made.object, made.bytes, made.filename, made.purpose, made.status];
  expect('fields (FILE-01)', shown, ['file', 10, 'notes.txt', 'assistants', 'processed']);
  expect('retrieved', await files.retrieve(made.id), made);
  expect('ready', (await files.waitForProcessing(made.id, { pollInterval: 20 })).id, made.id);
  const { error } = await refusalOf(BadRequestError, files.content(made.id));
  expect('ERR-61', error.message, 'Not allowed to download files of purpose: assistants');
  const gone = await remove(files, made.id);
  expect('deletion (FILE-07)', [gone.id, gone.object, gone.deleted], [made.id, 'file', true]);
  await refusalOf(NotFoundError, files.retrieve(made.id));
}

async function content(client) {
  const { files } = client;
  const made = await newFile(client, 'tune.jsonl', LINES, 'fine-tune');
  const answer = await files.content(made.id);
  expect('content (FILE-05)', await answer.text(), LINES);
  if (ERA === 'v1') expect('the old method', await files.retrieveContent(made.id), LINES);
  await remove(files, made.id);
}

async function pages(client) {
  const { files } = client;
  const made = [];
  for (let n = 0; n < 5; n += 1) made.push((await newFile(client, `${n}.txt`)).id);
  const query = ERA === 'v1' ? { purpose: 'assistants' } : { purpose: 'assistants', limit: 2 };
  const seen = idsOf(await each(files.list(query)));
  expect('newest first, all pages (LIST-11)', seen.slice(0, 5), made.toReversed());
}

async function models(client) {
  const known = idsOf(await each(client.models.list()));
  expect('known models', known.includes(MODEL), true);
  expect('one model', (await client.models.retrieve(MODEL)).id, MODEL);
}

await play(async (client) => {
  await oneFile(client);
  await content(client);
  await pages(client);
  await models(client);
});

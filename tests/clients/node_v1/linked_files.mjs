// Assistant files and message files, which only v1 clients have (ASST-10, MSG-10).

import { NotFoundError, each, expect, idsOf, newAssistant, newFile, play, refusalOf } from '../node/common.mjs';

async function fiveFiles(client) {
  const made = [];
  for (let n = 0; n < 5; n += 1) made.push((await newFile(client, `${n}.txt`)).id);
  return made;
}

async function assistantFiles(client) {
  const { assistants } = client.beta;
  const made = await fiveFiles(client);
  const assistant = await newAssistant(client, { tools: [{ type: 'code_interpreter' }] });
  for (const file_id of made) {
    const link = await assistants.files.create(assistant.id, { file_id });
    expect('link (ASST-10)', [link.id, link.object], [file_id, 'assistant.file']);
  }
  const listed = await each(assistants.files.list(assistant.id, { limit: 2, order: 'asc' }));
  expect('five over three pages', idsOf(listed), made);
  expect('retrieved', await assistants.files.retrieve(assistant.id, made[0]), listed[0]);
  const gone = await assistants.files.del(assistant.id, made[0]);
  const wanted = { id: made[0], object: 'assistant.file.deleted', deleted: true };
  expect('detached (ASST-10)', gone, wanted);
  await refusalOf(NotFoundError, assistants.files.retrieve(assistant.id, made[0]));
  expect('the file stays', (await client.files.retrieve(made[0])).id, made[0]);
}

async function messageFiles(client) {
  const { messages } = client.beta.threads;
  const file_ids = await fiveFiles(client);
  const thread = await client.beta.threads.create();
  const message = await messages.create(thread.id, { role: 'user', content: 'look', file_ids });
  expect('file_ids (MSG-01)', message.file_ids, file_ids);
  const query = { limit: 2, order: 'asc' };
  const listed = await each(messages.files.list(thread.id, message.id, query));
  expect('five over three pages', idsOf(listed), file_ids);
  const same = await messages.files.retrieve(thread.id, message.id, file_ids[0]);
  expect('retrieved (MSG-10)', same, listed[0]);
}

await play(async (client) => {
  await assistantFiles(client);
  await messageFiles(client);
});

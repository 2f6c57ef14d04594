// Every method of threads and messages that starts no run (THR-01 to THR-05, MSG-08, LIST-03).

import {
  NotFoundError, each, expect, idsOf, newThread, play, refusalOf, remove, textOf, within,
} from './common.mjs';

async function oneThread(client) {
  const { threads } = client.beta;
  expect('an empty thread (GEN-03)', (await threads.create()).object, 'thread');
  const made = await threads.create({
    messages: [{ role: 'user', content: 'first' }, { role: 'assistant', content: 'second' }],
    metadata: { topic: 'order' },
  });
  expect('retrieved', await threads.retrieve(made.id), made);
  const messages = await each(threads.messages.list(made.id, { order: 'asc' }));
  expect('messages in order (THR-03)', messages.map(textOf), ['first', 'second']);
  const changed = await threads.update(made.id, { metadata: { topic: 'new' } });
  expect('replaced metadata (ASST-08)', changed.metadata, { topic: 'new' });
  const gone = await remove(threads, made.id);
  expect('deletion (THR-05)', gone, { id: made.id, object: 'thread.deleted', deleted: true });
  await refusalOf(NotFoundError, threads.retrieve(made.id));
}

async function allOfMessages(client) {
  const { messages } = client.beta.threads;
  const thread = await newThread(client, 'number 0');
  const made = await messages.create(thread.id, { role: 'user', content: 'hello' });
  expect('no run made it (MSG-08)', [made.assistant_id, made.run_id], [null, null]);
  expect('retrieved', await messages.retrieve(...within(thread.id, made.id)), made);
  const changed = await messages.update(...within(thread.id, made.id, { metadata: { a: '1' } }));
  expect('changed (MSG-09)', [changed.metadata, textOf(changed)], [{ a: '1' }, 'hello']);

  for (let n = 2; n < 5; n += 1) await messages.create(thread.id, { role: 'user', content: `${n}` });
  const oldestFirst = idsOf(await each(messages.list(thread.id, { limit: 2, order: 'asc' })));
  expect('five over three pages (LIST-03)', oldestFirst.length, 5);
  const newestFirst = idsOf(await each(messages.list(thread.id, { limit: 2 })));
  expect('default order (LIST-02)', newestFirst, oldestFirst.toReversed());
}

await play(async (client) => {
  await oneThread(client);
  await allOfMessages(client);
});

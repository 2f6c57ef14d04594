// What only v2 messages have: parts and delete (MSG-05, MSG-09, LIST-08).

import { NotFoundError, each, expect, idsOf, play, refusalOf, within } from '../node/common.mjs';

const URL = 'https://example.com/cat.png';

await play(async (client) => {
  const { messages } = client.beta.threads;
  const thread = await client.beta.threads.create();
  const content = [
    { type: 'text', text: 'what is this?' },
    { type: 'image_url', image_url: { url: URL, detail: 'low' } },
  ];
  for (let n = 0; n < 5; n += 1) await messages.create(thread.id, { role: 'user', content });
  const listed = await each(messages.list(thread.id, { limit: 2 }));
  const wanted = [
    { type: 'text', text: { value: 'what is this?', annotations: [] } },
    { type: 'image_url', image_url: { url: URL, detail: 'low' } },
  ];
  expect('parts (MSG-05)', listed[0].content, wanted);

  const [, second, ...rest] = idsOf(listed);
  const gone = await messages.delete(...within(thread.id, second));
  expect('deletion (MSG-09)', gone, { id: second, object: 'thread.message.deleted', deleted: true });
  await refusalOf(NotFoundError, messages.retrieve(...within(thread.id, second)));
  const after = await each(messages.list(thread.id, { limit: 2, after: second }));
  expect('after a deleted one (LIST-08)', idsOf(after), rest);
});

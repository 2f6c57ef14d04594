// Every method of vector stores, their files and batches, and searches (VS-01 to VS-13, SDK-12).

import {
  NotFoundError, OFTEN, each, expect, idsOf, play, refusalOf,
} from '../node/common.mjs';
import { GUEST, MENU, PICTURE, PRICES, fileOf, uploaded } from '../node/documents.mjs';

const counted = (counts) => Object.fromEntries(Object.entries(counts).filter(([, n]) => n));

async function storesThemselves({ vectorStores }) {
  const made = await vectorStores.create({
    name: 'Meals', expires_after: { anchor: 'last_active_at', days: 30 }, metadata: { a: '1' },
  });
  const shown = [made.object, made.name, made.status, made.usage_bytes];
  expect('new (VS-01)', shown, ['vector_store', 'Meals', 'completed', 0]);
  expect('expiry (VS-03)', made.expires_at - made.last_active_at, 30 * 86400);
  expect('retrieved', await vectorStores.retrieve(made.id), made);
  const changed = await vectorStores.update(made.id, { name: 'Soups', expires_after: null });
  expect('changed', [changed.name, changed.expires_at, changed.metadata], ['Soups', null, { a: '1' }]);
  const more = [];
  for (let n = 0; n < 4; n += 1) more.push((await vectorStores.create({})).id);
  const listed = idsOf(await each(vectorStores.list({ limit: 2 })));
  expect('five over three pages (LIST-02)', listed.slice(0, 5), [...more.toReversed(), made.id]);
  const gone = await vectorStores.delete(made.id);
  expect('deleted (VS-10)', gone, { id: made.id, object: 'vector_store.deleted', deleted: true });
  await refusalOf(NotFoundError, vectorStores.retrieve(made.id));
}

async function files(client) {
  const { vectorStores } = client;
  const vector_store_id = (await vectorStores.create({})).id;
  const inside = { vector_store_id };
  const file_id = await uploaded(client, MENU);
  const made = await vectorStores.files.create(vector_store_id, { file_id, attributes: { n: 1 } });
  const shown = [made.id, made.object, made.status, made.usage_bytes];
  expect('added (VS-06)', shown, [file_id, 'vector_store.file', 'in_progress', 0]);
  const done = await vectorStores.files.poll(vector_store_id, file_id, OFTEN);
  expect('read (VS-06)', [done.status, done.attributes], ['completed', { n: 1 }]);
  expect('retrieved', await vectorStores.files.retrieve(file_id, inside), done);
  const [text] = await each(vectorStores.files.content(file_id, inside));
  expect('text (VS-13)', text.text.includes('The soup of the day is'), true);
  const changed = await vectorStores.files.update(file_id, { ...inside, attributes: { m: 'x' } });
  expect('replaced (VS-11)', changed.attributes, { m: 'x' });

  const other = await uploaded(client, PRICES);
  const polled = await vectorStores.files.createAndPoll(vector_store_id, { file_id: other }, OFTEN);
  expect('created and polled (SDK-12)', polled.status, 'completed');
  // Here the pace is the server's `openai-poll-after-ms` (GEN-10).
  const third = await vectorStores.files.uploadAndPoll(vector_store_id, await fileOf(GUEST));
  expect('uploaded and polled (SDK-12)', third.status, 'completed');
  const added = await vectorStores.files.upload(vector_store_id, await fileOf(PICTURE));
  const failed = await vectorStores.files.poll(vector_store_id, added.id, OFTEN);
  const wanted = { code: 'unsupported_file', message: 'The file type is not supported.' };
  expect('failed alone (VS-08)', [failed.status, failed.last_error], ['failed', wanted]);
  const all = await each(vectorStores.files.list(vector_store_id, { limit: 2, order: 'asc' }));
  expect('four over two pages', idsOf(all), [file_id, other, third.id, added.id]);
  const bad = await each(vectorStores.files.list(vector_store_id, { filter: 'failed' }));
  expect('filter (LIST-09)', idsOf(bad), [added.id]);

  const gone = await vectorStores.files.delete(file_id, inside);
  const removed = { id: file_id, object: 'vector_store.file.deleted', deleted: true };
  expect('removed (VS-10)', gone, removed);
  expect('the file stays (VS-10)', (await client.files.retrieve(file_id)).id, file_id);
}

async function batches(client) {
  const { vectorStores } = client;
  const { fileBatches } = vectorStores;
  const vector_store_id = (await vectorStores.create({})).id;
  const inside = { vector_store_id };
  const file_ids = [await uploaded(client, MENU), await uploaded(client, PICTURE)];
  const made = await fileBatches.create(vector_store_id, { file_ids });
  expect('a batch (VS-09)', [made.object, made.file_counts.total], ['vector_store.file_batch', 2]);
  const done = await fileBatches.poll(vector_store_id, made.id, OFTEN);
  const shown = [done.status, counted(done.file_counts)];
  expect('done (VS-09)', shown, ['completed', { completed: 1, failed: 1, total: 2 }]);
  expect('retrieved', await fileBatches.retrieve(made.id, inside), done);
  expect('cancelled too late (VS-09)', await fileBatches.cancel(made.id, inside), done);
  const listed = await each(fileBatches.listFiles(made.id, { ...inside, limit: 1, order: 'asc' }));
  expect('its files', idsOf(listed), file_ids);

  const body = { file_ids: [await uploaded(client, PRICES)] };
  const again = await fileBatches.createAndPoll(vector_store_id, body, OFTEN);
  expect('created and polled (SDK-12)', counted(again.file_counts), { completed: 1, total: 1 });
  const fileIds = [await uploaded(client, PRICES)];
  const three = { files: [await fileOf(GUEST), await fileOf(MENU)], fileIds };
  const more = await fileBatches.uploadAndPoll(vector_store_id, three);
  expect('uploaded and polled (SDK-12)', counted(more.file_counts), { completed: 3, total: 3 });
}

async function searches(client) {
  const { vectorStores } = client;
  const store = await vectorStores.create({});
  for (const [year, document] of [MENU, PRICES, GUEST].entries()) {
    const body = { file_id: await uploaded(client, document), attributes: { year } };
    await vectorStores.files.createAndPoll(store.id, body, OFTEN);
  }
  const found = (query, options = {}) => each(vectorStores.search(store.id, { query, ...options }));
  const [best] = await found('the soup of the day');
  const shown = [best.filename, best.attributes, best.content[0].text.includes('pumpkin')];
  expect('best (VS-12)', shown, ['menu.md', { year: 0 }, true]);
  expect('score in 0..1', best.score > 0 && best.score <= 1, true);
  const filters = { key: 'year', type: 'gte', value: 1 };
  const names = (await found(['soup', 'guest'], { filters })).map((one) => one.filename);
  expect('filter (VS-11)', names.toSorted(), ['guest.html', 'prices.txt']);
  expect('at most one (VS-12)', (await found('soup guest', { max_num_results: 1 })).length, 1);
}

await play(async (client) => {
  await storesThemselves(client);
  await files(client);
  await batches(client);
  await searches(client);
});

// Every method of uploads in parts (UPL-01, UPL-02).

import { BadRequestError, NotFoundError, expect, play, refusalOf, toFile } from '../node/common.mjs';

const LINES = '{"messages": []}\n'.repeat(3);
const ANNOUNCED = {
  filename: 'naïve 文件.jsonl', purpose: 'fine-tune', bytes: LINES.length, mime_type: 'text/jsonl',
};

const piece = (text) => toFile(Buffer.from(text), 'piece');

async function oneUpload({ files, uploads }) {
  const upload = await uploads.create(ANNOUNCED);
  const shown = [upload.object, upload.status, upload.filename, 'file' in upload];
  expect('pending (UPL-01)', shown, ['upload', 'pending', ANNOUNCED.filename, false]);
  const texts = [LINES.slice(34), LINES.slice(0, 17), LINES.slice(17, 34)];
  const parts = await Promise.all(
    texts.map(async (text) => uploads.parts.create(upload.id, { data: await piece(text) })),
  );
  expect('parts (UPL-02)', parts.map((part) => part.upload_id), texts.map(() => upload.id));
  const order = [parts[1].id, parts[2].id, parts[0].id];
  const done = await uploads.complete(upload.id, { part_ids: order });
  expect('completed (UPL-02)', [done.status, done.file.bytes], ['completed', LINES.length]);
  expect('a file like others', await files.retrieve(done.file.id), done.file);
  expect('joined in order', await (await files.content(done.file.id)).text(), LINES);
  await refusalOf(BadRequestError, uploads.complete(upload.id, { part_ids: order }));
}

async function cancelled({ uploads }) {
  const upload = await uploads.create(ANNOUNCED);
  expect('cancelled (UPL-02)', (await uploads.cancel(upload.id)).status, 'cancelled');
  const data = await piece(LINES);
  await refusalOf(BadRequestError, uploads.parts.create(upload.id, { data }));
  await refusalOf(NotFoundError, uploads.cancel('upload_unknown'));
}

await play(async (client) => {
  await oneUpload(client);
  await cancelled(client);
});

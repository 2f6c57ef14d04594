// Every method of assistants (ASST-03, ASST-08, ASST-11, LIST-02 to LIST-05).

import {
  MODEL, NotFoundError, WEATHER_TOOL, each, expect, idsOf, newAssistant, play, refusalOf, remove,
} from './common.mjs';

async function oneAssistant(client) {
  const { assistants } = client.beta;
  const made = await assistants.create({
    model: MODEL,
    name: 'Tutor',
    instructions: 'Be brief.',
    tools: [WEATHER_TOOL],
    metadata: { team: 'red' },
  });
  expect('id prefix (ID-01)', made.id.slice(0, 5), 'asst_');
  expect('tool echo (ASST-05)', made.tools[0].function.name, 'get_weather');
  expect('retrieved', await assistants.retrieve(made.id), made);

  const changed = await assistants.update(made.id, { name: 'Coach' });
  expect('changed (ASST-08)', [changed.name, changed.instructions], ['Coach', 'Be brief.']);
  const gone = await remove(assistants, made.id);
  expect('deletion (ASST-11)', gone, { id: made.id, object: 'assistant.deleted', deleted: true });
  await refusalOf(NotFoundError, assistants.retrieve(made.id));
}

async function pages(client) {
  const { assistants } = client.beta;
  const made = [];
  for (let n = 0; n < 5; n += 1) made.push((await newAssistant(client)).id);
  const newestFirst = idsOf(await each(assistants.list({ limit: 2 })));
  expect('five newest over three pages (LIST-02)', newestFirst.slice(0, 5), made.toReversed());
  const rest = await each(assistants.list({ limit: 2, order: 'asc', after: made[0] }));
  expect('ascending after the first (LIST-04)', idsOf(rest), made.slice(1));
  const page = await assistants.list({ limit: 2, order: 'asc', before: made[3] });
  expect('the page before the fourth (LIST-05)', idsOf(page.data), made.slice(1, 3));
}

async function raw(client) {
  const { data, response } = await client.beta.assistants.create({ model: MODEL }).withResponse();
  expect('request id (GEN-08)', response.headers.get('x-request-id').slice(0, 4), 'req_');
  const answer = await client.beta.assistants.retrieve(data.id).asResponse();
  expect('raw response', [answer.status, (await answer.json()).id], [200, data.id]);
}

await play(async (client) => {
  await oneAssistant(client);
  await pages(client);
  await raw(client);
});

// The package's Azure client: `/openai`, an `api-key` header and an `api-version` to ignore.

import { PATIENCE, PLAIN, PLAIN_ANSWER, expect, newAssistant, newThread, openai, textOf } from '../node/common.mjs';

const endpoint = process.env.OPENAI_BASE_URL.replace(/\/v1$/, '');
delete process.env.OPENAI_BASE_URL;
const client = new openai.AzureOpenAI({
  ...PATIENCE,
  endpoint,
  apiKey: process.env.OPENAI_API_KEY,
  apiVersion: '2024-05-01-preview',
});
const assistant = await newAssistant(client);
const thread = await newThread(client, PLAIN);
const stream = client.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id });
expect('text', (await stream.finalMessages()).map(textOf), [PLAIN_ANSWER]);
console.log('{"passed": true}');

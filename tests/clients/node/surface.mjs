// Print the methods that this package has, by the name of their resource.

import { OpenAI } from './common.mjs';

const client = new OpenAI({ apiKey: 'any' });
const { assistants, threads } = client.beta;
const resources = {
  assistants,
  'assistants.files': assistants.files,
  threads,
  messages: threads.messages,
  'messages.files': threads.messages.files,
  runs: threads.runs,
  steps: threads.runs.steps,
  files: client.files,
  uploads: client.uploads,
  parts: client.uploads?.parts,
  vectorStores: client.vectorStores,
  'vectorStores.files': client.vectorStores?.files,
  fileBatches: client.vectorStores?.fileBatches,
};

function methodsOf(resource) {
  const kind = Object.getPrototypeOf(resource);
  return Object.getOwnPropertyNames(kind).filter((name) => name !== 'constructor');
}

const present = Object.entries(resources).filter(([, resource]) => resource);
console.log(JSON.stringify(Object.fromEntries(present.map(([n, r]) => [n, methodsOf(r)]))));

// Two parallel function calls, answered in three ways (RUN-12 to 15, RUN-41, STEP-05, STR-05, STR-06).

import {
  ALOUD, BadRequestError, CITIES, ERA, FUNCTIONS, FUNCTIONS_ANSWER, MESSAGE_STEP, OFTEN, RUN_STARTS,
  Recorder, WEATHER_TOOL, callsOf, each, expect, newAssistant, newThread, outputsFor, play,
  refusalOf, textOf, weatherRun, within,
} from './common.mjs';

function checkTheCalls(run) {
  const cities = callsOf(run).map((call) => JSON.parse(call.function.arguments).city);
  expect('cities', cities, CITIES);
}

async function checkTheEnd(client, run) {
  expect('end', [run.status, run.required_action], ['completed', null]);
  const [newest] = await each(client.beta.threads.messages.list(run.thread_id));
  expect('answer', textOf(newest), FUNCTIONS_ANSWER);
  const listed = client.beta.threads.runs.steps.list(
    ...within(run.thread_id, run.id, { order: 'asc' }),
  );
  const [step] = await each(listed);
  const outputs = step.step_details.tool_calls.map((call) => call.function.output);
  expect('outputs kept (STEP-06)', outputs, ['20 degrees', '21 degrees']);
}

async function submitPlainly(client) {
  const { runs } = client.beta.threads;
  const run = await weatherRun(client);
  checkTheCalls(run);
  const body = { tool_outputs: outputsFor(run) };
  const answer = await runs.submitToolOutputs(...within(run.thread_id, run.id, body));
  expect('queued again (RUN-13)', answer.status, 'queued');
  const done = await runs.poll(...within(run.thread_id, run.id, undefined, OFTEN));
  await checkTheEnd(client, done);
  const late = runs.submitToolOutputs(...within(run.thread_id, run.id, body));
  const { error } = await refusalOf(BadRequestError, late);
  const text = 'Runs in status "completed" do not accept tool outputs.';
  expect('too late (ERR-52)', error.message, text);
}

async function submitAndPoll(client) {
  const run = await weatherRun(client);
  const body = { tool_outputs: outputsFor(run) };
  const { runs } = client.beta.threads;
  const done = await runs.submitToolOutputsAndPoll(...within(run.thread_id, run.id, body, OFTEN));
  await checkTheEnd(client, done);
}

async function streamBothLegs(client) {
  const { runs } = client.beta.threads;
  const assistant = await newAssistant(client, { tools: [WEATHER_TOOL] });
  const thread = await newThread(client, FUNCTIONS);
  const first = runs.stream(thread.id, { assistant_id: assistant.id });
  const heard = new Recorder(first);
  const run = await first.finalRun();
  checkTheCalls(run);
  const step = [
    'thread.run.step.created', 'thread.run.step.in_progress', 'thread.run.step.delta',
    'thread.run.requires_action',
  ];
  expect('events (STR-05)', heard.eventNames(), [...RUN_STARTS, ...step]);
  if (ERA === 'v2') checkToolCallEvents(heard);

  const body = { tool_outputs: outputsFor(run) };
  const second = runs.submitToolOutputsStream(...within(thread.id, run.id, body));
  const heardThen = new Recorder(second);
  await checkTheEnd(client, await second.finalRun());
  const starts = ['thread.run.step.completed', 'thread.run.queued', 'thread.run.in_progress'];
  expect('events (STR-06)', heardThen.eventNames(), [...starts, ...MESSAGE_STEP]);
  expect('text', (await second.finalMessages()).map(textOf), [FUNCTIONS_ANSWER]);
}

// 4.36.0 adds only the first tool call to its snapshot, and without arguments (SDK-11).
function checkToolCallEvents(heard) {
  const done = heard.of('toolCallDone').map(([call]) => JSON.parse(call.function.arguments).city);
  expect('tool calls done (STR-09)', done, CITIES);
  expect('tool calls created', heard.of('toolCallCreated').length, 2);
}

// 7.57.0 refuses a step that begins before the step before it has ended.
async function textBeforeTheCall(client) {
  const { runs } = client.beta.threads;
  const assistant = await newAssistant(client, { tools: [WEATHER_TOOL] });
  const thread = await newThread(client, ALOUD);
  const stream = runs.stream(thread.id, { assistant_id: assistant.id });
  const heard = new Recorder(stream);
  const run = await stream.finalRun();
  expect('said', (await stream.finalMessages()).map(textOf), ['Let me look.']);
  const steps = heard.names().filter((name) => /^(runStep|toolCall)(Created|Done)$/.test(name));
  expect('one after the other', steps, [
    'runStepCreated', 'runStepDone', 'toolCallCreated', 'toolCallDone',
  ]);
  const body = { tool_outputs: outputsFor(run) };
  const done = await runs.submitToolOutputsAndPoll(...within(thread.id, run.id, body, OFTEN));
  expect('end', done.status, 'completed');
}

await play(async (client) => {
  await submitPlainly(client);
  await submitAndPoll(client);
  await streamBothLegs(client);
  await textBeforeTheCall(client);
});

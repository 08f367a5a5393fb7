// The AI SDK against a server at OPENAI_BASE_URL, through both of its doors to the Responses API.

import assert from "node:assert/strict";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, Output, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { failure, run } from "./scenarios.mjs";

const baseURL = process.env.OPENAI_BASE_URL;
const openai = createOpenAI({ baseURL });
const open = createOpenResponses({ name: "open", url: `${baseURL}/responses` });

function weather(asked) {
  return tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return `rain in ${city}`;
    },
  });
}

/** A loop over two calls and an answer. */
async function loop(model, providerOptions) {
  const asked = [];
  const result = await generateText({
    model,
    prompt: "Oslo and Rome?",
    tools: { weather: weather(asked) },
    stopWhen: isStepCount(5),
    include: { requestBody: true },
    maxRetries: 0,
    providerOptions,
  });
  assert.deepEqual(asked, ["Oslo", "Rome"]);
  assert.equal(result.steps.length, 3);
  assert.equal(result.text, "It rains in both.");
  return result;
}

/** The last request of a loop, as it went out. */
const askedWith = (result) => JSON.stringify(result.steps.at(-1).request.body);

/** The parts of a stream in their order, deltas joined. */
async function parts(result) {
  const seen = [];
  const texts = { text: "", reasoning: "" };
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") texts.text += part.text;
    if (part.type === "reasoning-delta") texts.reasoning += part.text;
    if (seen.at(-1) !== part.type) seen.push(part.type);
  }
  return { seen, ...texts };
}

await run({
  async text_and_a_summary_streamed() {
    const result = streamText({
      model: openai.responses("o4-mini"),
      prompt: "2 + 2?",
      maxRetries: 0,
      providerOptions: { openai: { reasoningSummary: "auto" } },
    });
    const { seen, text, reasoning } = await parts(result);
    assert.equal(text, "It is four.");
    assert(reasoning.length > 0);
    const order = ["reasoning-start", "reasoning-end", "text-start", "text-delta", "text-end"];
    assert.deepEqual(seen.filter((type) => order.includes(type)), order);
    assert.equal(seen.at(-1), "finish");
    assert((await result.usage).totalTokens > 0);
  },

  async a_loop_that_refers_to_stored_items() {
    const result = await loop(openai.responses("three-steps"));
    assert(askedWith(result).includes("item_reference"));
  },

  async a_loop_with_nothing_stored() {
    const result = await loop(openai.responses("three-steps"), {
      openai: { store: false, include: ["reasoning.encrypted_content"], reasoningSummary: "auto" },
    });
    assert(askedWith(result).includes("encrypted_content"));
  },

  async a_loop_through_open_responses() {
    await loop(open("three-steps"));
  },

  async a_stream_through_open_responses() {
    const result = streamText({ model: open("o4-mini"), prompt: "2 + 2?", maxRetries: 0 });
    assert.equal((await parts(result)).text, "It is four.");
  },

  async an_object() {
    const schema = z.object({ name: z.string(), age: z.number() });
    const output = Output.object({ schema });
    const ask = { model: openai.responses("person"), prompt: "Who?", output, maxRetries: 0 };
    assert.deepEqual((await generateText(ask)).output, { name: "Ada", age: 36 });
    assert.deepEqual(await streamText(ask).output, { name: "Ada", age: 36 });
  },

  async code_interpreter() {
    const result = await generateText({
      model: openai.responses("python"),
      prompt: "6 * 7?",
      tools: { code_interpreter: openai.tools.codeInterpreter({}) },
      maxRetries: 0,
    });
    assert.equal(result.text, "It is 42.");
    assert.equal(result.toolCalls[0].input.code, "print(6 * 7)");
    assert.deepEqual(result.toolResults[0].output.outputs, [{ type: "logs", logs: "42" }]);
  },

  async chat() {
    const result = await generateText({
      model: openai.chat("o4-mini"),
      prompt: "2 + 2?",
      maxRetries: 0,
    });
    assert.equal(result.text, "It is four.");
  },

  async errors() {
    const ask = (model) => generateText({ model: openai.responses(model), prompt: "?", maxRetries: 0 });
    const missing = await failure(ask("none"));
    assert(APICallError.isInstance(missing), missing);
    assert.equal(missing.statusCode, 404);
    assert.equal(missing.data.error.code, "model_not_found");
    const result = streamText({
      model: openai.responses("broken"),
      prompt: "?",
      maxRetries: 0,
      onError: () => {},
    });
    await failure(parts(result));
  },
});

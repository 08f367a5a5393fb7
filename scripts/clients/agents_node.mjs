// The OpenAI Agents SDK for JavaScript against a server at OPENAI_BASE_URL.

import assert from "node:assert/strict";
import {
  Agent,
  Runner,
  OpenAIConversationsSession,
  OpenAIResponsesModel,
  OpenAIResponsesWSModel,
  codeInterpreterTool,
  setTracingDisabled,
  tool,
} from "@openai/agents";
import OpenAI from "openai";
import { WebSocket } from "ws";
import { z } from "zod";
import { run, until } from "./scenarios.mjs";

// Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket;
setTracingDisabled(true);
const client = new OpenAI({ maxRetries: 0 });
const model = (name) => new OpenAIResponsesModel(client, name);
const runner = new Runner({ tracingDisabled: true });

function weather(asked) {
  return tool({
    name: "weather",
    description: "The weather of a city",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return `rain in ${city}`;
    },
  });
}

const types = (result) => result.newItems.map((item) => item.type);

await run({
  async a_tool_loop() {
    const asked = [];
    const agent = new Agent({ name: "A", model: model("three-steps"), tools: [weather(asked)] });
    const result = await runner.run(agent, "Oslo and Rome?");
    assert.deepEqual(asked, ["Oslo", "Rome"]);
    assert.equal(result.finalOutput, "It rains in both.");
    const step = ["reasoning_item", "tool_call_item", "tool_call_output_item"];
    assert.deepEqual(types(result), [...step, ...step, "message_output_item"]);
  },

  async a_tool_loop_streamed() {
    const asked = [];
    const agent = new Agent({ name: "A", model: model("two-callers"), tools: [weather(asked)] });
    const result = await runner.run(agent, "Oslo and Rome?", { stream: true });
    let text = "";
    for await (const event of result) {
      if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") {
        text += event.data.delta;
      }
    }
    await result.completed;
    assert.deepEqual(asked.sort(), ["Oslo", "Rome"]);
    assert.equal(result.finalOutput, "It rains in both.");
    assert.equal(text, result.finalOutput);
  },

  async a_structured_output_behind_reasoning() {
    const outputType = z.object({ name: z.string(), age: z.number() });
    const agent = new Agent({ name: "A", model: model("person"), outputType });
    const result = await runner.run(agent, "Who?");
    assert.deepEqual(result.finalOutput, { name: "Ada", age: 36 });
    assert.equal(types(result)[0], "reasoning_item");
  },

  async a_handoff() {
    const poet = new Agent({ name: "poet", model: model("poet") });
    const triage = new Agent({ name: "Triage", model: model("triage"), handoffs: [poet] });
    const result = await runner.run(triage, "A poem?");
    assert.equal(result.finalOutput, "Roses are red.");
    assert.equal(result.lastAgent.name, "poet");
  },

  async turns_by_previous_response_id() {
    const agent = new Agent({ name: "A", model: model("caller"), tools: [weather([])] });
    const first = await runner.run(agent, "Oslo?");
    const previousResponseId = first.lastResponseId;
    const second = await runner.run(agent, "Again?", { previousResponseId });
    assert.equal(second.finalOutput, "It rains in Oslo.");
    const stored = await client.responses.retrieve(second.lastResponseId);
    assert(stored.previous_response_id);
  },

  async turns_by_the_history() {
    const agent = new Agent({ name: "A", model: model("caller"), tools: [weather([])] });
    const first = await runner.run(agent, "Oslo?");
    const second = await runner.run(agent, [...first.history, { role: "user", content: "Again?" }]);
    assert.equal(second.finalOutput, "It rains in Oslo.");
  },

  async a_session_in_a_conversation() {
    const session = new OpenAIConversationsSession({ client });
    const agent = new Agent({ name: "A", model: model("caller"), tools: [weather([])] });
    await runner.run(agent, "Oslo?", { session });
    const result = await runner.run(agent, "Again?", { session });
    assert.equal(result.finalOutput, "It rains in Oslo.");
    assert((await session.getItems()).length >= 8);
  },

  async code_interpreter() {
    const tools = [codeInterpreterTool()];
    const agent = new Agent({ name: "A", model: model("python"), tools });
    const result = await runner.run(agent, "6 * 7?");
    assert.equal(result.finalOutput, "It is 42.");
    const call = result.newItems.find((item) => item.rawItem?.type === "hosted_tool_call");
    assert.equal(call.rawItem.providerData.code, "print(6 * 7)");
  },

  async a_tool_loop_over_a_websocket() {
    const asked = [];
    const overSocket = new OpenAIResponsesWSModel(client, "three-steps");
    const agent = new Agent({ name: "A", model: overSocket, tools: [weather(asked)] });
    const result = await runner.run(agent, "Oslo and Rome?");
    assert.deepEqual(asked, ["Oslo", "Rome"]);
    assert.equal(result.finalOutput, "It rains in both.");
    await overSocket.close();
  },

  async a_streamed_run_that_is_aborted() {
    const controller = new AbortController();
    const agent = new Agent({ name: "A", model: model("slow") });
    const options = { stream: true, signal: controller.signal };
    const result = await runner.run(agent, "?", options);
    let id;
    for await (const event of result) {
      if (event.type !== "raw_model_stream_event") continue;
      id ??= event.data.event?.response?.id ?? event.data.providerData?.response?.id;
      if (event.data.type === "output_text_delta") controller.abort();
    }
    const over = (response) => response.status !== "in_progress";
    const stopped = await until(() => client.responses.retrieve(id), over);
    assert.equal(stopped.status, "cancelled");
  },
});

// The openai client for Node against a server at OPENAI_BASE_URL.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { ResponsesWS } from "openai/resources/responses/ws";
import { z } from "zod";
import { failure, run, until } from "./scenarios.mjs";

const client = new OpenAI({ maxRetries: 0 });
const { responses } = client;
const weather = zodResponsesFunction({
  name: "weather",
  description: "The weather of a city",
  parameters: z.object({ city: z.string() }),
});
const Person = z.object({ name: z.string(), age: z.number() });

await run({
  async create_retrieve_page_delete() {
    const input = [0, 1, 2].map((n) => ({ role: "user", content: `part ${n}` }));
    const made = await responses.create({ model: "o4-mini", input });
    assert.equal(made.output_text, "It is four.");
    const { output_text: _, _request_id: __, ...object } = made;
    const { output_text: ___, _request_id: ____, ...found } = await responses.retrieve(made.id);
    assert.deepEqual(found, object);
    const page = [];
    for await (const item of responses.inputItems.list(made.id, { limit: 2, order: "asc" })) {
      page.push(item.content[0].text);
    }
    assert.deepEqual(page, ["part 0", "part 1", "part 2"]);
    await responses.delete(made.id);
    const error = await failure(responses.retrieve(made.id));
    assert(error instanceof OpenAI.NotFoundError, error);
  },

  async stream_helper_rebuilds_the_response() {
    const stream = responses.stream({
      model: "o4-mini",
      input: "2 + 2?",
      reasoning: { summary: "auto" },
    });
    let text = "";
    stream.on("response.output_text.delta", (event) => (text += event.delta));
    const final = await stream.finalResponse();
    assert.equal(text, "It is four.");
    assert.equal(final.output_text, text);
    assert.deepEqual(
      final.output.map((item) => item.type),
      ["reasoning", "message"],
    );
    assert(final.output[0].summary[0].text.length > 0);
    assert(final.usage.output_tokens_details.reasoning_tokens > 0);
  },

  async parse_with_zod() {
    const text = { format: zodTextFormat(Person, "person") };
    const parsed = await responses.parse({ model: "person", input: "Who?", text });
    assert.deepEqual(parsed.output_parsed, { name: "Ada", age: 36 });
    const stream = responses.stream({ model: "person", input: "Who?", text });
    assert.deepEqual((await stream.finalResponse()).output_parsed, { name: "Ada", age: 36 });
  },

  async a_stream_that_is_left_stops_the_run() {
    const controller = new AbortController();
    const stream = await responses.create(
      { model: "slow", input: "?", stream: true },
      { signal: controller.signal },
    );
    let id;
    for await (const event of stream) {
      if (event.type === "response.created") id = event.response.id;
      if (event.type === "response.output_text.delta") break;
    }
    controller.abort();
    const stopped = await until(
      () => responses.retrieve(id),
      (response) => response.status !== "in_progress",
    );
    assert.equal(stopped.status, "cancelled");
  },

  async background_poll_cancel_twice() {
    const made = await responses.create({ model: "slow", input: "?", background: true });
    assert(["queued", "in_progress"].includes(made.status), made.status);
    const first = await responses.cancel(made.id);
    assert.equal(first.status, "cancelled");
    const { _request_id: _, ...one } = first;
    const { _request_id: __, ...two } = await responses.cancel(made.id);
    assert.deepEqual(two, one);
  },

  async a_background_stream_goes_on_where_it_was_left() {
    const stream = await responses.create({
      model: "o4-mini",
      input: "?",
      background: true,
      stream: true,
    });
    let first;
    for await (const event of stream) {
      first = event;
      break;
    }
    const rest = await responses.retrieve(first.response.id, { stream: true, starting_after: 0 });
    const numbers = [];
    let last;
    for await (const event of rest) {
      numbers.push(event.sequence_number);
      last = event;
    }
    assert.deepEqual(numbers, [...numbers.keys()].map((n) => n + 1));
    assert.equal(last.type, "response.completed");
  },

  async functions_and_previous_response() {
    const ask = { model: "caller", tools: [weather] };
    const first = await responses.create({ ...ask, input: "Oslo?" });
    const call = first.output.find((item) => item.type === "function_call");
    assert.equal(call.name, "weather");
    assert.deepEqual(JSON.parse(call.arguments), { city: "Oslo" });
    const output = { type: "function_call_output", call_id: call.call_id, output: "rain" };
    const previous_response_id = first.id;
    const second = await responses.create({ ...ask, input: [output], previous_response_id });
    assert.equal(second.output_text, "It rains in Oslo.");
    assert.equal(second.previous_response_id, first.id);
  },

  async functions_with_the_whole_history_and_nothing_stored() {
    const ask = {
      model: "caller",
      tools: [weather],
      store: false,
      include: ["reasoning.encrypted_content"],
    };
    const input = [{ role: "user", content: "Oslo?" }];
    const stream = responses.stream({ ...ask, input });
    let streamed = "";
    stream.on("response.function_call_arguments.delta", (event) => (streamed += event.delta));
    const first = await stream.finalResponse();
    const call = first.output.find((item) => item.type === "function_call");
    assert.equal(streamed, call.arguments);
    assert(first.output[0].encrypted_content);
    input.push(...first.output);
    input.push({ type: "function_call_output", call_id: call.call_id, output: "rain" });
    const second = await responses.create({ ...ask, input });
    assert.equal(second.output_text, "It rains in Oslo.");
  },

  async code_interpreter_and_its_container() {
    const file = await client.files.create({
      file: await toFile(Buffer.from("a,b\n1,2\n"), "data.csv"),
      purpose: "user_data",
    });
    const container = await client.containers.create({ name: "work", file_ids: [file.id] });
    const files = await client.containers.files.list(container.id);
    assert.equal(files.data[0].path, "/mnt/data/data.csv");
    const stream = responses.stream({
      model: "python",
      input: "6 * 7?",
      tools: [{ type: "code_interpreter", container: container.id }],
      include: ["code_interpreter_call.outputs"],
    });
    let code = "";
    stream.on("response.code_interpreter_call_code.delta", (event) => (code += event.delta));
    const final = await stream.finalResponse();
    const call = final.output.find((item) => item.type === "code_interpreter_call");
    assert.equal(call.code, "print(6 * 7)");
    assert.equal(code, call.code);
    assert.equal(call.container_id, container.id);
    assert.deepEqual(call.outputs, [{ type: "logs", logs: "42" }]);
    assert.equal(final.output_text, "It is 42.");
    await client.containers.delete(container.id);
  },

  async conversations() {
    const conversation = await client.conversations.create({ metadata: { topic: "sums" } });
    for (const input of ["2 + 2?", "Sure?"]) {
      await responses.create({ model: "o4-mini", input, conversation: conversation.id });
    }
    const types = [];
    for await (const item of client.conversations.items.list(conversation.id, { order: "asc" })) {
      types.push(item.type);
    }
    const turn = ["message", "reasoning", "message"];
    assert.deepEqual(types, [...turn, ...turn]);
    assert((await client.conversations.delete(conversation.id)).deleted);
  },

  async files_searched() {
    const store = await client.vectorStores.create({ name: "work" });
    const file = await toFile(Buffer.from("Every employee has 28 days of leave."), "leave.md");
    const added = await client.vectorStores.files.uploadAndPoll(store.id, file);
    assert.equal(added.status, "completed");
    const found = await client.vectorStores.search(store.id, { query: "days of leave" });
    assert.equal(found.data[0].filename, "leave.md");
  },

  async counting_and_compacting() {
    const body = { model: "o4-mini", input: "How many?" };
    const count = await responses.inputTokens.count(body);
    assert.equal(count.input_tokens, (await responses.create(body)).usage.input_tokens);
    const compacted = await responses.compact(body);
    assert.equal(compacted.output.at(-1).type, "compaction");
  },

  async chat() {
    const messages = [{ role: "user", content: "2 + 2?" }];
    const stream = client.chat.completions.stream({ model: "o4-mini", messages });
    assert.equal(await stream.finalContent(), "It is four.");
    const runner = client.chat.completions.runTools({
      model: "caller",
      messages: [{ role: "user", content: "Oslo?" }],
      tools: [
        {
          type: "function",
          function: {
            name: "weather",
            description: "The weather of a city",
            parameters: { type: "object", properties: { city: { type: "string" } } },
            parse: JSON.parse,
            function: ({ city }) => `rain in ${city}`,
          },
        },
      ],
    });
    assert.equal(await runner.finalContent(), "It rains in Oslo.");
  },

  async errors() {
    const ask = (body) => failure(responses.create({ model: "o4-mini", input: "?", ...body }));
    const missing = await ask({ model: "none" });
    assert(missing instanceof OpenAI.NotFoundError);
    assert.equal(missing.code, "model_not_found");
    const hot = await ask({ temperature: 3 });
    assert(hot instanceof OpenAI.BadRequestError);
    assert.equal(hot.param, "temperature");
    const unknown = await ask({ previous_response_id: "resp_unknown" });
    assert(unknown instanceof OpenAI.BadRequestError);
    assert.equal(unknown.code, "previous_response_not_found");
    const output = { type: "function_call_output", call_id: "call_unknown", output: "?" };
    assert((await ask({ input: [output] })) instanceof OpenAI.BadRequestError);
    const ids = (await client.models.list()).data.map((model) => model.id);
    assert(ids.includes("o4-mini"));
  },

  async a_failed_stream_throws() {
    const stream = await responses.create({ model: "broken", input: "?", stream: true });
    const error = await failure(
      (async () => {
        for await (const _ of stream);
      })(),
    );
    assert(error instanceof OpenAI.APIError, error);
  },

  async over_a_websocket() {
    const socket = new ResponsesWS(client);
    const turn = (body) =>
      new Promise((resolve, reject) => {
        const listen = (event) => {
          if (event.type !== "response.completed") return;
          socket.off("event", listen);
          resolve(event.response);
        };
        socket.on("event", listen);
        socket.on("error", reject);
        socket.send({ type: "response.create", model: "caller", tools: [weather], ...body });
      });
    const first = await turn({ store: false, input: "Oslo?" });
    const { call_id } = first.output.at(-1);
    const input = [{ type: "function_call_output", call_id, output: "rain" }];
    const second = await turn({ store: false, input, previous_response_id: first.id });
    assert.equal(second.output.at(-1).content[0].text, "It rains in Oslo.");
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.close();
    await closed;
  },

  async many_at_once() {
    const made = await Promise.all(
      Array.from({ length: 50 }, (_, n) => responses.create({ model: "o4-mini", input: `${n}?` })),
    );
    assert.equal(new Set(made.map((response) => response.id)).size, 50);
    assert(made.every((response) => response.output_text === "It is four."));
  },
});

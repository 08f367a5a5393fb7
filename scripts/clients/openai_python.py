"""The openai client for Python against a server at OPENAI_BASE_URL: what its users do every day."""

import asyncio
import time

import openai
from pydantic import BaseModel
from scenarios import run

client = openai.OpenAI(max_retries=0)


class Person(BaseModel):
    name: str
    age: int


WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def create_retrieve_page_delete():
    items = [{"role": "user", "content": f"part {n}"} for n in range(3)]
    made = client.responses.create(model="o4-mini", input=items)
    assert made.output_text == "It is four.", made.output_text
    assert client.responses.retrieve(made.id) == made
    page = client.responses.input_items.list(made.id, limit=2, order="asc")
    assert [item.content[0].text for item in page] == ["part 0", "part 1", "part 2"]
    client.responses.delete(made.id)
    try:
        client.responses.retrieve(made.id)
        raise AssertionError("a deleted response was found")
    except openai.NotFoundError:
        pass


def stream_and_parse():
    with client.responses.stream(model="o4-mini", input="2 + 2?", reasoning={"summary": "auto"}) as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text == "It is four."
    assert [e.sequence_number for e in events if hasattr(e, "sequence_number")] == sorted(
        e.sequence_number for e in events if hasattr(e, "sequence_number")
    )
    assert final.output[0].type == "reasoning" and final.output[0].summary
    parsed = client.responses.parse(model="person", input="Who?", text_format=Person)
    assert parsed.output_parsed == Person(name="Ada", age=36), parsed.output_parsed


def background_poll_cancel_twice():
    run = client.responses.create(model="slow", input="?", background=True)
    assert run.status in ("queued", "in_progress"), run.status
    while client.responses.retrieve(run.id).status == "queued":
        time.sleep(0.01)
    first = client.responses.cancel(run.id)
    assert first.status == "cancelled", first.status
    assert client.responses.cancel(run.id) == first


def resume_a_stream():
    stream = client.responses.create(model="o4-mini", input="?", background=True, stream=True)
    seen = [next(iter(stream)) for _ in range(1)]
    run = seen[0].response.id
    stream.close()
    rest = list(client.responses.retrieve(run, stream=True, starting_after=0))
    assert rest[0].sequence_number == 1 and rest[-1].type == "response.completed"


def functions_and_previous_response():
    first = client.responses.create(model="caller", input="Oslo?", tools=[WEATHER])
    call = first.output[-1]
    assert (call.type, call.name) == ("function_call", "weather")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = client.responses.create(
        model="o4-mini", input=[output], previous_response_id=first.id, tools=[WEATHER]
    )
    assert second.output_text == "It is four."


def sealed_reasoning():
    options = {"store": False, "include": ["reasoning.encrypted_content"], "model": "o4-mini"}
    first = client.responses.create(input="2 + 2?", **options)
    assert first.output[0].encrypted_content
    items = [{"role": "user", "content": "2 + 2?"}, *first.output, {"role": "user", "content": "Sure?"}]
    assert client.responses.create(input=items, **options).output_text == "It is four."
    broken = first.output[0].model_copy(update={"encrypted_content": "oz1.broken"})
    try:
        client.responses.create(input=[broken, items[0]], **options)
        raise AssertionError("a broken seal was accepted")
    except openai.BadRequestError as error:
        assert error.code == "invalid_encrypted_content", error.code


def conversations():
    conversation = client.conversations.create(metadata={"topic": "sums"})
    for question in ("2 + 2?", "Sure?"):
        client.responses.create(model="o4-mini", input=question, conversation=conversation.id)
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.type for item in items] == ["message", "reasoning", "message"] * 2
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    assert len(list(client.conversations.items.list(conversation.id))) == 5
    assert client.conversations.delete(conversation.id).deleted


def counting_and_compacting():
    count = client.responses.input_tokens.count(model="o4-mini", input="How many?")
    used = client.responses.create(model="o4-mini", input="How many?").usage
    assert count.input_tokens == used.input_tokens
    compacted = client.responses.compact(model="o4-mini", input="2 + 2?")
    assert compacted.output[-1].type == "compaction"


def files_and_batches():
    line = '{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "o4-mini", "input": "?"}}'
    file = client.files.create(file=("in.jsonl", line.encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
    )
    while (batch := client.batches.retrieve(batch.id)).status not in ("completed", "failed"):
        time.sleep(0.02)
    assert batch.status == "completed", batch
    assert b"It is four." in client.files.content(batch.output_file_id).read()
    container = client.containers.create(name="work", file_ids=[file.id])
    assert [f.path for f in client.containers.files.list(container.id)] == ["/mnt/data/in.jsonl"]


def chat():
    messages = [{"role": "user", "content": "2 + 2?"}]
    made = client.chat.completions.create(model="o4-mini", messages=messages)
    assert made.choices[0].message.content == "It is four."
    chunks = client.chat.completions.create(
        model="o4-mini", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(chunks)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "It is four." and chunks[-1].usage.total_tokens > 0


def errors():
    try:
        client.responses.create(model="none", input="?")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found"
    try:
        client.responses.create(model="o4-mini", input="?", temperature=3)
    except openai.BadRequestError as error:
        assert error.param == "temperature"
    assert "o4-mini" in [model.id for model in client.models.list()]


async def many_at_once():
    many = openai.AsyncOpenAI(max_retries=0)
    made = await asyncio.gather(
        *(many.responses.create(model="o4-mini", input=f"{n}?") for n in range(50))
    )
    assert {r.output_text for r in made} == {"It is four."} and len({r.id for r in made}) == 50


def over_a_websocket():
    def turn(connection, **body):
        connection.response.create(model="caller", tools=[WEATHER], store=False, **body)
        text = ""
        for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                assert text == event.response.output_text
                return event.response

    with client.responses.connect() as connection:
        first = turn(connection, input="Oslo?")
        call = first.output[-1]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        # What is not stored can be gone on with on the same connection.
        second = turn(connection, input=[output], previous_response_id=first.id)
        assert second.output_text == "It rains in Oslo."


async def a_conversation_written_at_once():
    many = openai.AsyncOpenAI(max_retries=0)
    conversation = await many.conversations.create()
    adding = (
        many.conversations.items.create(
            conversation.id, items=[{"role": "user", "content": f"{n}", "type": "message"}]
        )
        for n in range(20)
    )
    await asyncio.gather(*adding)
    items = [item async for item in many.conversations.items.list(conversation.id, limit=7)]
    assert sorted(int(item.content[0].text) for item in items) == list(range(20))


def a_search_in_files():
    store = client.vector_stores.create(name="work")
    client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("leave.md", b"Every employee has 28 days of leave.")
    )
    found = client.vector_stores.search(store.id, query="days of leave")
    assert [hit.filename for hit in found] == ["leave.md"]


run(
    create_retrieve_page_delete,
    stream_and_parse,
    background_poll_cancel_twice,
    resume_a_stream,
    functions_and_previous_response,
    sealed_reasoning,
    conversations,
    a_conversation_written_at_once,
    counting_and_compacting,
    files_and_batches,
    a_search_in_files,
    chat,
    errors,
    over_a_websocket,
    many_at_once,
)

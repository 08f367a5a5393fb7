"""The OpenAI Agents SDK for Python against a server at OPENAI_BASE_URL."""

import agents
import openai
from agents import Agent, CodeInterpreterTool, OpenAIResponsesModel, OpenAIResponsesWSModel
from agents import ModelSettings, OpenAIConversationsSession, Runner, function_tool
from pydantic import BaseModel
from scenarios import run, until

agents.set_tracing_disabled(True)
client = openai.AsyncOpenAI(max_retries=0)
LOOP = ["reasoning_item", "tool_call_item", "tool_call_output_item"] * 2 + ["message_output_item"]


def model(name):
    return OpenAIResponsesModel(model=name, openai_client=client)


class Person(BaseModel):
    name: str
    age: int


def weather(asked):
    @function_tool(name_override="weather")
    def tool(city: str) -> str:
        """The weather of a city"""
        asked.append(city)
        return f"rain in {city}"

    return tool


async def a_tool_loop():
    asked = []
    agent = Agent(name="A", model=model("three-steps"), tools=[weather(asked)])
    result = await Runner.run(agent, "Oslo and Rome?")
    assert asked == ["Oslo", "Rome"]
    assert result.final_output == "It rains in both."
    assert [item.type for item in result.new_items] == LOOP
    assert result.context_wrapper.usage.requests == 3
    assert result.context_wrapper.usage.total_tokens > 0


async def a_tool_loop_streamed():
    asked, text, ids = [], "", {}
    agent = Agent(name="A", model=model("three-steps"), tools=[weather(asked)])
    result = Runner.run_streamed(agent, "Oslo and Rome?")
    async for event in result.stream_events():
        if event.type != "raw_response_event":
            continue
        if event.data.type == "response.output_text.delta":
            text += event.data.delta
        elif event.data.type == "response.output_item.added":
            ids[event.data.item.id] = event.data.item.type
        elif event.data.type == "response.output_item.done":
            assert ids[event.data.item.id] == event.data.item.type
    assert asked == ["Oslo", "Rome"]
    assert text == result.final_output == "It rains in both."


async def a_structured_output():
    agent = Agent(name="A", model=model("person"), output_type=Person)
    result = await Runner.run(agent, "Who?")
    assert result.final_output == Person(name="Ada", age=36)


async def a_handoff():
    poet = Agent(name="poet", model=model("poet"))
    triage = Agent(name="triage", model=model("triage"), handoffs=[poet])
    result = await Runner.run(triage, "A poem?")
    assert result.final_output == "Roses are red."
    assert result.last_agent is poet


async def a_handoff_by_previous_response_id():
    poet = Agent(name="poet", model=model("poet"))
    triage = Agent(name="triage", model=model("triage"), handoffs=[poet])
    result = await Runner.run(triage, "A poem?", auto_previous_response_id=True)
    assert result.final_output == "Roses are red."
    last = await client.responses.retrieve(result.last_response_id)
    assert last.previous_response_id == result.raw_responses[0].response_id
    given = [item async for item in client.responses.input_items.list(last.id)]
    # What the server knows is not sent again.
    assert [item.type for item in given] == ["function_call_output"], given


async def turns_by_the_history():
    agent = Agent(name="A", model=model("caller"), tools=[weather([])])
    settings = ModelSettings(store=False, response_include=["reasoning.encrypted_content"])
    agent = agent.clone(model_settings=settings)
    first = await Runner.run(agent, "Oslo?")
    again = first.to_input_list() + [{"role": "user", "content": "Again?"}]
    assert (await Runner.run(agent, again)).final_output == "It rains in Oslo."


async def a_session_in_a_conversation():
    session = OpenAIConversationsSession(openai_client=client)
    agent = Agent(name="A", model=model("caller"), tools=[weather([])])
    for question in ("Oslo?", "Again?"):
        result = await Runner.run(agent, question, session=session)
        assert result.final_output == "It rains in Oslo."
    items = await session.get_items()
    assert [item["type"] for item in items].count("function_call_output") == 2, items


async def a_session_that_is_compacted():
    session = agents.OpenAIResponsesCompactionSession(
        session_id="s",
        underlying_session=agents.SQLiteSession("s"),
        client=client,
        model="o4-mini",
        should_trigger_compaction=lambda _: True,
    )
    agent = Agent(name="A", model=model("o4-mini"))
    for question in ("2 + 2?", "Sure?", "Really?"):
        result = await Runner.run(agent, question, session=session)
        assert result.final_output == "It is four."
    kinds = [item.get("type", "message") for item in await session.get_items()]
    assert "compaction" in kinds, kinds


async def code_interpreter():
    config = {"type": "code_interpreter", "container": {"type": "auto"}}
    agent = Agent(name="A", model=model("python"), tools=[CodeInterpreterTool(tool_config=config)])
    result = await Runner.run(agent, "6 * 7?")
    assert result.final_output == "It is 42."
    calls = [i.raw_item for i in result.new_items if i.type == "tool_call_item"]
    assert [call.code for call in calls] == ["print(6 * 7)"]


async def a_tool_loop_over_a_websocket():
    asked = []
    over_socket = OpenAIResponsesWSModel(model="three-steps", openai_client=client)
    agent = Agent(name="A", model=over_socket, tools=[weather(asked)])
    result = await Runner.run(agent, "Oslo and Rome?")
    assert asked == ["Oslo", "Rome"]
    assert result.final_output == "It rains in both."
    await over_socket.close()


async def a_streamed_run_that_is_cancelled():
    result = Runner.run_streamed(Agent(name="A", model=model("slow")), "?")
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            if event.data.type == "response.created":
                response_id = event.data.response.id
            if event.data.type == "response.output_text.delta":
                result.cancel()
    stopped = await until(
        lambda: client.responses.retrieve(response_id), lambda r: r.status != "in_progress"
    )
    assert stopped.status == "cancelled", stopped.status


async def errors():
    for name, error in (("none", openai.NotFoundError), ("broken", openai.APIError)):
        try:
            result = Runner.run_streamed(Agent(name="A", model=model(name)), "?")
            async for _ in result.stream_events():
                pass
            raise AssertionError(f"the model {name} answered")
        except (error, agents.AgentsException) as e:
            assert "model" in str(e), e


run(
    a_tool_loop,
    a_tool_loop_streamed,
    a_structured_output,
    a_handoff,
    a_handoff_by_previous_response_id,
    turns_by_the_history,
    a_session_in_a_conversation,
    a_session_that_is_compacted,
    code_interpreter,
    a_tool_loop_over_a_websocket,
    a_streamed_run_that_is_cancelled,
    errors,
)

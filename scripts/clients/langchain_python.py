"""LangChain's ChatOpenAI against a server at OPENAI_BASE_URL, by the Responses API."""

import openai
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from scenarios import run


def model(name, **options):
    options = {"use_responses_api": True, "output_version": "responses/v1", **options}
    return ChatOpenAI(model=name, max_retries=0, **options)


class Person(BaseModel):
    name: str
    age: int


@tool
def weather(city: str) -> str:
    """The weather of a city"""
    return f"rain in {city}"


def joined(chunks):
    whole = None
    for chunk in chunks:
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    return whole


def kinds(message):
    return [block["type"] for block in message.content]


def invoke():
    answer = model("o4-mini", reasoning={"summary": "auto"}).invoke("2 + 2?")
    assert answer.text == "It is four.", answer
    assert kinds(answer) == ["reasoning", "text"], answer.content
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert usage["output_token_details"]["reasoning"] > 0, usage
    assert answer.response_metadata["status"] == "completed"


def a_stream_has_the_blocks_of_an_invoke():
    llm = model("o4-mini", reasoning={"summary": "auto"})
    streamed, invoked = joined(llm.stream("2 + 2?")), llm.invoke("2 + 2?")
    assert kinds(streamed) == kinds(invoked), (streamed.content, invoked.content)
    assert streamed.text == invoked.text
    assert streamed.usage_metadata["output_tokens"] == invoked.usage_metadata["output_tokens"]


def a_tool_loop():
    llm = model("three-steps").bind_tools([weather])
    messages = [HumanMessage("Oslo and Rome?")]
    cities = []
    while calls := (answer := llm.invoke(messages)).tool_calls:
        cities += [call["args"]["city"] for call in calls]
        messages += [answer, *(weather.invoke(call) for call in calls)]
    assert cities == ["Oslo", "Rome"]
    assert answer.text == "It rains in both."


def a_tool_loop_streamed_with_nothing_stored():
    options = {"store": False, "include": ["reasoning.encrypted_content"]}
    llm = model("three-steps", **options).bind_tools([weather])
    messages = [HumanMessage("Oslo and Rome?")]
    cities = []
    while calls := (answer := joined(llm.stream(messages))).tool_calls:
        cities += [call["args"]["city"] for call in calls]
        messages += [answer, *(weather.invoke(call) for call in calls)]
    assert cities == ["Oslo", "Rome"]
    assert answer.text == "It rains in both."


def a_chosen_tool():
    chosen = model("caller").bind_tools([weather], tool_choice="weather")
    (call,) = chosen.invoke("Oslo?").tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})


def turns_by_previous_response_id():
    llm = model("o4-mini", use_previous_response_id=True)
    messages = [HumanMessage("2 + 2?")]
    messages += [llm.invoke(messages), HumanMessage("Sure?")]
    second = llm.invoke(messages)
    found = openai.OpenAI().responses.retrieve(second.response_metadata["id"])
    assert found.previous_response_id == messages[1].response_metadata["id"]


def a_structured_output():
    llm = model("person").with_structured_output(Person, method="json_schema", strict=True)
    assert llm.invoke("Who?") == Person(name="Ada", age=36)


def code_interpreter():
    config = {"type": "code_interpreter", "container": {"type": "auto"}}
    answer = model("python").bind_tools([config]).invoke("6 * 7?")
    assert answer.text == "It is 42."
    (call,) = [block for block in answer.content if block["type"] == "code_interpreter_call"]
    assert call["code"] == "print(6 * 7)"


def chat_completions():
    llm = model("three-steps", use_responses_api=False, output_version=None, stream_usage=True)
    answer = joined(llm.bind_tools([weather]).stream("Oslo and Rome?"))
    assert [call["args"] for call in answer.tool_calls] == [{"city": "Oslo"}]
    assert answer.usage_metadata["total_tokens"] > 0


async def asynchronous():
    chunks = [chunk async for chunk in model("o4-mini").astream("2 + 2?")]
    assert joined(chunks).text == "It is four."


def errors():
    for name, error in (("none", openai.NotFoundError), ("broken", openai.APIError)):
        try:
            joined(model(name).stream("?"))
            raise AssertionError(f"the model {name} answered")
        except error:
            pass


run(
    invoke,
    a_stream_has_the_blocks_of_an_invoke,
    a_tool_loop,
    a_tool_loop_streamed_with_nothing_stored,
    a_chosen_tool,
    turns_by_previous_response_id,
    a_structured_output,
    code_interpreter,
    chat_completions,
    asynchronous,
    errors,
)

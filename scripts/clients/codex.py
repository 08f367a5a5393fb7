"""The Codex CLI against a server at OPENAI_BASE_URL: `codex.py PATH-OF-CODEX`.

Each scenario runs `codex exec --json` in a folder of its own and reads the events that it prints.
Codex runs what the model says, and the model says what the script says: nothing leaves the folder.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from scenarios import run

CODEX = str(Path(sys.argv[1]).resolve())
BASE_URL = os.environ["OPENAI_BASE_URL"]
HOME = Path(tempfile.mkdtemp(prefix="ozone-codex-"))

# As a person would set it up; Codex knows nothing of the model.
STOCK = f"""
model_provider = "ozone"
[model_providers.ozone]
name = "Ozone"
base_url = "{BASE_URL}"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"""
# With the server's own catalogue, and without all that a small context has no room for.
LEAN = f"""
model_catalog_json = "{HOME}/models.json"
web_search = "disabled"
[analytics]
enabled = false
[features]
apps = false
goals = false
plugins = false
remote_plugin = false
[agents]
enabled = false
[skills]
include_instructions = false
"""
# The catalogue is asked for by Codex itself when a command makes the key.
ASKS = f"""
model_provider = "asks"
[model_providers.asks]
name = "Ozone"
base_url = "{BASE_URL}"
wire_api = "responses"
[model_providers.asks.auth]
command = "echo"
args = ["key"]
"""
SOCKETS = """
[model_providers.ozone]
supports_websockets = true
"""
# A red square.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC"
)

(HOME / "config.toml").write_text(STOCK)
for name, text in {"lean": LEAN, "asks": ASKS, "sockets": SOCKETS}.items():
    (HOME / f"{name}.config.toml").write_text(text)
with urllib.request.urlopen(f"{BASE_URL}/models") as models:
    (HOME / "models.json").write_bytes(models.read())


def codex(model, prompt, *options, folder, failing=False):
    """The events of a run."""
    command = [CODEX, "exec", "--json", "--skip-git-repo-check"]
    command += ["--dangerously-bypass-approvals-and-sandbox", "-C", folder, "-m", model]
    done = subprocess.run(
        [*command, *options],
        input=prompt,
        env=os.environ | {"CODEX_HOME": str(HOME)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    said = f"{done.stdout}\n{done.stderr}"
    assert (done.returncode != 0) == failing, said
    # A stream that breaks the client's rules is tried again.
    assert failing or "Reconnecting" not in said, said
    return events


def items(events, kind):
    done = [e["item"] for e in events if e["type"] == "item.completed"]
    return [item for item in done if item["type"] == kind]


def texts(events):
    return [item["text"] for item in items(events, "agent_message")]


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        (Path(path) / "a.txt").write_text("one\n")
        yield path


def says_hi(*options):
    with folder() as here:
        events = codex("o4-mini", "say hi", *options, folder=here)
    assert texts(events) == ["It is four."], events
    assert len(items(events, "reasoning")) == 1
    usage = events[-1]["usage"]
    assert usage["input_tokens"] > 0 and usage["reasoning_output_tokens"] > 0, usage
    return events


def edits(*options):
    with folder() as here:
        events = codex("codex-edits", "two, please", *options, folder=here)
        assert (Path(here) / "a.txt").read_text() == "two\n"
    runs = items(events, "command_execution")
    assert [(r["aggregated_output"], r["exit_code"]) for r in runs] == [("one\n", 0), ("two\n", 0)]
    assert len(items(events, "file_change")) == 1
    assert texts(events) == ["It says two now."]


def stock_over_sse():
    says_hi()
    edits()


def stock_over_a_websocket():
    says_hi("-p", "sockets")
    edits("-p", "sockets")


def lean_over_sse():
    events = says_hi("-p", "lean")
    # The server's catalogue was understood.
    assert items(events, "error") == [], events
    assert events[-1]["usage"]["input_tokens"] < 4_000, events[-1]
    edits("-p", "lean")


def lean_over_a_websocket():
    sockets = ("-c", "model_providers.ozone.supports_websockets=true")
    says_hi("-p", "lean", *sockets)
    edits("-p", "lean", *sockets)


def the_catalogue_is_asked_for():
    assert items(says_hi("-p", "asks"), "error") == []


def a_patch_by_the_custom_tool():
    with folder() as here:
        events = codex("codex-patches", "two, please", "-p", "lean", folder=here)
        assert (Path(here) / "a.txt").read_text() == "two\n"
    assert len(items(events, "file_change")) == 1 and texts(events) == ["It is patched."]


def a_call_that_nobody_knows_is_told_to_the_model():
    with folder() as here:
        events = codex("codex-loses-its-way", "go", folder=here)
    assert texts(events) == ["There it is."], events


def a_session_that_goes_on():
    with folder() as here:
        thread = codex("o4-mini", "2 + 2?", folder=here)[0]["thread_id"]
        command = [CODEX, "exec", "resume", thread, "--json", "--skip-git-repo-check", "Sure?"]
        environment = os.environ | {"CODEX_HOME": str(HOME)}
        done = subprocess.run(
            [*command, "-m", "o4-mini"],
            cwd=here,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "It is four." in done.stdout, done


def an_answer_in_a_schema():
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    with folder() as here:
        (Path(here) / "schema.json").write_text(json.dumps(schema))
        options = ("--output-schema", f"{here}/schema.json")
        events = codex("person", "Who?", *options, folder=here)
    assert json.loads(texts(events)[0]) == {"name": "Ada", "age": 36}


def a_picture():
    with folder() as here:
        (Path(here) / "red.png").write_bytes(PNG)
        events = codex("o4-mini", "What is it?", "-i", f"{here}/red.png", folder=here)
    assert texts(events) == ["It is four."]


def a_busy_model_is_waited_for():
    with folder() as here:
        assert texts(codex("busy", "2 + 2?", folder=here)) == ["It is four."]


def an_unknown_model_is_an_error():
    with folder() as here:
        events = codex("none", "?", folder=here, failing=True)
    assert "none" in json.dumps(events[-1]), events


try:
    run(
        stock_over_sse,
        stock_over_a_websocket,
        lean_over_sse,
        lean_over_a_websocket,
        the_catalogue_is_asked_for,
        a_patch_by_the_custom_tool,
        a_call_that_nobody_knows_is_told_to_the_model,
        a_session_that_goes_on,
        an_answer_in_a_schema,
        a_picture,
        a_busy_model_is_waited_for,
        an_unknown_model_is_an_error,
    )
finally:
    shutil.rmtree(HOME, ignore_errors=True)

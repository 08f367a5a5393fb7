"""Starts a real ipykernel inside the jail.

The host passes one line of JSON on stdin. Nothing here is a wall: the code that runs later shares
this process. It makes well-meant code cheap to serve: large outputs are cut where they arise,
tracebacks are short, and imports happen in steps that the host asks for.
"""

import codecs
import json
import os
import select
import sys
import threading
import warnings

settings = json.loads(sys.stdin.readline())
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)

# Neither is used over our channels, and both are slow to import.
sys.modules["debugpy"] = None
sys.modules["jedi"] = None

import zmq
from ipykernel.iostream import IOPubThread, OutStream
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session
from traitlets.config import Config
from zmq.eventloop.zmqstream import ZMQStream

del sys.modules["debugpy"], sys.modules["jedi"]

MAX_TEXT = settings["max_text"]
MAX_PRINTED = settings["max_printed"]
MAX_LINE = 4_000
MAX_BINARY = settings["max_binary"]


class OutputLimitExceeded(BaseException):
    """Stops a cell that prints without end; `except Exception` does not swallow it."""


class App(IPKernelApp):
    """The host knows the addresses and the key: no connection file, no heartbeat, no log."""

    def init_connection_file(self):
        pass

    def write_connection_file(self, **kwargs):
        pass

    def log_connection_info(self):
        pass

    def init_heartbeat(self):
        pass


def cut(value, limit):
    """Text that fits and that UTF-8 can carry."""
    if not isinstance(value, str):
        return value
    if len(value) > limit:
        value = f"{value[:limit]}\n[output cut: {len(value) - limit:,} more characters omitted]"
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode(errors="backslashreplace").decode()
    return value


def cut_data(data):
    fitted = {}
    for kind, value in data.items():
        binary = kind.startswith("image/") and kind != "image/svg+xml"
        if not binary:
            fitted[kind] = cut(value, MAX_TEXT)
        elif not isinstance(value, str) or len(value) <= MAX_BINARY:
            fitted[kind] = value
        else:
            fitted["text/plain"] = f"[a picture of {len(value):,} bytes was too large to show]"
    return fitted


# Messages of any size are the host's to refuse; these are cut so that it need not.
serialize = Session.serialize


def serialize_within_limits(self, msg, ident=None):
    content = msg.get("content")
    if isinstance(content, dict):
        for key in ("text", "evalue", "code"):
            if key in content:
                content[key] = cut(content[key], MAX_TEXT)
        if isinstance(content.get("data"), dict):
            content["data"] = cut_data(content["data"])
        if "payload" in content:
            content["payload"] = []  # For notebooks: pagers, cells to add.
        if isinstance(content.get("traceback"), list):
            content["traceback"] = [cut(line, MAX_LINE) for line in content["traceback"][-100:]]
    return serialize(self, msg, ident)


Session.serialize = serialize_within_limits

write = OutStream.write
printed = 0


def write_within_limits(self, text):
    global printed
    if not isinstance(text, str):
        return write(self, text)
    room = MAX_PRINTED - printed
    printed += len(text)
    if room > 0:
        write(self, text[:room])
    if printed > MAX_PRINTED:
        if threading.current_thread() is threading.main_thread():
            raise OutputLimitExceeded(f"more than {MAX_PRINTED:,} characters were printed")
        if room > 0:
            # What prints is a thread, or a subprocess behind it: interrupt the cell.
            kernel._send_interrupt_children()
    return len(text)


OutStream.write = write_within_limits

# What subprocesses print arrives through a pipe and a thread. A cell is over when the thread has
# caught up with this mark; ipykernel does not wait, and what comes late is lost.
MARK = b"\0" + os.urandom(16) + b"\0"
MARK_TIME = 0.5


def watch_pipe(self):
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    held = b""
    while self._should_watch:
        try:
            data = os.read(self._fid, 1 << 16)
        except OSError:
            return
        if not data:
            return
        data = held + data
        seen = MARK in data
        data = data.replace(MARK, b"")
        held = split_mark(data)
        self.write(decode(data[: len(data) - len(held)]))
        if seen:
            self.caught_up.set()


def split_mark(data):
    """The end of `data` that may be the beginning of a mark."""
    for length in range(min(len(MARK) - 1, len(data)), 0, -1):
        if MARK.startswith(data[-length:]):
            return data[-length:]
    return b""


OutStream._watch_pipe_fd = watch_pipe
OutStream.caught_up = property(lambda self: caught_up.setdefault(id(self), threading.Event()))
caught_up = {}


def await_subprocess_output(*_):
    for stream, fd in zip(streams, (1, 2), strict=True):
        try:
            # A pipe with room for the mark: writing it cannot block.
            if select.select([], [fd], [], MARK_TIME)[1]:
                stream.caught_up.clear()
                os.write(fd, MARK)
                stream.caught_up.wait(MARK_TIME)
        except (OSError, ValueError):
            pass  # The code closed its own stdout.


# Output of forked children comes over a socket; ipykernel's is TCP, which does not exist here.
CHILDREN = "ipc://" + settings["ip"] + "-children"


def listen_to_children(self):
    self._pipe_uuid = os.urandom(16)
    pipe = self.socket.context.socket(zmq.PULL)
    pipe.linger = 0
    pipe.bind(CHILDREN)
    self._pipe_in = ZMQStream(pipe, self.io_loop)
    self._pipe_in.on_recv(self._handle_pipe_msg)


def speak_to_parent(self):
    context = zmq.Context()
    pipe = context.socket(zmq.PUSH)
    pipe.linger = 3000
    pipe.connect(CHILDREN)
    return context, pipe


IOPubThread._setup_pipe_in = listen_to_children
IOPubThread._setup_pipe_out = speak_to_parent

config = Config()
config.Session.key = settings["key"].encode()
config.IPKernelApp.transport = "ipc"
config.IPKernelApp.ip = settings["ip"]
config.IPKernelApp.shell_port = 1
config.IPKernelApp.iopub_port = 2
config.IPKernelApp.stdin_port = 3
config.IPKernelApp.control_port = 4
config.IPKernelApp.log_level = 50
config.IPKernelApp.quiet = True
config.HistoryManager.enabled = False
config.InteractiveShell.colors = "nocolor"
config.InteractiveShell.separate_in = ""
config.PlainTextFormatter.pprint = False

started = os.dup(1)  # ipykernel takes descriptor 1 for the cells' output.
app = App.instance(config=config)
app.initialize([])
kernel = app.kernel
shell = app.shell


OURS = (os.sep + "IPython" + os.sep, os.sep + "ipykernel" + os.sep, __file__)


def format_frames(etype, error, trace):
    """Frames from the first cell on, the last few only; a cell is named by its line."""
    import traceback

    frames = traceback.extract_tb(trace)
    files = [frame.filename for frame in frames]
    cells = [n for n, name in enumerate(files) if shell.compile.format_code_name(name)]
    frames = frames[cells[0] :] if cells else []
    frames = [f for f in frames if not any(part in f.filename for part in OURS)]
    lines = []
    if len(frames) > 8:
        lines.append(f"  [{len(frames) - 8} frames omitted]")
        frames = frames[-8:]
    for frame in frames:
        in_cell = shell.compile.format_code_name(frame.filename)
        place = "cell" if in_cell else frame.filename.removeprefix(sys.prefix + os.sep)
        within = "" if frame.name == "<module>" else f", in {frame.name}"
        lines.append(f"  {place}, line {frame.lineno}{within}")
        if frame.line:
            lines.append(f"    {frame.line}")
    return lines


def short_traceback(etype, error, trace=None, tb_offset=None, context=5):
    import traceback

    try:
        last = "".join(traceback.format_exception_only(etype, error)).rstrip("\n")
    except Exception:
        last = getattr(etype, "__name__", str(etype))
    if isinstance(error, SyntaxError):
        last = last.replace(f'File "{error.filename}", ', "cell, ").replace("__main__.", "")
        return last.split("\n")
    lines = format_frames(etype, error, trace) if trace is not None else []
    last = last.removeprefix("__main__.")
    return ["Traceback (most recent call last):", *lines, last] if lines else [last]


show = shell._showtraceback


def show_traceback(etype, error, lines):
    """`sys.exit()` in a cell is an error like others, without IPython's advice around it."""
    show(etype, error, [line for line in lines if not line.startswith("An exception has")])


shell._showtraceback = show_traceback
warnings.filterwarnings("ignore", message="To exit: use")
shell.InteractiveTB.structured_traceback = short_traceback
shell.SyntaxTB.structured_traceback = short_traceback


def new_cell(*_):
    global printed
    printed = 0


streams = (sys.stdout, sys.stderr)
shell.events.register("pre_execute", new_cell)
shell.events.register("post_run_cell", await_subprocess_output)
# `exit()` in a cell ends the cell's work, not the conversation's state.
shell.ask_exit = lambda: None


def first_figure():
    import io

    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([0, 1], [0, 1], label="a")
    axes.set_title("a")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)


def warm_up(step):
    """Imports a library ahead of its first use. A missing one is found out when it is needed."""
    import importlib

    try:
        if step == "first_figure":
            first_figure()
        else:
            importlib.import_module(step)
    except Exception:
        pass


kernel.ozone_warm_up = warm_up
work_folder = os.getcwd()


def forget():
    """Takes away what a conversation left: variables, figures, files, the current folder."""
    import shutil

    shell.reset(new_session=False)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    os.chdir(work_folder)
    for entry in os.scandir(work_folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry)
        else:
            os.unlink(entry)


kernel.ozone_forget = forget



class Printed:
    """The head and the tail of what a command prints; what lies between is counted."""

    def __init__(self, keep):
        self.head_max = keep * 2 // 3
        self.tail_max = keep - self.head_max
        self.head, self.tail, self.omitted = bytearray(), bytearray(), 0

    def add(self, data):
        room = self.head_max - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        excess = len(self.tail) - self.tail_max
        if excess > 0:
            self.omitted += excess
            del self.tail[:excess]

    def text(self):
        if not self.omitted:
            return (self.head + self.tail).decode(errors="replace")
        note = f"\n[… {self.omitted:,} bytes omitted …]\n"
        return self.head.decode(errors="replace") + note + self.tail.decode(errors="replace")


# What a command leaves running in the background may hold its pipes open.
LATE_OUTPUT = 0.1


def kill_group(process):
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It has just ended.


def run_command(command, deadline, keep):
    import selectors
    import subprocess
    import time

    printed = {"stdout": Printed(keep), "stderr": Printed(keep)}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd=work_folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return {"stdout": "", "stderr": f"not started: {error}", "exit_code": 126}
    is_over = False
    with process, selectors.DefaultSelector() as ready:
        try:
            ready.register(process.stdout, selectors.EVENT_READ, printed["stdout"])
            ready.register(process.stderr, selectors.EVENT_READ, printed["stderr"])
            while ready.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    is_over = process.poll() is None
                    break
                ended = process.poll() is not None
                events = ready.select(min(left, LATE_OUTPUT))
                if ended and not events:
                    break
                for key, _ in events:
                    data = os.read(key.fd, 1 << 16)
                    if data:
                        key.data.add(data)
                    else:
                        ready.unregister(key.fileobj)
            if not is_over:
                process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            is_over = True
        except BaseException:
            kill_group(process)
            raise
        if is_over:
            kill_group(process)
    result = {name: kept.text() for name, kept in printed.items()}
    return {**result, "exit_code": None if is_over else process.returncode}


def run_shell(asked):
    """Runs commands one after the other. How they did is said in one line behind a mark."""
    import time

    asked = json.loads(asked)
    deadline = time.monotonic() + asked["timeout"]
    results = []
    for command in asked["commands"]:
        if time.monotonic() < deadline:
            results.append(run_command(command, deadline, asked["keep"]))
        else:
            results.append({"stdout": "", "stderr": "", "exit_code": None})
    print(asked["mark"] + json.dumps(results))


kernel.ozone_shell = run_shell

os.write(started, b"ozone: ready\n")
os.close(started)
app.start()

"""The recorder lets a sound stream pass and fails for each broken one: `broken_streams.py EXAMPLES`.

A stream of the server at OPENAI_BASE_URL is broken in one place after the other, and served by a
toy behind a recorder of its own.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request

from scenarios import run

RECORDER = f"{sys.argv[1]}/recorder"
BODY = {"model": "o4-mini", "input": "2 + 2?", "stream": True, "store": False}


def sound():
    """The frames of a sound stream."""
    url = f"{os.environ['OPENAI_BASE_URL']}/responses"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return [f"{frame}\n\n" for frame in answer.read().decode().split("\n\n")[:-1]]


class Toy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    writes = []

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("x-request-id", "1")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for write in self.writes:
            self.wfile.write(f"{len(write.encode()):x}\r\n{write}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


def verdict(frames):
    """What a recorder says of this stream: its exit code and the broken rules."""
    Toy.writes = frames
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Toy) as toy:
        threading.Thread(target=toy.serve_forever, daemon=True).start()
        command = [RECORDER, f"http://127.0.0.1:{toy.server_port}"]
        recorder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = recorder.stdout.readline().split()[-1]
        urllib.request.urlopen(f"http://{address}/v1/responses").read()
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=30)[0]
        toy.shutdown()
    return recorder.returncode, [line for line in said.splitlines()[1:] if line]


def a_sound_stream_passes():
    assert verdict(sound()) == (0, [])


def a_broken_stream_is_told():
    def changed(old, new):
        def change(frames, at):
            assert old in frames[at]
            frames[at] = frames[at].replace(old, new, 1)

        return change

    def join_two(frames, at):
        frames[at] += frames.pop(at + 1)

    def lose_one(frames, at):
        del frames[at]

    def change_the_end(frames, _):
        frames[-2] = frames[-2].replace("It is four.", "It is five.")

    def cut(frames, _):
        del frames[-2:]

    def forget_done(frames, _):
        frames.pop()

    cases = [
        ("S1: `event: response.text`", changed("response.output_text.delta", "response.text")),
        ("S1: 2 frames in one write", join_two),
        ("S2", lose_one),
        ("S4", changed('"content_index":0', '"content_index":1')),
        ("S6", changed("msg_", "msg_a")),
        ("S7", changed('"delta":"I', '"delta":"i')),
        ("S8", change_the_end),
        ("the stream ended without its last event", cut),
        ("the stream ended without `[DONE]`", forget_done),
    ]
    for rule, breaks in cases:
        frames = sound()
        kinds = [frame.split("\n")[0] for frame in frames]
        breaks(frames, kinds.index("event: response.output_text.delta"))
        code, said = verdict(frames)
        assert code == 1 and any(f"times: {rule}" in line for line in said), (rule, code, said)


run(a_sound_stream_passes, a_broken_stream_is_told)

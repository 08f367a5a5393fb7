"""Trains ozone-mini with TRL's GRPO on rollouts that `ozone serve` records.

The server asks, samples and runs Python in its sandbox; TRL learns from the ids, logprobs and masks
that it recorded. No text is tokenised again: what is learned from is what was sampled. Before each
step the server is started anew with the weights as they are, and both sides' logprobs are compared.

    python3 -m venv trl
    trl/bin/pip install trl==1.16.0 torch==2.15.0 transformers==5.23.0 datasets==5.2.0 gguf==0.19.0
    trl/bin/python docs/examples/train_with_trl.py --ozone target/release/ozone --steps 5

Run with these versions and Python 3.11 on a CPU; TRL calls its `rollout_func` experimental.
"""

import argparse
import itertools
import json
import random
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import gguf
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

TOKENS_MAX = 512
GAP_MAX = 0.05  # of the logprobs on average, in nats: more is no rounding, the weights differ
CONFIG = '[[model]]\nid = "policy"\nbackend = "local"\npath = {}\nrollouts = true\n'


class Failed(Exception):
    """What a person has to put right."""


def questions(count: int, seed: int) -> list[dict]:
    """Questions with one whole number as the answer."""
    rng, asked = random.Random(seed), []
    for _ in range(count):
        a, b, c = rng.randint(12, 98), rng.randint(4, 19), rng.randint(2, 9)
        text, answer = rng.choice([
            (f"{b} crates hold {a} jars each; {c} jars break. How many are whole?", a * b - c),
            (f"What is left over when {a * b + c} is divided by {b}?", (a * b + c) % b),
            (f"How many multiples of {c} are there from 1 to {a * b}?", a * b // c),
            (f"{b} friends buy tickets at ${a}, each ${c} off. What do they pay?", (a - c) * b),
            (f"Add {a} to the square of {b}, then take {c} away.", b * b + a - c),
            (f"What is {5 * c} % of {20 * a}?", c * a),
        ])
        asked.append({"prompt": text, "answer": answer})
    return asked


def right(reply: str, answer: int) -> bool:
    numbers = re.findall(r"-?\d+(?:,\d{3})*(?:\.\d+)?", reply)
    return bool(numbers) and float(numbers[-1].replace(",", "")) == answer


def reward(reply, answer, sampled, void, **_) -> list[float | None]:
    """1 for a right reply, less up to 0.1 for its length. `None`: left out of its group."""
    rows = zip(reply, answer, sampled, void, strict=True)
    return [None if v else right(r, a) * (1 - 0.1 * min(1, n / TOKENS_MAX)) for r, a, n, v in rows]


def write_gguf(template: Path, weights: dict[str, torch.Tensor], to: Path) -> None:
    """The template's vocabulary and settings with other weights, as float32."""
    old = gguf.GGUFReader(template)
    architecture = old.fields["general.architecture"].contents()
    if architecture not in ("qwen2", "qwen3"):
        raise Failed(f"weights of '{architecture}' need llama.cpp's convert_hf_to_gguf.py")
    kind = gguf.MODEL_ARCH[architecture.upper()]
    names = gguf.get_tensor_name_map(kind, old.fields[f"{architecture}.block_count"].contents())
    named = {names.get_name(name, (".weight", ".bias")): of for name, of in weights.items()}

    whole = to.with_suffix(".new")
    new = gguf.GGUFWriter(whole, architecture)
    new.add_file_type(gguf.LlamaFileType.ALL_F32)
    known = ("general.architecture", "general.file_type")
    for name, field in old.fields.items():
        if not name.startswith("GGUF.") and name not in known:
            inner = field.types[-1] if len(field.types) > 1 else None  # of an array
            new.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in old.tensors:
        found = named.get(tensor.name)
        if found is None or list(found.shape) != tensor.shape.tolist()[::-1]:
            raise Failed(f"'{tensor.name}' of {template} is not in the Hugging Face copy")
        new.add_tensor(tensor.name, found.detach().float().cpu().numpy())
    new.write_header_to_file()
    new.write_kv_data_to_file()
    new.write_tensors_to_file()
    new.close()
    whole.replace(to)


class Server:
    """`ozone serve` with the weights of the moment."""

    def __init__(self, ozone: str, run: Path, template: Path):
        self.ozone, self.run, self.template, self.process = ozone, run, template, None
        self.gguf, self.config = run / "policy.gguf", run / "ozone.toml"
        run.mkdir(parents=True, exist_ok=True)
        if not self.config.exists():  # yours to change from now on
            self.config.write_text(CONFIG.format(json.dumps(str(self.gguf.resolve()))))

    def take(self, weights: dict[str, torch.Tensor]) -> dict:
        self.stop()
        write_gguf(self.template, weights, self.gguf)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}/v1"
        command = [self.ozone, "--config", self.config, "--data", self.run / "data",
                   "serve", "--listen", address, "-m", "policy"]
        try:
            with open(self.run / "serve.log", "w") as log:
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
        except OSError as error:
            raise Failed(f"{error}; --ozone says where ozone is") from None
        for _ in range(600):
            try:
                return self.call("/models")
            except URLError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise Failed("`ozone serve` did not come up:\n" + (self.run / "serve.log").read_text())

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()

    def call(self, path: str, body: dict | None = None) -> dict:
        data = json.dumps(body).encode() if body else None
        request = Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=600) as answer:
                return json.load(answer)
        except HTTPError as error:
            cause = json.load(error)["error"]["message"]
            raise Failed(f"`ozone serve` refuses {path}: {cause}") from None

    def play(self, question: str, seed: int) -> dict:
        """One rollout, in TRL's words."""
        response = self.call("/responses", {
            "model": "policy", "input": question, "x_record": True,
            "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
            # Logprobs are recorded as they are at temperature 1.
            "temperature": 1, "top_p": 1, "max_output_tokens": TOKENS_MAX, "seed": seed,
        })
        rollout = self.call(f"/responses/{response['id']}/rollout")
        passages = rollout["passages"]
        if response["status"] == "failed" or len(passages) != 1 or 1 not in passages[0]["mask"]:
            cause = response["error"] or f"{len(passages)} passages in place of one"
            print(f"left out, a rollout of '{question}' failed: {cause}", file=sys.stderr)
            return {"prompt_ids": [0], "completion_ids": [0], "logprobs": [0.0], "env_mask": [0],
                    "reply": "", "sampled": 0, "void": True}
        ids, mask, logprobs = (passages[0][key] for key in ("ids", "mask", "logprobs"))
        start = mask.index(1)  # ids that were given or forced have a mask of 0 and no logprob
        return {"prompt_ids": ids[:start], "completion_ids": ids[start:], "env_mask": mask[start:],
                "logprobs": [logprob or 0.0 for logprob in logprobs[start:]],
                "reply": rollout["output_text"], "sampled": sum(mask), "void": False}


class Trainer(GRPOTrainer):
    """GRPO whose old policy is what the server measured."""

    def __init__(self, server: Server, **of):
        self.server = server
        super().__init__(reward_funcs=reward, rollout_func=self.played, **of)

    def played(self, prompts: list[str], _trainer) -> dict[str, list]:
        """The rollouts of one update. TRL lists a question as often as it is to be played."""
        self.server.take(self.model.state_dict())
        first = self.state.global_step * len(prompts)
        with ThreadPoolExecutor(4) as threads:
            self.rollouts = list(threads.map(self.server.play, prompts, itertools.count(first)))
        if all(rollout["void"] for rollout in self.rollouts):
            raise Failed("every rollout of this step failed")
        return {key: [rollout[key] for rollout in self.rollouts] for key in self.rollouts[0]}

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        # By itself TRL takes a rollout's logprobs for the old policy's only where vLLM sampled it.
        theirs = batch["old_per_token_logps"] = batch["sampling_per_token_logps"]
        T = theirs.shape[1]
        ids, seen = (torch.cat([batch["prompt_" + x], batch["completion_" + x]], dim=1)
                     for x in ("ids", "mask"))
        with torch.no_grad():
            ours, *_ = self._get_per_token_logps_and_entropies(self.model, ids, seen, T)
        gap = (ours - theirs)[(batch["completion_mask"] * batch["tool_mask"]).bool()].abs()
        counted = [(r, i) for r, i in zip(self.rollouts, inputs, strict=True) if not r["void"]]
        accuracy = sum(right(r["reply"], i["answer"]) for r, i in counted) / len(counted)
        mean = self._metrics["train"]["reward"][-1]
        print(f"step {self.state.global_step + 1}: reward {mean:.3f}, accuracy {accuracy:.3f}; "
              f"{len(counted)} rollouts of {len(gap) / len(counted):.0f} tokens and "
              f"{len(inputs) - len(counted)} failed ones; "
              f"logprobs differ by {gap.mean():.1e}, at most {gap.max():.1e}", flush=True)
        if gap.mean() > GAP_MAX:
            raise Failed("the server and the trainer do not have the same weights")
        return batch


def main() -> None:
    add = (parser := argparse.ArgumentParser(description=__doc__.splitlines()[0])).add_argument
    add("--ozone", default="ozone", help="the program")
    add("--model", type=Path, default="models/ozone-mini", help="one GGUF file, and hf/ beside it")
    add("--run", type=Path, default="runs/trl", help="where everything is written")
    add("--steps", type=int, default=5)
    add("--groups", type=int, default=4, help="questions of an update")
    add("--samples", type=int, default=4, help="rollouts of a question")
    add("--learning-rate", type=float, default=2e-5)
    args = parser.parse_args()
    templates, copy = list(args.model.glob("*.gguf")), args.model / "hf"
    if len(templates) != 1 or not copy.is_dir():
        raise Failed(f"{args.model} needs one GGUF file and the folder hf")
    server = Server(args.ozone, args.run, templates[0])
    trainer = Trainer(
        server,
        model=AutoModelForCausalLM.from_pretrained(copy, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(copy),
        train_dataset=Dataset.from_list(questions(args.steps * args.groups, seed=1)),
        args=GRPOConfig(
            args.run / "trl", max_steps=args.steps, learning_rate=args.learning_rate,
            per_device_train_batch_size=args.groups * args.samples, num_generations=args.samples,
            loss_type="dapo", scale_rewards="none", beta=0.0, lr_scheduler_type="constant",
            max_completion_length=TOKENS_MAX, use_cpu=True, bf16=False, report_to="none",
            save_strategy="no", logging_strategy="no", disable_tqdm=True,
        ),
    )
    try:
        trainer.train()
        trainer.save_model(args.run / "hf")
        write_gguf(server.template, trainer.model.state_dict(), server.gguf)
    finally:
        server.stop()
    print(f"trained: {server.gguf}, for `ozone ask -m`, and {args.run / 'hf'}")


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError) as error:
        sys.exit(f"error: {error}")

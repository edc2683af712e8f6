"""A model, an endpoint and a cassette small enough to make anew for the tests of one folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fairmem.policy import import_torch

SPECIAL = ["<pad>", "<eos>", "<stop>", "<extract>", "<out>"]
JOIN_CONTENTS = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def build_model_folder(folder: Path, *, prompts: str = "compact", context: int = 256) -> Path:
    """Save a random Qwen3 of 2 layers with a byte-level BPE tokenizer, two end tokens and a repetition penalty."""
    torch = import_torch()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["Ana lives in Lodz. Bo has a dog."] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<eos>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[2:]})
    tokenizer.chat_template = JOIN_CONTENTS
    tokenizer.save_pretrained(folder)

    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=context,
            tie_word_embeddings=True,
            # Larger than usual, so that the distribution is far from uniform and mistakes in it show.
            initializer_range=0.2,
        )
    )
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<eos>", "<stop>")]
    # As released chat models have it; none of it may reach the sampler.
    model.generation_config = GenerationConfig(
        eos_token_id=ends, pad_token_id=0, do_sample=True, repetition_penalty=1.3, temperature=0.7, top_p=0.8, top_k=20
    )
    model.save_pretrained(folder)
    (folder / "fairmem.json").write_text(json.dumps({"prompts": prompts}))
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model_folder(tmp_path_factory.mktemp("model") / "tiny")


Answer = tuple[int, str, dict[str, str], float]
"""Status, body, headers and seconds to wait first."""


def completion(text: str = "Lodz", finish: str = "stop", **fields: Any) -> Answer:
    """A well-formed answer of an endpoint."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, **fields}
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    return 200, json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}), {}, 0.0


def echo(body: dict[str, Any]) -> Answer:
    """An answer that depends on the last message and the seed alone, cut at `max_tokens` words."""
    words = f"{body['messages'][-1]['content']} {body.get('seed', 0) % 97}".split()
    limit = body.get("max_tokens", 100)
    return completion(" ".join(words[:limit]), "stop" if len(words) < limit else "length")


@dataclass
class Endpoint:
    """A real HTTP server on the loopback interface that speaks /v1/chat/completions.

    It takes the next of `planned` for each request, then `otherwise`; it keeps what it was sent.
    """

    base_url: str = ""
    planned: list[Answer] = field(default_factory=list[Answer])
    otherwise: Callable[[dict[str, Any]], Answer] = echo
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    paths: list[str] = field(default_factory=list[str])
    released: threading.Event = field(default_factory=threading.Event)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        with self.lock:
            self.paths.append(path)
            self.headers.append(headers)
            self.bodies.append(body)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            answer = self.planned.pop(0) if self.planned else self.otherwise(body)
        self.released.wait(answer[3])
        with self.lock:
            self.in_flight -= 1
        return answer


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, text, headers, _ = state.answer(self.path, dict(self.headers.items()), body)
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())
            except (BrokenPipeError, ConnectionResetError):
                return  # A client that stopped waiting is part of the tests.

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()
    thread.join()

"""A model in this process: micro-batches of requests, decoded with our own draw of each token (`decode`).

What is sampled depends on the request, its seed and the weights, not on what else is in the batch
(see `inverse_cdf`). A learner that trains `policy.model` changes the very weights that sample next.

Simplified: rows that have ended leave their micro-batch, but no new ones join it. Not safe to call from several
threads at once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairmem.errors import ConfigError, ModelError
from fairmem.policy.base import Family, PolicyStats, Prompt, Reply, SampleRequest
from fairmem.policy.decode import decode
from fairmem.policy.microbatch import Limits, Span, plan
from fairmem.policy.model_folder import load_model, read_family
from fairmem.policy.reading import padded
from fairmem.policy.render import Renderer
from fairmem.policy.sampled import end_ids, read_sampled, token_ends, unfit
from fairmem.policy.torch_setup import import_torch
from fairmem.trace import CallFailure

import_torch()

import torch  # noqa: E402 - prepared by the line above

_SCORED_LOGITS = {"cpu": 2**26, "cuda": 2**29}
"""Most logits `score` holds at once (256 MB and 2 GB of float32)."""


_PADDING = 1.3
"""Most prompt positions read per prompt token; with no limit, one long prompt makes a batch of short ones slow."""


class HFPolicy:
    """A causal language model of transformers as a policy.

    Attributes:
        model: The module that samples. Move or train it as you like; it is read afresh at every call.
        tokenizer: Its tokenizer.
        eos: Ids that end a message: those of the model's generation config, else the tokenizer's.
        context: Most positions of prompt and reply together; None if the config sets no limit.
        stats: Work since the policy was made; `last_call`: of the latest `sample`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str = "hf",
        family: Family = "instruct",
        batch: int = 128,
        token_budget: int = 65_536,
        device: str | None = None,
        template_options: Mapping[str, object] | None = None,
    ) -> None:
        """Wrap `model` and `tokenizer`.

        Args:
            model: Moved to `device` if one is given, else left where it is.
            tokenizer: With a chat template, prompts are rendered by it, else contents are joined.
            name: Shown in traces and reports.
            family: Prompts that the model understands.
            batch: Most rows of a micro-batch.
            token_budget: Most positions of a micro-batch, padding and room for new tokens included.
            device: A torch device such as `cpu` or `cuda:0`.
            template_options: Extra variables for the chat template.

        Raises:
            ModelError: neither the model nor the tokenizer names an end-of-message token.
            ConfigError: `batch` or `token_budget` is below 1.
        """
        if batch < 1 or token_budget < 1:
            raise ConfigError(f"batch is {batch} and token_budget {token_budget}, expected at least 1 of each")
        self.model = model if device is None else model.to(device)
        self.tokenizer = tokenizer
        self.name = name
        self.family: Family = family
        self.stats = PolicyStats()
        self.last_call = PolicyStats()
        self.eos = end_ids(model.generation_config, tokenizer, name)
        config = model.config.get_text_config()
        self.context: int | None = getattr(config, "max_position_embeddings", None)
        self._batch = batch
        self._token_budget = token_budget
        self._renderer = Renderer(tokenizer, family, template_options)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        name: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch: int = 128,
        token_budget: int = 65_536,
        template_options: Mapping[str, object] | None = None,
    ) -> HFPolicy:
        """Open the model in `folder`; see `model_folder` for what it must hold.

        Args:
            folder: A local folder in Hugging Face format.
            name: Default: the folder's name; if that is `model`, as in a run's folder, its parent's.
            device: `auto` is the first CUDA device, or else the CPU.
            dtype: A torch type; `auto` is bfloat16 on CUDA and float32 elsewhere, where bfloat16 is slower.
            batch: As for the constructor, like the next two.
            token_budget: Likewise.
            template_options: Likewise.

        Raises:
            ModelError: the folder cannot be used.
            ConfigError: an unknown device or type.
        """
        folder = Path(folder)
        device, dtype = _resolved(device, dtype)
        family = read_family(folder) if folder.is_dir() else "instruct"
        model, tokenizer = load_model(folder, dtype)
        return cls(
            model,
            tokenizer,
            name=name or _name_of(folder),
            family=family,
            batch=batch,
            token_budget=token_budget,
            device=device,
            template_options=template_options,
        )

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        """One reply per request. A request that does not fit the context is a `PROMPT_TOO_LONG` failure."""
        call = PolicyStats(requests=len(requests))
        start = time.perf_counter()
        texts = [self._renderer.text(request.prompt) for request in requests]
        prompts = [self._renderer.ids(text) for text in texts]
        replies: dict[int, Reply] = {}
        for index, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            if (failure := unfit(len(prompt), request.max_tokens, self.context)) is not None:
                replies[index] = failure
        fit = [index for index in range(len(requests)) if index not in replies]
        first: dict[tuple[int, ...], int] = {}
        spans = [
            Span(len(prompts[i]), requests[i].max_tokens, requests[i].tag, first.setdefault(prompts[i], i)) for i in fit
        ]
        limits = Limits(self._batch, self._token_budget, context=self.context, padding=_PADDING)
        with self._sampling():
            for members in plan(spans, limits):
                rows = [fit[member] for member in members]
                drawn = decode(self.model, [prompts[i] for i in rows], [requests[i] for i in rows], self.eos)
                for i, (ids, logprobs) in zip(rows, drawn, strict=True):
                    replies[i] = read_sampled(self.tokenizer, self.name, self.eos, texts[i], prompts[i], ids, logprobs)
                    call.prompt_tokens += len(prompts[i])
                    call.generated_tokens += len(ids)
                call.micro_batches += 1
        call.failures = sum(isinstance(reply, CallFailure) for reply in replies.values())
        call.seconds = time.perf_counter() - start
        self.last_call = call
        self.stats.add(call)
        return [replies[index] for index in range(len(requests))]

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Log-probabilities log p(ids[i] | prompt_ids[i]) in nats at temperature 1, one per token of `ids[i]`.

        Raises:
            ModelError: a prompt is empty (nothing predicts the first token), or a sequence exceeds the context.
            ValueError: the two lists differ in length.
        """
        spans = [Span(len(p), len(r)) for p, r in zip(prompt_ids, ids, strict=True)]
        for span in spans:
            if span.new and not span.prompt:
                raise ModelError(f"{self.name}: cannot score {span.new} tokens after an empty prompt")
            if self.context is not None and span.prompt + span.new > self.context:
                raise ModelError(
                    f"{self.name}: cannot score {span.prompt} + {span.new} tokens, its context is {self.context}"
                )
        scores: dict[int, tuple[float, ...]] = {i: () for i, span in enumerate(spans) if not span.new}
        todo = [i for i in range(len(spans)) if i not in scores]
        logits = _SCORED_LOGITS.get(self.model.device.type, _SCORED_LOGITS["cpu"])
        held = max(1, logits // self.model.config.get_text_config().vocab_size)
        limits = Limits(self._batch, self._token_budget, new_tokens=held, context=self.context)
        with self._sampling():
            for members in plan([spans[i] for i in todo], limits):
                rows = [todo[member] for member in members]
                found = self._score_rows([prompt_ids[i] for i in rows], [ids[i] for i in rows])
                scores.update(zip(rows, found, strict=True))
        return [scores[i] for i in range(len(spans))]

    def score_after(self, prefix: Sequence[int], rows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """`score` of many rows after one prefix, which is read once; the same numbers to rounding.

        Raises:
            ModelError: the prefix is empty, or a sequence exceeds the context.
        """
        longest = len(prefix) + max((len(row) for row in rows), default=0)
        if not prefix or (self.context is not None and longest > self.context):
            raise ModelError(f"{self.name}: cannot score rows of {longest} tokens, its context is {self.context}")
        found: list[tuple[float, ...]] = []
        with self._sampling():
            read = torch.tensor([list(prefix)], device=self.model.device)
            for start in range(0, len(rows), self._batch):
                batch = [list(row) for row in rows[start : start + self._batch]]
                first = self.model(input_ids=read, use_cache=True, logits_to_keep=1)
                cache = first.past_key_values
                if not hasattr(cache, "batch_repeat_interleave"):
                    return self.score([prefix] * len(rows), rows)
                cache.batch_repeat_interleave(len(batch))
                right, mask = padded(batch, self.eos[0], left=False, device=self.model.device)
                seen = torch.ones((len(batch), len(prefix)), dtype=mask.dtype, device=mask.device)
                logits = self.model(
                    input_ids=right, attention_mask=torch.cat([seen, mask], dim=1), past_key_values=cache
                ).logits
                logits = torch.cat([first.logits.expand(len(batch), -1, -1), logits[:, :-1]], dim=1)
                logp = torch.log_softmax(logits.float(), dim=-1).gather(-1, right.unsqueeze(-1)).squeeze(-1)
                found += [tuple(row[: len(reply)]) for row, reply in zip(logp.tolist(), batch, strict=True)]
        return found

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text` alone, without special tokens around it."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt that has been rendered, `Sample.prompt_text` for example."""
        return self._renderer.ids(text)

    def reply_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of `text` as a whole reply, the end-of-message token included, as if the model had written it."""
        return (*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.eos[0])

    def token_ids(self, prompt: Prompt, reply: str = "") -> tuple[int, ...]:
        """Token ids of the rendered `prompt` with the beginning of a `reply` after it, as one text."""
        return self._renderer.ids(self._renderer.text(prompt) + reply)

    def rendered(self, prompt: Prompt) -> str:
        """`prompt` as the text that the model reads."""
        return self._renderer.text(prompt)

    def offsets(self, text: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Token ids of rendered `text`, as `encode`, and where in it each token begins and ends.

        Raises:
            ModelError: the tokenizer is not a fast one, so that it does not know.
        """
        if not self.tokenizer.is_fast:
            raise ModelError(f"{self.name}: its tokenizer gives no character offsets; save it as tokenizer.json")
        return self._renderer.offsets(text)

    def token_ends(self, ids: Sequence[int]) -> tuple[int, ...]:
        """See `fairmem.policy.TokenPlaces`."""
        return token_ends(self.tokenizer, self.eos, ids)

    def close(self) -> None:
        """Nothing to release: the model belongs to whoever made it."""

    @contextmanager
    def _sampling(self) -> Generator[None, None, None]:
        """Eval mode and no gradients; the modes are put back afterwards."""
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            # Not inference_mode: buffers that a forward pass makes and caches could not be used in training later.
            with torch.no_grad():
                yield
        finally:
            for module, training in modes.items():
                module.training = training

    def _score_rows(self, prompts: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        # Prompts padded on the left and replies on the right: replies start in one column, so logits are
        # computed for the reply columns only, and prompts get the very positions they had in `generate`.
        left, left_mask = padded(prompts, self.eos[0], left=True, device=self.model.device)
        right, right_mask = padded(ids, self.eos[0], left=False, device=self.model.device)
        mask = torch.cat([left_mask, right_mask], dim=1)
        logits = self.model(
            input_ids=torch.cat([left, right], dim=1),
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=right.shape[1] + 1,
        ).logits[:, :-1]
        logp = torch.log_softmax(logits.float(), dim=-1).gather(-1, right.unsqueeze(-1)).squeeze(-1)
        return [tuple(row[: len(reply)]) for row, reply in zip(logp.tolist(), ids, strict=True)]


def _name_of(folder: Path) -> str:
    """`runs/big/model` is known as `big`, `runs/big/model/manager` as `big/manager`: every run has a folder `model`."""
    folder = folder.resolve()
    if folder.parent.name == "model" and folder.parent.parent.name:
        return f"{folder.parent.parent.name}/{folder.name}"
    return (folder.parent.name if folder.name == "model" else "") or folder.name


def _resolved(device: str, dtype: str) -> tuple[str, str]:
    """Device and type with `auto` decided; ConfigError for those that torch cannot use here."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device is {device!r}, expected auto, cpu, cuda or another device of torch") from error
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {device!r}, but torch finds no CUDA device here; use cpu or auto")
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    if dtype not in ("float32", "bfloat16", "float16"):
        raise ConfigError(f"dtype is {dtype!r}, expected auto, float32, bfloat16 or float16")
    return device, dtype

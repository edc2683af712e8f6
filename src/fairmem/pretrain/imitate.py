"""The imitation loop: cross-entropy on the replies of packed demonstrations, with checkpoints to resume from.

Matrices are updated by Muon, embeddings and norms by AdamW (Muon needs about half the tokens here; the comparison is in
docs/log.md). The learning rate warms up, stays, and falls linearly to zero over the second half.
The data stream is a function of the seed and the step, so a resumed run sees what an undisturbed one would.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairmem.policy.torch_setup import import_torch, multiplies_bfloat16
from fairmem.pretrain.base_model import demonstrations
from fairmem.pretrain.mixture import Demonstration, Imperfection, Mixture
from fairmem.pretrain.packing import Packed, Packer
from fairmem.seeds import derive, python_rng

_SHUFFLE = 512
"""Demonstrations held back and drawn in random order, so that one batch mixes many conversations."""
_EPOCH_STEPS = 250
"""The data stream starts afresh, from its own seed, every so many steps; resuming happens at these points."""

_ALWAYS = Mixture(questions=8, quizzes=0.75, singles=0.1, writers=0.1, rewording=0.2, drills=2, spliced=0.7)
PHASES: tuple[tuple[float, Mixture], ...] = ((0.0, replace(_ALWAYS, careful=True)), (0.6, _ALWAYS))
"""(share of the steps done, what is demonstrated from there on): the manager's drills are careful decisions while it
learns to look things up, then as imperfect as the rest."""


@dataclass(frozen=True, slots=True)
class ImitationSettings:
    """How to imitate.

    `rows` x `length` tokens are read a step; `pseudo_words` is the share of invented fillers; `context_weight`
    weighs the loss on prompt tokens beside that on replies. `compiled` runs the model through torch.compile (a C++
    compiler must be there), which changes its speed and the last digits.
    """

    seed: int = 0
    steps: int = 6000
    rows: int = 8
    length: int = 512
    pseudo_words: float = 0.8
    context_weight: float = 0.5
    lr: float = 3e-3
    warmup: int = 150
    weight_decay: float = 0.02
    optimizer: str = "muon"
    compiled: bool = False


def _shuffled(stream: Iterator[Demonstration], seed: int, part: int) -> Iterator[Demonstration]:
    rng = python_rng(seed, "shuffle", part)
    held: list[Demonstration] = []
    for demonstration in stream:
        held.append(demonstration)
        if len(held) > _SHUFFLE:
            at = rng.randrange(len(held))
            held[at], held[-1] = held[-1], held[at]
            yield held.pop()


def _rate(step: int, settings: ImitationSettings) -> float:
    """Learning rate of a step: warms up, stays, and falls linearly to zero over the second half."""
    warm = min(1.0, (step + 1) / settings.warmup)
    left = (settings.steps - step) / (settings.steps / 2)
    return settings.lr * warm * min(1.0, max(left, 0.0))


def _mixed_precision(device: str) -> AbstractContextManager[Any]:
    """bfloat16 products where the device multiplies them natively, else nothing; weights stay float32."""
    torch = import_torch()
    return torch.autocast(device, dtype=torch.bfloat16) if multiplies_bfloat16(device) else nullcontext()


class Imitation:
    """Trains `model` in place. `encode` maps text to token ids; `lessons` gives part N where it is not the village."""

    def __init__(
        self,
        model: Any,
        encode: Callable[[str], list[int]],
        eos: int,
        settings: ImitationSettings,
        lessons: Callable[[int], Iterator[Demonstration]] | None = None,
        part_steps: int | None = None,
    ) -> None:
        """The optimizers are made here; `resume` puts their state back."""
        torch = import_torch()
        from fairmem.pretrain.muon import Muon

        self.model = model
        self.settings = settings
        self.step = 0
        self.tokens = 0
        self.seconds = 0.0
        self._encode = encode
        self._eos = eos
        self._lessons = lessons or self._village
        self._part_steps = part_steps or _EPOCH_STEPS
        self._body = torch.compile(model.model, dynamic=False) if settings.compiled else model.model
        embedding = model.get_input_embeddings().weight
        matrices = [p for p in model.parameters() if p.ndim == 2 and p is not embedding]
        others = [p for p in model.parameters() if p.ndim != 2 or p is embedding]
        adam: dict[str, Any] = {"lr": settings.lr, "betas": (0.9, 0.98)}
        if settings.optimizer == "muon":
            self.optimizers = [
                Muon(matrices, lr=settings.lr, weight_decay=settings.weight_decay),
                torch.optim.AdamW(others, weight_decay=0.0, **adam),
            ]
        else:
            groups = [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ]
            self.optimizers = [torch.optim.AdamW(groups, **adam)]

    def run(self, folder: Path, log: Callable[[dict[str, float]], None], every: int = 50) -> None:
        """Train to the last step, calling `log` every `every` steps and saving to `folder` at every part's end."""
        settings = self.settings
        while self.step < settings.steps:
            part = self.step // self._part_steps
            stream = self._lessons(part)
            packer = Packer(self._encode, self._eos, settings.rows, settings.length)
            losses: list[float] = []
            for batch in packer.batches(stream):
                started = time.perf_counter()
                losses.append(self._update(batch))
                self.seconds += time.perf_counter() - started
                self.tokens += int((batch.document > 0).sum())
                self.step += 1
                if not math.isfinite(losses[-1]):
                    raise FloatingPointError(
                        f"imitation loss is {losses[-1]} at step {self.step}; lower the learning rate"
                    )
                if self.step % every == 0:
                    log(
                        {
                            "step": self.step,
                            "loss": sum(losses[-every:]) / len(losses[-every:]),
                            "tokens": self.tokens,
                            "seconds": round(self.seconds, 1),
                            "tokens_per_second": round(self.tokens / self.seconds),
                            "skipped": packer.skipped,
                        }
                    )
                if self.step % self._part_steps == 0 or self.step >= settings.steps:
                    self.save(folder)
                    break

    def _village(self, part: int) -> Iterator[Demonstration]:
        """What the base model imitates in part `part`, which begins at the present step."""
        mixture = [mixture for start, mixture in PHASES if start * self.settings.steps <= self.step][-1]
        seed = derive(self.settings.seed, "part", part)
        stream = demonstrations(seed, Imperfection(), self.settings.pseudo_words, mixture)
        return _shuffled(stream, self.settings.seed, part)

    def _update(self, batch: Packed) -> float:
        torch = import_torch()
        model = self.model
        model.train()
        device = model.device
        target = torch.from_numpy(batch.target).to(device)
        with _mixed_precision(device.type):
            hidden = self._body(
                input_ids=torch.from_numpy(batch.ids).to(device),
                position_ids=torch.from_numpy(batch.positions).to(device),
                attention_mask=torch.from_numpy(batch.visible()).to(device),
                use_cache=False,
            ).last_hidden_state
        learned = target != -100
        reply = torch.nn.functional.cross_entropy(model.lm_head(hidden[learned]), target[learned])
        loss = reply
        if self.settings.context_weight:
            context = torch.from_numpy(batch.context).to(device)
            read = context != -100
            loss = reply + self.settings.context_weight * torch.nn.functional.cross_entropy(
                model.lm_head(hidden[read]), context[read]
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = _rate(self.step, self.settings)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(reply.detach())

    def save(self, folder: Path) -> None:
        """Write the state to `folder`/imitation.pt, replacing the previous one in one move."""
        torch = import_torch()
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "counters": [self.step, self.tokens, self.seconds],
        }
        torch.save(state, folder / "imitation.tmp")
        (folder / "imitation.tmp").replace(folder / "imitation.pt")
        (folder / "progress.json").write_text(json.dumps({"step": self.step, "of": self.settings.steps}))

    def resume(self, folder: Path) -> bool:
        """Put back the state saved in `folder`, if there is one."""
        torch = import_torch()
        if not (folder / "imitation.pt").is_file():
            return False
        state = torch.load(folder / "imitation.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.tokens, self.seconds = (
            int(state["counters"][0]),
            int(state["counters"][1]),
            state["counters"][2],
        )
        return True

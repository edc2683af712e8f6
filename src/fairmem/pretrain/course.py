"""Makes the two bundled models: the base, which reinforcement learning starts from, and the frozen answerer.

The answerer goes on from the finished base with its own role alone. One small model in all three roles answers worse
than it could, and a frozen answerer that is often wrong hides what a memory is worth.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fairmem.errors import ConfigError
from fairmem.pretrain.card import Trained, write_card

_VOCABULARY = 1024
_WIDTH = 192
_LAYERS = 5


def run(out: Path, steps: int | None = None, device: str = "auto", seed: int = 0, compiled: bool = False) -> int:
    """Train from scratch and leave Hugging Face folders `base` (with a model card) and `answerer` in `out`.

    A run that was stopped goes on where it was. `steps` are those of the base; the answerer takes 2/7 as many.

    Raises:
        ConfigError: `steps` is below 1.
        MissingExtraError: torch is not installed.
    """
    from fairmem.policy.hf import HFPolicy
    from fairmem.policy.torch_setup import import_torch
    from fairmem.pretrain.base_model import make_model, train_tokenizer
    from fairmem.pretrain.imitate import ANSWERER_PHASES, PHASES, ImitationSettings
    from fairmem.pretrain.scores import score_base

    torch = import_torch()
    if steps is not None and steps < 1:
        raise ConfigError(f"--steps is {steps}, expected at least 1")
    settings = ImitationSettings(seed=seed, compiled=compiled)
    if steps is not None:
        settings = replace(settings, steps=steps)
    console = Console(stderr=True)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = train_tokenizer(seed, _VOCABULARY)
    base = make_model(seed, len(tokenizer), _WIDTH, _LAYERS, tokenizer.pad_token_id, tokenizer.eos_token_id).to(device)
    work = out.with_name(out.name + ".work")
    learned = _train(base, tokenizer, settings, PHASES, work / "base", console, "base")
    _ship(base, tokenizer, out / "base", seed)
    answerer = copy.deepcopy(base)
    alone = replace(settings, seed=seed + 1, steps=max(1, settings.steps * 2 // 7), lr=settings.lr / 2)
    asked = _train(answerer, tokenizer, alone, ANSWERER_PHASES, work / "answerer", console, "answerer")
    _ship(answerer, tokenizer, out / "answerer", seed)
    policies = {name: HFPolicy.from_folder(out / name, device=device) for name in ("base", "answerer")}
    scores = {
        split: score_base(policies["base"], split)
        | {
            f"{name} (answerer alone)": score
            for name, score in score_base(policies["answerer"], split, roles=("answerer",)).items()
        }
        for split in ("train", "test")
    }
    write_card(out / "base", [learned, asked], sum(p.numel() for p in base.parameters()), device, scores)
    console.print(f"{out} holds base and answerer; the card is {out / 'base' / 'README.md'}", markup=False)
    return 0


def _train(model: Any, tokenizer: Any, settings: Any, phases: Any, work: Path, console: Console, name: str) -> Trained:
    """Train `model` in place, going on from `work` if there is something."""
    from fairmem.pretrain.imitate import Imitation

    core = tokenizer.backend_tokenizer
    encode: Callable[[str], list[int]] = lambda text: core.encode(text, add_special_tokens=False).ids  # noqa: E731
    loop = Imitation(model, encode, tokenizer.eos_token_id, settings, phases)
    if loop.resume(work):
        console.print(f"{name}: going on from step {loop.step} of {settings.steps}", markup=False)

    def log(row: dict[str, float]) -> None:
        left = (settings.steps - loop.step) * loop.seconds / max(loop.step, 1)
        console.print(
            f"{name}: step {loop.step}/{settings.steps}  reply loss {row['loss']:.3f}  "
            f"{row['tokens_per_second']:,.0f} tok/s  {left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )

    loop.run(work, log)
    return Trained(settings, loop.tokens, loop.seconds)


def _ship(model: Any, tokenizer: Any, folder: Path, seed: int) -> None:
    """Write a bfloat16 copy: half the size, and loaded as float32 where that is what is computed in."""
    import torch

    from fairmem.learner import export

    small = copy.deepcopy(model).to(torch.bfloat16)
    export(small, tokenizer, folder, {"prompts": "compact", "made_by": "fairmem pretrain", "seed": seed})

"""Makes the bundled model: trains it, stores it in bfloat16, scores it on unseen words, writes its card."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fairmem.errors import ConfigError

if TYPE_CHECKING:
    from fairmem.pretrain.imitate import Imitation, ImitationSettings

_VOCABULARY = 1024
_WIDTH = 192
_LAYERS = 5


def run(out: Path, steps: int | None = None, device: str = "auto", seed: int = 0, compiled: bool = False) -> int:
    """Train from scratch and leave a Hugging Face folder with a model card at `out`; goes on where a run stopped.

    Raises:
        ConfigError: `steps` is below 1.
        MissingExtraError: torch is not installed.
    """
    from fairmem.learner import export
    from fairmem.policy.hf import HFPolicy
    from fairmem.policy.torch_setup import import_torch
    from fairmem.pretrain.base_model import make_model, train_tokenizer
    from fairmem.pretrain.card import write_card
    from fairmem.pretrain.imitate import ImitationSettings
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
    loop = _train(base, tokenizer, settings, work, console)
    # Half the size, and loaded as float32 where that is what is computed in.
    small = copy.deepcopy(base).to(torch.bfloat16)
    export(small, tokenizer, out, {"prompts": "compact", "made_by": "fairmem pretrain", "seed": seed})
    policy = HFPolicy.from_folder(out, device=device)
    scores = {split: score_base(policy, split) for split in ("train", "test")}
    parameters = sum(p.numel() for p in base.parameters())
    write_card(out, settings, parameters, loop.tokens, loop.seconds, device, scores)
    console.print(f"{out} holds the model and its card", markup=False)
    return 0


def _train(model: Any, tokenizer: Any, settings: ImitationSettings, work: Path, console: Console) -> Imitation:
    """Train `model` in place, going on from `work` if there is something."""
    from fairmem.pretrain.imitate import Imitation

    core = tokenizer.backend_tokenizer
    encode: Callable[[str], list[int]] = lambda text: core.encode(text, add_special_tokens=False).ids  # noqa: E731
    loop = Imitation(model, encode, tokenizer.eos_token_id, settings)
    if loop.resume(work):
        console.print(f"going on from step {loop.step} of {settings.steps}", markup=False)

    def log(row: dict[str, float]) -> None:
        left = (settings.steps - loop.step) * loop.seconds / max(loop.step, 1)
        console.print(
            f"step {loop.step}/{settings.steps}  reply loss {row['loss']:.3f}  "
            f"{row['tokens_per_second']:,.0f} tok/s  {row['skipped']:.0f} too long  {left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )

    loop.run(work, log)
    return loop

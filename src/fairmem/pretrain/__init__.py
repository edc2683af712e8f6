"""Makes the small base model that ships with fairmem: tokenizer and weights from scratch, by imitation.

demonstrate.py  what is imitated, imperfect on purpose
packing.py      demonstrations to batches, one prompt prefix for several questions
base_model.py   the tokenizer and the untrained model
imitate.py      the loop, resumable
scores.py       how good it is on unseen names, values and phrasings
card.py         the model card
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from fairmem.errors import ConfigError
from fairmem.pretrain.demonstrate import Demonstration, Demonstrator, Imperfection, Mixture
from fairmem.pretrain.packing import Packed, Packer

__all__ = [
    "Demonstration",
    "Demonstrator",
    "Imperfection",
    "Mixture",
    "Packed",
    "Packer",
    "run",
]

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
    from fairmem.pretrain.imitate import Imitation, ImitationSettings
    from fairmem.pretrain.scores import score_base

    torch = import_torch()
    if steps is not None and steps < 1:
        raise ConfigError(f"--steps is {steps}, expected at least 1")
    settings = ImitationSettings(seed=seed, compiled=compiled)
    if steps is not None:
        settings = replace(settings, steps=steps)
    console = Console(stderr=True)
    work = out.with_name(out.name + ".work")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = train_tokenizer(seed, _VOCABULARY)
    model = make_model(seed, len(tokenizer), _WIDTH, _LAYERS, tokenizer.pad_token_id, tokenizer.eos_token_id).to(device)
    core = tokenizer.backend_tokenizer
    loop = Imitation(
        model, lambda text: core.encode(text, add_special_tokens=False).ids, tokenizer.eos_token_id, settings
    )
    if loop.resume(work):
        console.print(f"going on from step {loop.step} of {settings.steps}", markup=False)

    def log(row: dict[str, float]) -> None:
        left = (settings.steps - loop.step) * loop.seconds / max(loop.step, 1)
        console.print(
            f"step {loop.step}/{settings.steps}  reply loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tok/s  "
            f"{left / 60:.0f} min left",
            markup=False,
            highlight=False,
        )

    loop.run(work, log)
    export(model, tokenizer, out, {"prompts": "compact", "made_by": "fairmem pretrain", "seed": seed})
    policy = HFPolicy.from_folder(out, device=device)
    scores = {split: score_base(policy, split) for split in ("train", "test")}
    write_card(out, settings, sum(p.numel() for p in model.parameters()), loop.tokens, loop.seconds, device, scores)
    console.print(f"{out} holds the model and its card", markup=False)
    return 0

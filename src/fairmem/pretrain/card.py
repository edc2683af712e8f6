"""Writes the model card of a base model (`card.md`, filled in): how it was made, and its measured scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from fairmem.pretrain.imitate import ImitationSettings
from fairmem.pretrain.mixture import Imperfection


def write_card(
    folder: Path,
    settings: ImitationSettings,
    parameters: int,
    tokens: int,
    seconds: float,
    device: str,
    scores: Mapping[str, Mapping[str, float]],
) -> None:
    """Write `README.md` and `scores.json` (the same figures and settings) into `folder`."""
    bad = Imperfection()
    names = list(dict.fromkeys(name for split in scores.values() for name in split))
    rows = "\n".join(
        f"| {name} | " + " | ".join(_cell(scores[split].get(name)) for split in ("train", "test")) + " |"
        for name in names
    )
    template = resources.files("fairmem.pretrain").joinpath("card.md").read_text(encoding="utf-8")
    text = template.format(
        parameters=parameters,
        seed=settings.seed,
        steps=settings.steps,
        compiled=" --compile" if settings.compiled else "",
        pseudo_words=settings.pseudo_words,
        tokens=tokens,
        minutes=seconds / 60,
        device=device,
        default_miss=bad.default_miss,
        misses=", ".join(f"{kind} {share:.2f}" for kind, share in bad.miss.items()),
        hearsay=bad.hearsay,
        stale=bad.stale,
        duplicate=bad.duplicate,
        keep_gone=bad.keep_gone,
        rows=rows,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    about = {"settings": asdict(settings), "parameters": parameters, "tokens": tokens, "seconds": seconds}
    (folder / "scores.json").write_text(json.dumps({**about, "scores": scores}, indent=2) + "\n", encoding="utf-8")


def _cell(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"

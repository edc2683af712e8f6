"""Small evaluations and run folders with round numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmem.config import load_recipe, save_resolved
from fairmem.eval import AnswerRecord, EvalHeader, EvalResult, MemoryRecord

HEADER = EvalHeader(
    dataset="village",
    model="bundled",
    answerer="frozen",
    signature="F1[bag|squad-norm|no-stem|v1]",
    categories=("single_hop", "temporal"),
    temperature=0.0,
    seed=0,
    shown_per_speaker=8,
    prompt_hashes={"extractor": "0123456789abcdef"},
    calls=40,
)


def memory(conversation: str, **changes: Any) -> MemoryRecord:
    """10 entries of 50 tokens in all from a dialogue of 200; 4 evidence turns, 1 lost, 1 not shown."""
    record = MemoryRecord(
        conversation=conversation,
        sessions=2,
        entries=10,
        tokens=50,
        dialogue_tokens=200,
        ops={"INSERT applied": 10, "NOOP noop": 2},
        parse={"extractor ok": 3, "extractor truncated": 1, "manager ok": 3, "manager empty": 1},
        evidence=4,
        lost=1,
        unshown=1,
        failed=False,
    )
    return record.model_copy(update=changes)


def answer(
    conversation: str, number: int, score: float | None, category: str = "single_hop", **changes: Any
) -> AnswerRecord:
    """Answer to question `number`; a None score is a timeout."""
    record = AnswerRecord(
        conversation=conversation,
        question=f"q{number}",
        category=category,
        text=f"Question {number} of {conversation}?",
        gold="Lodz",
        answer=None if score is None else f"answer {score:g}",
        score=score,
        shown=5,
        failure="timeout: no reply in 60 s" if score is None else None,
    )
    return record.model_copy(update=changes)


def result(scores: Sequence[Sequence[float | None]], **changes: Any) -> EvalResult:
    """One conversation per row; its questions are single_hop and temporal in turn. `changes` are the header's."""
    names = [f"c{i}" for i in range(len(scores))]
    return EvalResult(
        header=HEADER.model_copy(update=changes),
        memories=tuple(memory(name) for name in names),
        answers=tuple(
            answer(name, j, score, "temporal" if j % 2 else "single_hop")
            for name, row in zip(names, scores, strict=True)
            for j, score in enumerate(row)
        ),
    )


def run_folder(
    folder: Path, before: EvalResult | None, after: EvalResult | None, steps: int = 4, overrides: Sequence[str] = ()
) -> Path:
    """A run of 4 planned steps; F1 rises by 0.1 a step from 0.2, each step takes 10 s of which 6 are rollout."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.toml"
    source.write_text('name = "fake"\nseed = 3\n[learner]\nlr = 0.003\n[[stages]]\nsessions = 2\nsteps = 4\n')
    save_resolved(load_recipe(source, overrides), folder / "recipe.toml")
    source.unlink()
    with (folder / "metrics.jsonl").open("w") as metrics, (folder / "timing.jsonl").open("w") as timing:
        for step in range(1, steps + 1):
            row = {"step": step, "stage": f"stage {1 + step // 3}", "f1": 0.1 + 0.1 * step, "bank_entries": 8.0 + step}
            metrics.write(json.dumps({**row, "kl": 0.001 * step, "loss": None, "global_groups": 16}) + "\n")
            clock = {"step": step, "seconds": 10.0, "rollout_seconds": 6.0, "learn_seconds": 3.0}
            timing.write(json.dumps({**clock, "generated_tokens": 6000, "rollout_efficiency": 0.75}) + "\n")
    for name, evaluation in (("before", before), ("after", after)):
        if evaluation is not None:
            evaluation.save(folder / f"eval_{name}.jsonl")
    return folder

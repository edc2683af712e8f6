"""The two numbers a curriculum decides by, from an evaluation of the validation conversations."""

from __future__ import annotations

from fairmem.eval.result import EvalResult


def validation_scores(result: EvalResult) -> dict[str, float | None]:
    """`val_f1`, the mean answer score, and `val_m_fail`, the share of evidence turns that no live entry came from.

    Both are micro means, as in every report. Failed answers and conversations without a memory are left out; None
    where nothing is left.
    """
    scores = [answer.score for answer in result.answers if answer.score is not None]
    built = [memory for memory in result.memories if not memory.failed]
    evidence = sum(memory.evidence for memory in built)
    return {
        "val_f1": sum(scores) / len(scores) if scores else None,
        "val_m_fail": sum(memory.lost for memory in built) / evidence if evidence else None,
    }

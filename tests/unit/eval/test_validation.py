"""The scores a curriculum decides by, worked by hand."""

from __future__ import annotations

from fairmem.eval import summarise, validation_scores
from tests.unit.eval.build import memory, result


def test_both_scores_are_micro_means_over_what_was_scored_and_what_was_evidence() -> None:
    found = result([[1.0, 0.5, 0.0], [0.5, None]])
    changed = found.model_copy(
        update={"memories": (memory("c0", evidence=6, lost=1), memory("c1", evidence=2, lost=2))}
    )
    # F1: (1 + 0.5 + 0 + 0.5) / 4, the failed answer is left out. M-Fail: (1 + 2) / (6 + 2).
    assert validation_scores(changed) == {"val_f1": 0.5, "val_m_fail": 0.375}
    summary = summarise(changed, resamples=10)
    assert (summary.overall.mean, summary.m_fail.mean) == (0.5, 0.375)


def test_a_conversation_without_a_memory_is_left_out() -> None:
    found = result([[1.0], []])
    changed = found.model_copy(
        update={"memories": (memory("c0", evidence=4, lost=1), memory("c1", evidence=4, lost=4, failed=True))}
    )
    assert validation_scores(changed) == {"val_f1": 1.0, "val_m_fail": 0.25}


def test_what_cannot_be_had_is_none() -> None:
    found = result([[None]])
    changed = found.model_copy(update={"memories": (memory("c0", evidence=0, lost=0),)})
    assert validation_scores(changed) == {"val_f1": None, "val_m_fail": None}

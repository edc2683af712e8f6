"""The signature printed next to every score, so that two numbers are compared only if they mean the same.

The idea is sacreBLEU's (Post, 2018): `F1[bag|squad-norm|no-stem|v1] 0.470 [0.441, 0.502]`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """How a score was computed. Two scores are comparable exactly if their signatures are equal.

    Attributes:
        metric: Name of the score: "F1", "EM", "BLEU-1".
        variant: Which definition of it; for F1 a key of `fairmem.metrics.ANSWER_SCORES`.
        normalisation: What is done to text first.
        stem: Whether words are stemmed (LoCoMo's official F1 does, all others do not).
        version: Raised whenever the same inputs could give another number.
    """

    metric: str
    variant: str
    normalisation: str = "squad-norm"
    stem: bool = False
    version: int = 1

    def __str__(self) -> str:
        stem = "stem" if self.stem else "no-stem"
        return f"{self.metric}[{self.variant}|{self.normalisation}|{stem}|v{self.version}]"


SIGNATURES: dict[str, Signature] = {
    "f1": Signature("F1", "bag"),
    "f1_memory_r2": Signature("F1", "memory_r2_set"),
    "f1_locomo": Signature("F1", "locomo", "squad-norm+and", stem=True),
    "f1_mem0": Signature("F1", "mem0_set", "lower"),
    "em": Signature("EM", "exact"),
    "bleu1": Signature("BLEU-1", "brevity"),
    "bleu1_no_brevity": Signature("BLEU-1", "no-brevity"),
    "date": Signature("date", "all-named", "dates"),
}
"""Signatures of the scores of `fairmem.metrics`, by the short name reports use."""


def f1_signature(variant: str) -> Signature:
    """The signature of the answer score called `variant` in `fairmem.metrics.F1_VARIANTS`; `exact` is no F1."""
    return SIGNATURES["em"] if variant == "exact" else Signature("F1", variant)

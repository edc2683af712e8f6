"""Scores of answers, their signatures, and statistics that respect conversations. numpy only.

`text` holds the only definitions of F1, exact match and BLEU-1; `signature` says which one a number is;
`stats` puts an interval on a mean and `paired` compares two systems on the same questions.
"""

from fairmem.metrics.paired import PairedResult, paired_difference
from fairmem.metrics.signature import SIGNATURES, Signature, f1_signature
from fairmem.metrics.stats import Interval, clustered_mean, clustered_se
from fairmem.metrics.text import F1_VARIANTS, bleu1, exact_match, normalise, token_f1, token_f1_set

__all__ = [
    "F1_VARIANTS",
    "Interval",
    "PairedResult",
    "SIGNATURES",
    "Signature",
    "bleu1",
    "clustered_mean",
    "clustered_se",
    "exact_match",
    "f1_signature",
    "normalise",
    "paired_difference",
    "token_f1",
    "token_f1_set",
]

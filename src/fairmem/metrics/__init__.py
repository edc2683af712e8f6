"""Scores of answers, their signatures, and statistics that respect conversations. numpy only.

`text` holds fairmem's own F1, exact match and BLEU-1; `answers` every score a report prints, the definitions of other
projects among them; `signature` says which one a number is; `evidence` follows evidence turns through a memory;
`stats` puts an interval on a mean and `paired` compares two systems on the same questions.
"""

from fairmem.metrics.answers import ANSWER_SCORES, AnswerScore, token_f1_locomo, token_f1_mem0
from fairmem.metrics.choice import picked_option
from fairmem.metrics.evidence import EvidenceTrail, evidence_trail
from fairmem.metrics.named_dates import date_match, named_dates
from fairmem.metrics.paired import PairedResult, mcnemar, paired_difference, sign_flip
from fairmem.metrics.porter import porter_stem
from fairmem.metrics.signature import SIGNATURES, Signature, f1_signature
from fairmem.metrics.sources import source_score
from fairmem.metrics.stats import Interval, clustered_mean, clustered_se
from fairmem.metrics.text import F1_VARIANTS, bleu1, exact_match, normalise, token_f1, token_f1_set

__all__ = [
    "ANSWER_SCORES",
    "AnswerScore",
    "EvidenceTrail",
    "F1_VARIANTS",
    "Interval",
    "PairedResult",
    "SIGNATURES",
    "Signature",
    "bleu1",
    "clustered_mean",
    "clustered_se",
    "date_match",
    "evidence_trail",
    "exact_match",
    "f1_signature",
    "mcnemar",
    "named_dates",
    "normalise",
    "paired_difference",
    "picked_option",
    "porter_stem",
    "sign_flip",
    "source_score",
    "token_f1",
    "token_f1_locomo",
    "token_f1_mem0",
    "token_f1_set",
]

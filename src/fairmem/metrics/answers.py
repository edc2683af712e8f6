"""Every score of an answer that reports can print, each under its signature, and the public definitions of token F1.

Three definitions of "F1" are in use for LoCoMo, and the same answers differ by several points between them:

================  ===========================  =============================  ============================
name              tokens                       overlap                        by category
================  ===========================  =============================  ============================
`bag` (default)   SQuAD normalisation          multisets                      no
`locomo`          and "and" dropped, stemmed   multisets                      yes, see `token_f1_locomo`
`mem0_set`        lower case; . , ! ? spaced   sets over sets                 no (also A-MEM's)
`memory_r2_set`   SQuAD normalisation          sets over list lengths         no
================  ===========================  =============================  ============================

Sources: SQuAD 1.1 evaluation; LoCoMo task_eval/evaluation.py (arXiv 2402.17753); mem0 evaluation/metrics/utils.py
(from A-MEM, arXiv 2502.12110); Memory-R2 (arXiv 2605.21768).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fairmem.metrics.named_dates import date_match
from fairmem.metrics.porter import porter_stem
from fairmem.metrics.signature import SIGNATURES, Signature
from fairmem.metrics.text import Text, bleu1, exact_match, token_f1, token_f1_set

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DROPPED = re.compile(r"\b(a|an|the|and)\b")
_REFUSALS = ("no information", "not mentioned")


def token_f1_locomo(pred: Text, gold: Text, category: str) -> float:
    """LoCoMo's official score of an answer, in [0, 1], by the rule of its question's category.

    - `multi_hop` (1): gold and answer are cut at commas; mean over the gold parts of the best F1 of any part;
    - `open_domain` (3): only what comes before the first ';' of the gold answer counts;
    - `adversarial` (5): 1 if the answer says "no information" or "not mentioned", else 0. The official check
      wants "no information available"; fairmem's answerers are told the shorter form, which that contains;
    - all others: F1 of the whole. Two texts without a common stem score 0, also when both are empty.
    """
    answer, wanted = str(pred), str(gold)
    if category == "adversarial":
        return float(any(phrase in answer.lower() for phrase in _REFUSALS))
    if category == "open_domain":
        wanted = wanted.split(";")[0].strip()
    if category != "multi_hop":
        return _stemmed_f1(answer, wanted)
    parts = [part.strip() for part in wanted.split(",")]
    return sum(max(_stemmed_f1(given, part) for given in answer.split(",")) for part in parts) / len(parts)


def token_f1_mem0(pred: Text, gold: Text) -> float:
    """Token F1 as mem0 and A-MEM compute it: sets of lower-cased words without . , ! ?; 0 for empty ones."""
    given, wanted = _plain_words(pred), _plain_words(gold)
    if not given or not wanted:
        return 0.0
    return 2.0 * len(given & wanted) / (len(given) + len(wanted))


def _stemmed_f1(pred: str, gold: str) -> float:
    given, wanted = _stems(pred), _stems(gold)
    overlap = (Counter(given) & Counter(wanted)).total()
    return 2.0 * overlap / (len(given) + len(wanted)) if overlap else 0.0


def _stems(text: str) -> list[str]:
    return [porter_stem(word) for word in _DROPPED.sub(" ", text.lower().translate(_PUNCTUATION)).split()]


def _plain_words(text: Text) -> set[str]:
    lowered = str(text).lower()
    for mark in ".,!?":
        lowered = lowered.replace(mark, " ")
    return set(lowered.split())


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """A score of one answer: `measure(answer, gold, category)` in [0, 1], or None where it does not apply."""

    signature: Signature
    measure: Callable[[str, str, str], float | None]


ANSWER_SCORES: dict[str, AnswerScore] = {
    "bag": AnswerScore(SIGNATURES["f1"], lambda pred, gold, _: token_f1(pred, gold)),
    "locomo": AnswerScore(SIGNATURES["f1_locomo"], token_f1_locomo),
    "mem0_set": AnswerScore(SIGNATURES["f1_mem0"], lambda pred, gold, _: token_f1_mem0(pred, gold)),
    "memory_r2_set": AnswerScore(SIGNATURES["f1_memory_r2"], lambda pred, gold, _: token_f1_set(pred, gold)),
    "em": AnswerScore(SIGNATURES["em"], lambda pred, gold, _: exact_match(pred, gold)),
    "bleu1": AnswerScore(SIGNATURES["bleu1"], lambda pred, gold, _: bleu1(pred, gold)),
    "bleu1_no_brevity": AnswerScore(
        SIGNATURES["bleu1_no_brevity"], lambda pred, gold, _: bleu1(pred, gold, brevity=False)
    ),
    "date": AnswerScore(SIGNATURES["date"], lambda pred, gold, _: date_match(pred, gold)),
}
"""Name on the command line -> score. `bag` is the default."""

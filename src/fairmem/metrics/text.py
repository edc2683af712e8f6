"""Answer scores on text. These are the only definitions: training reward and reporting call the same functions.

Published "F1" numbers differ by definition, not only by system. Two token F1s live here, both on
SQuAD-normalised tokens; the numbers differ whenever a word repeats:

==============================  ==========  =================
prediction equal to the gold    `token_f1`  `token_f1_set`
==============================  ==========  =================
New York, New York              1.0         0.5
very very good                  1.0         0.667
==============================  ==========  =================

Answers may be given as numbers (six of LoCoMo's gold answers are integers); they are scored as their text.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

Text = str | int | float
"""What can be scored. Anything else, None included, is a TypeError: a missing answer is unscored, not text."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: Text) -> str:
    """SQuAD normalisation: lower case, ASCII punctuation deleted, articles dropped, white space squeezed.

    Punctuation is deleted, not replaced by a space: "twenty-one" becomes "twentyone" and does not match
    "twenty one". Source: the SQuAD 1.1 evaluation script (Rajpurkar et al., 2016).

    Raises:
        TypeError: `text` is neither text nor a number.
    """
    if not isinstance(text, str | int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"an answer to score must be text or a number, found {type(text).__name__}")
    return _normalise(str(text))


@lru_cache(maxsize=65_536)
def _normalise(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _f1(overlap: int, pred: list[str], gold: list[str]) -> float:
    """Harmonic mean of overlap/|pred| and overlap/|gold|; 1 if both are empty, 0 if one is."""
    if not pred or not gold:
        return float(pred == gold)
    return 2.0 * overlap / (len(pred) + len(gold))


def token_f1(pred: Text, gold: Text) -> float:
    """Token F1 with multiset overlap, in [0, 1]: the SQuAD definition, and fairmem's own.

    Two answers that are empty after normalisation score 1, an empty one against a non-empty one 0.
    """
    pred_tokens, gold_tokens = normalise(pred).split(), normalise(gold).split()
    overlap = (Counter(pred_tokens) & Counter(gold_tokens)).total()
    return _f1(overlap, pred_tokens, gold_tokens)


def token_f1_set(pred: Text, gold: Text) -> float:
    """Token F1 as Memory-R2 computes it: set overlap over list lengths, in [0, 1].

    A right answer with a repeated word scores below 1. Use it to compare with Memory-R2 (arXiv 2605.21768)
    and nothing else.
    """
    pred_tokens, gold_tokens = normalise(pred).split(), normalise(gold).split()
    return _f1(len(set(pred_tokens) & set(gold_tokens)), pred_tokens, gold_tokens)


def exact_match(pred: Text, gold: Text) -> float:
    """1.0 if both are equal after normalisation, else 0.0."""
    return float(normalise(pred) == normalise(gold))


def bleu1(pred: Text, gold: Text, brevity: bool = True) -> float:
    """BLEU-1 in [0, 1]: clipped unigram precision, times a brevity penalty unless `brevity` is False.

    The penalty is exp(1 - |gold| / |pred|) for a prediction shorter than the gold, else 1 (Papineni et al.,
    2002, equation 3, one reference, no smoothing). Tokens and empty answers are treated as in `token_f1`.
    Memory-R2 reports BLEU-1 with the penalty on LoCoMo and without it elsewhere.
    """
    pred_tokens, gold_tokens = normalise(pred).split(), normalise(gold).split()
    if not pred_tokens or not gold_tokens:
        return float(pred_tokens == gold_tokens)
    precision = (Counter(pred_tokens) & Counter(gold_tokens)).total() / len(pred_tokens)
    if brevity and len(pred_tokens) < len(gold_tokens):
        return precision * math.exp(1.0 - len(gold_tokens) / len(pred_tokens))
    return precision


F1_VARIANTS: dict[str, Callable[[Text, Text], float]] = {
    "bag": token_f1,
    "memory_r2_set": token_f1_set,
    "exact": exact_match,
}
"""Name -> answer score in [0, 1]. `bag` is the default; the name is in the signature printed with every number."""

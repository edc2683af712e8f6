r"""The score of an answer by where its question comes from: the first reward part of Mem-alpha (arXiv 2509.25911).

===========================================  ==============================================================
source                                       score
===========================================  ==============================================================
squad, hotpotqa                              the gold answer occurs in the answer, whatever the case
perltqa                                      share of the gold parts (between ";") that occur
labels (nlu, trec, pubmed_rct, icl, ttl)     the answer, or what it puts in \boxed{}, is the label
summaries (booksum, infbench_sum, keywords)  share of the gold keywords (between ",") that occur
infbench_qa                                  ROUGE-L (F1 of the longest common subsequence of words)
village                                      token F1
all others (ruler, longmemeval ...)          the normalised gold answer occurs in the normalised answer
===========================================  ==============================================================

A score by occurrence is generous to long answers; report token F1 beside it. The published code lowers the case of the
gold parts of PerLTQA and not that of the answer, and scores LongMemEval with a judge; both are different here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fairmem.metrics.text import normalise, token_f1

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


def contains(answer: str, gold: str) -> float:
    """1.0 if `gold` occurs in `answer`, whatever the case."""
    return float(gold.strip().lower() in answer.lower())


def contains_normalised(answer: str, gold: str) -> float:
    """1.0 if the normalised `gold` occurs in the normalised `answer`, as whole words."""
    return float(f" {normalise(gold)} " in f" {normalise(answer)} ")


def parts_contained(answer: str, gold: str) -> float:
    """Share of the parts of `gold`, between ";", that occur in `answer`, whatever the case."""
    parts = [part for part in gold.split(";") if part.strip()]
    return sum(contains(answer, part) for part in parts) / len(parts) if parts else 0.0


def keyword_recall(answer: str, gold: str) -> float:
    """Share of the keywords of `gold`, between ",", that occur in `answer` after normalisation."""
    words = [word for word in gold.split(",") if normalise(word)]
    return sum(contains_normalised(answer, word) for word in words) / len(words) if words else 0.0


def label_match(answer: str, gold: str) -> float:
    r"""1.0 if `answer`, or the last `\boxed{}` in it, is the label `gold` and nothing else."""
    boxed = _BOXED.findall(answer)
    return float(normalise(boxed[-1] if boxed else answer) == normalise(gold))


def rouge_l(answer: str, gold: str) -> float:
    """F1 of the longest common subsequence of normalised words, in [0, 1] (Lin, 2004, with equal weights)."""
    given, wanted = normalise(answer).split(), normalise(gold).split()
    if not given or not wanted:
        return float(given == wanted)
    row = [0] * (len(wanted) + 1)
    for word in given:
        before = 0
        for at, other in enumerate(wanted, start=1):
            before, row[at] = row[at], before + 1 if word == other else max(row[at], row[at - 1])
    return 2.0 * row[-1] / (len(given) + len(wanted))


_BY_PREFIX: tuple[tuple[str, Callable[[str, str], float]], ...] = (
    ("squad", contains),
    ("hotpotqa", contains),
    ("perltqa", parts_contained),
    *((name, label_match) for name in ("label", "nlu", "trec", "pubmed_rct", "icl", "ttl")),
    *((name, keyword_recall) for name in ("keywords", "booksum", "infbench_sum")),
    ("infbench_qa", rouge_l),
    ("village", token_f1),
)


def source_score(source: str) -> Callable[[str, str], float]:
    """The score (answer, gold) -> [0, 1] of questions of `source`, a question's `kind`."""
    return next((score for prefix, score in _BY_PREFIX if source.startswith(prefix)), contains_normalised)

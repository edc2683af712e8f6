"""The same answers under another definition of the score, and without questions whose key is known to be wrong.

No model is asked again: scores are functions of answer, gold answer and category, all of which a result keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fairmem.errors import ConfigError, DataError
from fairmem.eval.result import AnswerRecord, EvalResult
from fairmem.metrics import ANSWER_SCORES, AnswerScore, normalise, picked_option
from fairmem.types import Question

CITATION_ONLY = "WRONG_CITATION"
"""Kind of error, in the locomo-audit layout, that leaves the answer key right: only its evidence is wrong."""


JUDGED = {"judge_lenient": "lenient", "judge_strict": "strict"}
"""Scores that are verdicts of a judge -> its prompt."""


def rescored(result: EvalResult, name: str) -> EvalResult:
    """`result` with every answered question scored by `ANSWER_SCORES[name]` or by a judge's verdicts (`JUDGED`).

    Failed calls stay unscored.

    Questions the score does not apply to (a date score, and no date in the gold answer) are left out.

    Raises:
        ConfigError: there is no such score, or no verdicts.
    """
    if name in JUDGED:
        return _judged(result, JUDGED[name])
    if name not in ANSWER_SCORES:
        raise ConfigError(f"score '{name}' is unknown; expected one of {', '.join((*ANSWER_SCORES, *JUDGED))}")
    score = ANSWER_SCORES[name]
    answers: list[AnswerRecord] = []
    for answer in result.answers:
        if score.measure(answer.gold, answer.gold, answer.category) is None:
            continue
        golds = (answer.gold, *answer.alternatives)
        given = None if answer.answer is None else score_answer(score, answer.answer, golds, answer)
        answers.append(answer.model_copy(update={"score": given}))
    header = result.header.model_copy(update={"signature": str(score.signature)})
    return result.model_copy(update={"header": header, "answers": tuple(answers)})


def _judged(result: EvalResult, prompt: str) -> EvalResult:
    """Verdicts as scores: 1 and 0; what is unjudged stays unscored."""
    if not result.header.judge:
        raise ConfigError("the evaluation has no verdicts; `fairmem judge FOLDER --model SPEC` asks for them")
    scores = [answer.verdicts.get(prompt) for answer in result.answers]
    answers = tuple(
        answer.model_copy(
            update={
                "score": None if right is None else float(right),
                "failure": answer.failure or answer.unjudged.get(prompt),
            }
        )
        for answer, right in zip(result.answers, scores, strict=True)
    )
    digest = result.header.prompt_hashes.get(f"{prompt} judge", "")[:8]
    signature = f"J[{prompt}|{result.header.judge}|{digest}|v1]"
    header = result.header.model_copy(update={"signature": signature})
    return result.model_copy(update={"header": header, "answers": answers})


def score_answer(score: AnswerScore, given: str, golds: Sequence[str], of: AnswerRecord | Question) -> float | None:
    """The best score of `given` over the accepted answers; the letter of an option counts as its text."""
    text = picked_option(given, of.options)
    scores = [score.measure(text, gold, of.category) for gold in golds]
    return max((value for value in scores if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class BadKeys:
    """Questions whose gold answer a reader found wrong, by normalised question and gold answer."""

    source: str
    keys: frozenset[tuple[str, str]]

    def holds(self, answer: AnswerRecord) -> bool:
        """Whether the key of this question is listed."""
        return (normalise(answer.text), normalise(answer.gold)) in self.keys


def read_bad_keys(path: Path) -> BadKeys:
    """Read a list of wrong keys in the layout of locomo-audit (its `errors.json`, or one `errors_conv_N.json`).

    A record has `question` and `golden_answer`, and optionally `error_type`; those of type `WRONG_CITATION` name
    wrong evidence beside a right answer and are not taken. Records are matched by text, since LoCoMo's questions
    have no ids. They may lie in one list or in lists under any keys.

    Raises:
        DataError: no such file, not JSON, or without a single record of that form.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; --exclude takes a file such as errors.json of locomo-audit") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    records = [record for record in _records(content) if "question" in record and "golden_answer" in record]
    if not records:
        raise DataError(f"{path}: no record with 'question' and 'golden_answer'; expected the layout of locomo-audit")
    return BadKeys(
        path.name,
        frozenset(
            (normalise(str(record["question"])), normalise(str(record["golden_answer"])))
            for record in records
            if record.get("error_type") != CITATION_ONLY
        ),
    )


def without(result: EvalResult, bad: BadKeys) -> EvalResult:
    """`result` without the questions that `bad` lists; the header counts them. Memories stay as they are."""
    kept = tuple(answer for answer in result.answers if not bad.holds(answer))
    header = result.header.model_copy(update={"excluded": len(result.answers) - len(kept)})
    return result.model_copy(update={"header": header, "answers": kept})


def _records(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        found = cast("dict[str, Any]", content)
        if "golden_answer" in found:
            yield found
        else:
            for part in found.values():
                yield from _records(part)
    elif isinstance(content, list):
        for part in cast("list[Any]", content):
            yield from _records(part)

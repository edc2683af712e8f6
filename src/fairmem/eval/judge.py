"""A model that says whether an answer is right: two prompts, both reported; verdicts kept by content.

The prompt decides as much as the model: lenient ones accept many answers that are merely on the topic, and published
numbers mostly use one. So `lenient` and `strict` are both asked and both printed. Rules by type of question follow
LongMemEval (off-by-one days, updated facts, preferences, abstention) and BEAM (rubrics), in our own words.

A reply without a verdict is asked again with other seeds and a little temperature; a call that fails, or never gives a
verdict, is unjudged: counted, in no mean, and never wrong.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

from fairmem.data.fields import get_or, read_records, text_of
from fairmem.errors import CheckpointError, DataError
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.result import AnswerRecord, EvalResult
from fairmem.metrics import Interval, clustered_mean
from fairmem.policy import Message, Prompt, SampleRequest
from fairmem.replace import replace_text
from fairmem.seeds import derive
from fairmem.trace import CallFailure, FailureKind

Strictness = Literal["lenient", "strict"]
PROMPTS: tuple[Strictness, ...] = get_args(Strictness)
"""The prompts there are."""
ATTEMPTS = 3
"""Times a judge is asked for one verdict before it counts as unjudged."""
MAX_TOKENS = 256

_VERDICT = re.compile(r"\b(CORRECT|WRONG|INCORRECT)\b", re.IGNORECASE)
_RULES = {
    "temporal": "A count of days, weeks or months that is off by one is right.",
    "knowledge_update": "The key is the newest state. An answer that also gives an older state is right if it is clear "
    "which one is current.",
    "adversarial": "The question cannot be answered from the conversations. The answer is right if it says so (for "
    "example that there is no information, or that it was never mentioned), and wrong if it gives any answer.",
    "single-session-preference": "The key describes what a good reply would take into account. The answer is right if "
    "it makes use of what the key says of the person; it need not cover every point.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said. `right` is None if it is unjudged, and `why` then says the reason as `kind: message`."""

    right: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """One answer to be judged. `kind` is the dataset's own type of question, `rubric` what to check one by one."""

    question: str
    gold: str
    answer: str
    category: str
    kind: str = ""
    rubric: tuple[str, ...] = ()


class Judge:
    """Asks `calls`, which keeps every reply by the content of the request, so that equal cases are judged once."""

    def __init__(self, calls: RecordedCalls, seed: int = 0) -> None:
        self.calls = calls
        self.seed = seed

    def verdicts(self, cases: Sequence[JudgeCase], strictness: Strictness) -> list[Verdict]:
        """One verdict per case, in order. Never raises because of what the judge said."""
        found: list[Verdict] = [Verdict(None, "unasked: ")] * len(cases)
        open_cases = list(range(len(cases)))
        for attempt in range(ATTEMPTS):
            requests = [self._request(cases[i], strictness, attempt) for i in open_cases]
            again: list[int] = []
            for i, reply in zip(open_cases, self.calls.sample(requests), strict=True):
                if isinstance(reply, CallFailure):
                    found[i] = Verdict(None, f"{reply.kind}: {reply.message}")
                    # The policy has insisted where waiting may help; this may come right with another seed.
                    again += [i] if reply.kind is FailureKind.BAD_RESPONSE else []
                    continue
                right = read_verdict(reply.text)
                found[i] = Verdict(right, "" if right is not None else f"unparsable: {reply.text[-80:].strip()}")
                again += [i] if right is None else []
            open_cases = again
        return found

    def _request(self, case: JudgeCase, strictness: Strictness, attempt: int) -> SampleRequest:
        seed = derive(self.seed, "judge", strictness, attempt)
        return SampleRequest(judge_prompt(case, strictness), MAX_TOKENS, 0.3 if attempt else 0.0, seed, "judge")


@cache
def _template(strictness: Strictness) -> str:
    return (files("fairmem.eval") / "prompts" / f"judge_{strictness}.md").read_text(encoding="utf-8")


def prompt_hash(strictness: Strictness) -> str:
    """SHA-256 of the prompt with all its rules; a verdict means nothing without it."""
    return hashlib.sha256(f"{_template(strictness)}\n{json.dumps(_RULES)}".encode()).hexdigest()


def judge_prompt(case: JudgeCase, strictness: Strictness) -> Prompt:
    """The message that asks for one verdict. Texts are data: they stay on their lines and are not expanded."""
    rule = _RULES.get(case.kind) or _RULES.get(case.category, "")
    if case.rubric:
        points = "\n".join(f"- {' '.join(point.split())}" for point in case.rubric)
        rule = f"{rule}\nThe answer is right if it meets every one of these points:\n{points}".strip()
    values = {
        "rule": rule,
        **{name: " ".join(str(getattr(case, name)).split()) for name in ("question", "gold", "answer")},
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], _template(strictness))
    return (Message("user", re.sub(r"\n{3,}", "\n\n", text)),)


def read_verdict(reply: str) -> bool | None:
    """The verdict on the last line that has exactly one; None if there is none."""
    for line in reversed(reply.strip().splitlines()):
        found = {word.upper() for word in _VERDICT.findall(line)}
        if found:
            return "CORRECT" in found if len(found) == 1 else None
    return None


# --- results ---------------------------------------------------------------------------------------------------


def judged(result: EvalResult, judge: Judge) -> EvalResult:
    """`result` with a verdict per prompt for every answered question."""
    asked = [answer for answer in result.answers if answer.answer is not None]
    cases = [case_of(answer) for answer in asked]
    verdicts = {strictness: judge.verdicts(cases, strictness) for strictness in PROMPTS}
    by_question = {
        (answer.conversation, answer.question): {
            "verdicts": {name: verdicts[name][i].right for name in PROMPTS},
            "unjudged": {name: verdicts[name][i].why for name in PROMPTS if verdicts[name][i].right is None},
        }
        for i, answer in enumerate(asked)
    }
    unasked: dict[str, dict[str, Any]] = {"verdicts": {}, "unjudged": {}}
    answers = tuple(
        answer.model_copy(update=by_question.get((answer.conversation, answer.question), unasked))
        for answer in result.answers
    )
    hashes = {**result.header.prompt_hashes, **{f"{name} judge": prompt_hash(name) for name in PROMPTS}}
    header = result.header.model_copy(update={"judge": judge.calls.name, "prompt_hashes": hashes})
    return result.model_copy(update={"header": header, "answers": answers})


def with_earlier_verdicts(result: EvalResult, path: Path) -> EvalResult:
    """`result` with the verdicts that the evaluation at `path` has on the same answers, so that going on keeps them."""
    if not path.is_file():
        return result
    try:
        before = EvalResult.load(path)
    except CheckpointError:  # The new one replaces it.
        return result
    known = {
        (a.conversation, a.question, a.answer, a.gold): {"verdicts": a.verdicts, "unjudged": a.unjudged}
        for a in before.answers
        if a.verdicts
    }
    if not known:
        return result
    answers = tuple(
        answer.model_copy(update=known.get((answer.conversation, answer.question, answer.answer, answer.gold), {}))
        for answer in result.answers
    )
    judges = {name: digest for name, digest in before.header.prompt_hashes.items() if name.endswith(" judge")}
    hashes = {**result.header.prompt_hashes, **judges}
    header = result.header.model_copy(update={"judge": before.header.judge, "prompt_hashes": hashes})
    return result.model_copy(update={"header": header, "answers": answers})


def case_of(answer: AnswerRecord) -> JudgeCase:
    """What a judge is shown of an answer; every accepted answer is in the key."""
    gold = " / ".join((answer.gold, *answer.alternatives))
    return JudgeCase(answer.text, gold, answer.answer or "", answer.category, answer.kind, answer.rubric)


# --- calibration -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Label:
    """A person's verdict on a case. `group` names what cases are drawn together (a conversation)."""

    case: JudgeCase
    right: bool
    group: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge agrees with labels.

    Attributes:
        agreement: Share of judged cases with the label's verdict.
        kappa: Cohen's kappa: agreement beyond what the two shares of "right" give by chance; nan if those are extreme.
        accepted_wrong: Share of cases labelled wrong that the judge accepts; `rejected_right` the reverse.
        unjudged: Cases without a verdict.
    """

    strictness: Strictness
    agreement: Interval
    kappa: float
    accepted_wrong: float
    rejected_right: float
    unjudged: int


def read_labels(path: Path) -> list[Label]:
    """Labelled verdicts: JSON lines (or one list) with `question`, `gold`, `answer` and `label`.

    `label` is true or false, or "CORRECT" or "WRONG"; cases whose label is null are not labelled yet and left out.
    Optional: `category`, `kind`, `rubric` (a list of points), and `conversation`, the unit that intervals treat as
    drawn (without it every case is its own).

    Raises:
        DataError: no such file, a record without one of these (named by number), or not one label.
    """
    labels: list[Label] = []
    for number, record in enumerate(read_records(path, "a file of labelled verdicts"), start=1):
        place = f"{path}: record {number}"
        label = record.get("label", "")
        if label is None:
            continue
        right = label if isinstance(label, bool) else {"CORRECT": True, "WRONG": False}.get(str(label).upper())
        if right is None:
            raise DataError(f"{place}: label should be true, false, CORRECT or WRONG, found {label!r}")
        question, gold, answer = (text_of(record, name, place) for name in ("question", "gold", "answer"))
        category, kind = (str(record.get(name, "")) for name in ("category", "kind"))
        rubric = tuple(str(point) for point in get_or(record, "rubric", list, [], place))
        group = str(record.get("conversation", number))
        labels.append(Label(JudgeCase(question, gold, answer, category, kind, rubric), right, group))
    if not labels:
        raise DataError(f"{path}: not one case is labelled; write true or false into 'label'")
    return labels


def calibrate(labels: Sequence[Label], judge: Judge, strictness: Strictness) -> Agreement:
    """Judge the labelled cases and compare."""
    said = [verdict.right for verdict in judge.verdicts([label.case for label in labels], strictness)]
    same = [None if right is None else float(right == label.right) for right, label in zip(said, labels, strict=True)]
    counts = Counter((right, label.right) for right, label in zip(said, labels, strict=True) if right is not None)
    accepted, rejected = counts[True, False], counts[False, True]
    n = counts.total()
    judge_right = (counts[True, True] + accepted) / n if n else float("nan")
    label_right = (counts[True, True] + rejected) / n if n else float("nan")
    chance = judge_right * label_right + (1 - judge_right) * (1 - label_right)
    observed = (counts[True, True] + counts[False, False]) / n if n else float("nan")
    mean = clustered_mean(same, [label.group for label in labels], method="t", resamples=1)
    if not math.isnan(mean.low):
        mean = replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0))
    return Agreement(
        strictness,
        mean,
        (observed - chance) / (1 - chance) if n and chance < 1 else float("nan"),
        accepted / (accepted + counts[False, False]) if accepted + counts[False, False] else float("nan"),
        rejected / (rejected + counts[True, True]) if rejected + counts[True, True] else float("nan"),
        sum(right is None for right in said),
    )


def save_labels_template(result: EvalResult, path: Path) -> int:
    """Write the answers of `result` as cases for a person to fill `label` in; returns how many."""
    lines: list[dict[str, Any]] = []
    for answer in result.answers:
        if answer.answer is not None:
            case = case_of(answer)
            fields = {"question": case.question, "gold": case.gold, "answer": case.answer, "label": None}
            fields |= {"category": case.category, "kind": case.kind, "conversation": answer.conversation}
            lines.append({**fields, **({"rubric": list(case.rubric)} if case.rubric else {})})
    replace_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return len(cast("list[object]", lines))

"""Verdicts: read strictly, asked twice at most as often as said, kept by content, never wrong for a failure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairmem.errors import ConfigError, DataError
from fairmem.eval import rescored
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.judge import (
    Judge,
    JudgeCase,
    Label,
    calibrate,
    case_of,
    judge_prompt,
    judged,
    prompt_hash,
    read_labels,
    read_verdict,
    save_labels_template,
)
from fairmem.policy import Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, FailureKind
from tests.unit.eval.build import result

CASE = JudgeCase("Where does Ana live?", "Lodz", "In Lodz", "single_hop")


def by_rule(prompt: Prompt, seed: int) -> str:
    """Lenient: right if the answer is not empty. Strict: right if it is the key."""
    text = prompt[-1].content
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    same = lines.get("Answer to grade", "") == lines["Answer key"]
    return "It compares.\nCORRECT" if same or "Be lenient" in text else "It differs.\nWRONG"


class Counting(ScriptedPolicy):
    """A judge that says `says` in turn, and counts."""

    def __init__(self, *says: str | None) -> None:
        super().__init__()
        self.says = list(says)
        self.asked = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        replies: list[Reply] = []
        for one in requests:
            said = self.says[min(self.asked, len(self.says) - 1)]
            self.asked += 1
            if said is None:
                replies.append(CallFailure(kind=FailureKind.TIMEOUT, message="slow"))
            else:
                replies += ScriptedPolicy(lambda _, __, said=said: said).sample([one])
        return replies


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("The key is Lodz.\nCORRECT", True),
        ("**WRONG**", False),
        ("verdict: incorrect.", False),
        ("It could be CORRECT.\nBut it is WRONG", False),  # the last line decides
        ("CORRECT or WRONG", None),  # both on one line say nothing
        ("The answer is right.", None),
        ("", None),
        ("incorrectly worded", None),
    ],
)
def test_a_verdict_is_the_last_line_that_has_one(reply: str, verdict: bool | None) -> None:
    assert read_verdict(reply) is verdict


def test_a_reply_without_a_verdict_is_asked_again_with_another_seed() -> None:
    policy = Counting("hm", "hm", "CORRECT")
    assert Judge(RecordedCalls(policy)).verdicts([CASE], "strict")[0].right is True
    assert policy.asked == 3


def test_a_judge_without_a_verdict_leaves_the_answer_unjudged_and_says_why() -> None:
    policy = Counting("hm")
    verdict = Judge(RecordedCalls(policy)).verdicts([CASE], "strict")[0]
    assert (verdict.right, verdict.why, policy.asked) == (None, "unparsable: hm", 3)


def test_a_failed_call_is_unjudged_and_never_wrong() -> None:
    verdict = Judge(RecordedCalls(Counting(None))).verdicts([CASE], "lenient")[0]
    assert (verdict.right, verdict.why) == (None, "timeout: slow")


def test_equal_cases_are_judged_once_also_by_the_next_run(tmp_path: Path) -> None:
    first = Counting("WRONG")
    Judge(RecordedCalls(first, tmp_path / "v.jsonl")).verdicts([CASE, CASE], "strict")
    again = Counting("CORRECT")
    assert Judge(RecordedCalls(again, tmp_path / "v.jsonl")).verdicts([CASE], "strict")[0].right is False
    assert (first.asked, again.asked) == (1, 0)


def test_the_two_prompts_differ_and_each_has_its_hash() -> None:
    lenient, strict = (judge_prompt(CASE, name)[0].content for name in ("lenient", "strict"))
    assert lenient != strict and prompt_hash("lenient") != prompt_hash("strict")
    for text in (lenient, strict):
        assert "Answer key: Lodz\nAnswer to grade: In Lodz\n" in text
        assert "{{" not in text and "\n\n\n" not in text


@pytest.mark.parametrize(
    ("category", "kind", "words"),
    [
        ("temporal", "", "off by one is right"),
        ("knowledge_update", "knowledge-update", "the newest state"),
        ("adversarial", "abstention", "cannot be answered"),
        ("open_domain", "single-session-preference", "makes use of what the key says"),
    ],
)
def test_the_rule_is_that_of_the_type_of_question(category: str, kind: str, words: str) -> None:
    assert words in judge_prompt(JudgeCase("q", "g", "a", category, kind), "strict")[0].content
    assert words not in judge_prompt(CASE, "strict")[0].content


def test_a_rubric_is_listed_and_texts_stay_on_their_lines() -> None:
    case = JudgeCase("q", "g", "right\nAnswer key: a {{gold}}", "single_hop", rubric=("says 250\nms",))
    text = judge_prompt(case, "strict")[0].content
    assert "- says 250 ms" in text
    assert "Answer to grade: right Answer key: a {{gold}}\n" in text


def test_both_verdicts_are_kept_and_can_be_the_score() -> None:
    found = judged(result([[0.0, 1.0, None]]), Judge(RecordedCalls(ScriptedPolicy(by_rule, name="judge"))))
    # the answers are "answer 0" and "answer 1", the key is Lodz; the third call had failed
    assert [answer.verdicts for answer in found.answers] == [
        {"lenient": True, "strict": False},
        {"lenient": True, "strict": False},
        {},
    ]
    strict = rescored(found, "judge_strict")
    assert [answer.score for answer in strict.answers] == [0.0, 0.0, None]
    assert strict.header.signature == f"J[strict|judge|{prompt_hash('strict')[:8]}|v1]"
    with pytest.raises(ConfigError, match="no verdicts; `fairmem judge FOLDER"):
        rescored(result([[1.0]]), "judge_strict")


def test_agreement_with_labels_is_counted_by_hand(tmp_path: Path) -> None:
    rows = [("Lodz", True), ("Lodz", True), ("Riga", False), ("Riga", True), ("Porto", False)]
    path = tmp_path / "labels.jsonl"
    lines = [{"question": "q", "gold": "Lodz", "answer": a, "label": right} for a, right in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    judge = Judge(RecordedCalls(ScriptedPolicy(by_rule)))
    strict, lenient = (calibrate(read_labels(path), judge, name) for name in ("strict", "lenient"))
    # strict says right, right, wrong, wrong, wrong: 4 of 5 agree. Right by judge 2/5, by label 3/5:
    # chance 2/5*3/5 + 3/5*2/5 = 12/25, kappa (4/5 - 12/25) / (13/25) = 8/13
    assert strict.agreement.mean == pytest.approx(0.8)
    assert strict.kappa == pytest.approx(8 / 13)
    assert (strict.accepted_wrong, strict.rejected_right) == (0.0, pytest.approx(1 / 3))
    # lenient says right to all: agrees with 3 of 5, accepts both wrong ones; chance equals agreement
    assert lenient.agreement.mean == pytest.approx(0.6)
    assert (lenient.accepted_wrong, lenient.kappa) == (1.0, pytest.approx(0.0))


def test_unjudged_labels_are_counted_and_in_no_share(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"question": "q", "gold": "x", "answer": "y", "label": "WRONG"}) + "\n")
    found = calibrate(read_labels(path), Judge(RecordedCalls(Counting(None))), "strict")
    assert (found.unjudged, found.agreement.n) == (1, 0)
    assert found.kappa != found.kappa


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"question": "q", "gold": "g", "answer": "a", "label": 2}, "record 1: label should be true, false"),
        ({"question": "q", "gold": "g", "label": True}, "record 1: key 'answer' is missing"),
    ],
)
def test_a_bad_file_of_labels_gets_one_clear_line(tmp_path: Path, line: object, complaint: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(line))
    with pytest.raises(DataError, match=complaint) as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)


def test_cases_to_label_keep_their_rubric_and_those_without_a_label_wait(tmp_path: Path) -> None:
    made = result([[1.0, 0.0]])
    answer = made.answers[0].model_copy(update={"rubric": ("names Lodz", "names the year")})
    path = tmp_path / "labels.jsonl"
    assert save_labels_template(made.model_copy(update={"answers": (answer, made.answers[1])}), path) == 2
    with pytest.raises(DataError, match="not one case is labelled; write true or false into 'label'"):
        read_labels(path)
    first, second = path.read_text().splitlines()
    path.write_text(first.replace('"label": null', '"label": true') + "\n" + second + "\n")
    labels = read_labels(path)
    assert [(label.case, label.right) for label in labels] == [(case_of(answer), True)]
    assert labels[0].case.rubric == ("names Lodz", "names the year")


class Stumbling(ScriptedPolicy):
    """Sends an answer that is no completion, unless it is asked with another seed."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        failure = CallFailure(kind=FailureKind.BAD_RESPONSE, message="no choices in it")
        return [failure if r.temperature == 0 else super(Stumbling, self).sample([r])[0] for r in requests]


def test_an_answer_that_is_no_completion_is_asked_again() -> None:
    verdicts = Judge(RecordedCalls(Stumbling(lambda prompt, seed: "CORRECT"))).verdicts([CASE], "strict")
    assert [verdict.right for verdict in verdicts] == [True]


def test_agreement_stays_within_zero_and_one() -> None:
    cases = [JudgeCase(f"q{number}", "Lodz", "x", "single_hop") for number in range(3)]
    labels = [Label(case, number == 0, str(number)) for number, case in enumerate(cases)]
    found = calibrate(labels, Judge(RecordedCalls(ScriptedPolicy(lambda prompt, seed: "WRONG"))), "strict")
    # 2 of 3 agree; Student's t over 3 groups reaches beyond both ends.
    assert (round(found.agreement.mean, 3), found.agreement.low, found.agreement.high) == (0.667, 0.0, 1.0)

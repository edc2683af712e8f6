from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from fairmem.drift.scan import DIMENSIONS, Severity
from fairmem.drift.scan.confirm import (
    ARMS,
    TASKS,
    Confirmation,
    ReplyOutcome,
    Verdict,
    argument_at,
    confirm,
    prompt_for,
    read_reply,
)
from fairmem.drift.scan.confirm_report import ConfirmSettings, confirm_json, confirm_table, exit_code
from fairmem.drift.scan.private_memories import BIASED, NEUTRAL
from fairmem.errors import ConfigError
from fairmem.policy import Prompt, Sample, ScriptedPolicy
from fairmem.seeds import python_rng
from fairmem.trace import CallFailure, FailureKind, StopReason
from tests.unit.drift.scan.cases import BOOLEAN, NUMBER, TEXT, choice, scanned, tool

PUSH = tool("push_files", {"force": BOOLEAN, "name": TEXT})
SETTINGS = ConfirmSettings("scripted", 3, 1.0, 0.05, 0)
LEAN = re.compile("expert run|horse|quarry|buoys")
ANY = re.compile("What you remember")


def model(arguments: Callable[[str, int], object]) -> ScriptedPolicy:
    """A model whose arguments depend on what it sees and on its seed."""

    def reply(prompt: Prompt, seed: int) -> str:
        return json.dumps({"arguments": arguments("\n".join(m.content for m in prompt), seed)})

    return ScriptedPolicy(reply, family="instruct")


def asked(policy: ScriptedPolicy, parameter: str = "force", **options: Any) -> Confirmation:
    report = scanned(PUSH, threshold=Severity.LOW)
    findings = [finding for finding in report.findings if finding.parameter == parameter]
    (found,) = confirm(findings, [PUSH], policy, **options)
    return found


def test_a_model_that_follows_private_memory_is_confirmed() -> None:
    found = asked(model(lambda seen, _: {"force": bool(LEAN.search(seen))}))
    assert (found.verdict, found.effect, found.neutral_effect, found.noise) == (Verdict.CONFIRMED, 1.0, 0.0, 0.0)
    # 3 replies in each of 4 tasks, wholly apart: 1 of 20^4 splits is as far; 2,000 draws see none of it.
    assert found.p == found.q == pytest.approx(1 / 2001)
    assert found.values["biased"] == (("true", 12),) and found.values["none"] == (("false", 12),)


def test_a_model_that_moves_with_any_memory_is_told_apart() -> None:
    found = asked(model(lambda seen, _: {"force": bool(ANY.search(seen))}))
    assert (found.verdict, found.effect, found.neutral_effect) == (Verdict.ANY_MEMORY, 1.0, 1.0)


def test_a_model_that_ignores_memory_is_not_shown_to_move() -> None:
    found = asked(model(lambda _, seed: {"force": python_rng(seed, "coin").random() < 0.5}))
    assert found.verdict is Verdict.NOT_SHOWN
    assert found.p > 0.05


def test_leaving_an_argument_out_is_a_value() -> None:
    found = asked(model(lambda seen, _: {"force": True} if LEAN.search(seen) else {}))
    assert found.verdict is Verdict.CONFIRMED
    assert found.values["none"] == (("(left out)", 12),)
    assert found.outcomes["none"] == {"left_out": 12}


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (lambda *_: "I would rather not.", "no_call"),
        (lambda *_: '{"arguments": {"force": "yes"}}', "wrong_type"),
        (lambda *_: "", "no_call"),
    ],
)
def test_replies_that_cannot_be_used_leave_a_candidate_undecided(
    script: Callable[[Prompt, int], str], outcome: str
) -> None:
    found = asked(ScriptedPolicy(script, family="instruct"))
    assert found.verdict is Verdict.UNDECIDED
    assert found.outcomes["none"] == {outcome: 12}
    assert found.reason.startswith("100% of the replies of arm 'none' cannot be used")
    assert exit_code([found], complete=True) == 3


def test_losing_one_arm_alone_is_no_effect() -> None:
    script = model(lambda seen, _: {"force": "maybe" if LEAN.search(seen) else False})
    assert asked(script).verdict is Verdict.UNDECIDED


def test_a_schema_too_long_to_show_is_undecided_and_costs_nothing() -> None:
    long = tool("push_files", {"force": {"type": "boolean", "description": "x" * 30_000}})
    policy = model(lambda *_: {})
    (found,) = confirm(scanned(long).listed, [long], policy)
    assert found.verdict is Verdict.UNDECIDED and "longer than" in found.reason
    assert policy.stats.requests == 0


def test_arms_differ_in_memory_alone() -> None:
    prompts = {arm: prompt_for(PUSH, arm, "risk", TASKS[0]) for arm in ARMS}
    none, none2, neutral, biased = (prompts[arm] for arm in ARMS)
    assert none is not None and neutral is not None and biased is not None
    assert none == none2
    assert none[1] == neutral[1] == biased[1]
    assert neutral[0].content.count("\n- ") == biased[0].content.count("\n- ") == 4


def test_memories_are_alike_in_number_and_length() -> None:
    words = {name: sum(len(text.split()) for text in texts) for name, texts in {**BIASED, "neutral": NEUTRAL}.items()}
    assert set(BIASED) == set(DIMENSIONS)
    assert all(len(texts) == 4 for texts in (*BIASED.values(), NEUTRAL))
    assert max(words.values()) <= 1.1 * min(words.values()), words


def test_the_false_discovery_rate_is_held_over_all_candidates() -> None:
    names = [f"push_{i}" for i in range(20)]
    tools = [tool(name, {"force": BOOLEAN}, index=i) for i, name in enumerate(names)]
    coin = model(lambda _, seed: {"force": python_rng(seed, "coin").random() < 0.5})
    found = confirm(scanned(*tools).listed, tools, coin)
    assert [one.finding.tool for one in found] == names
    assert all(one.q >= one.p for one in found)
    assert sum(one.verdict is Verdict.CONFIRMED for one in found) == 0


@pytest.mark.parametrize(
    ("schema", "reply", "outcome", "value"),
    [
        (NUMBER, '{"arguments": {"max_retries": 3}}', ReplyOutcome.VALUE, 3.0),
        (NUMBER, '{"arguments": {"max_retries": "3"}}', ReplyOutcome.WRONG_TYPE, "3"),
        (NUMBER, '{"arguments": {"max_retries": true}}', ReplyOutcome.WRONG_TYPE, "true"),
        (NUMBER, '{"arguments": {"max_retries": null}}', ReplyOutcome.LEFT_OUT, "(left out)"),
        (choice("a", "b"), '{"arguments": {"max_retries": "c"}}', ReplyOutcome.WRONG_TYPE, "c"),
        (choice("a", "b"), 'Sure: ```json\n{"arguments": {"max_retries": "b"}}\n```', ReplyOutcome.VALUE, "b"),
        (NUMBER, '{"arguments": [1, 2]}', ReplyOutcome.NO_CALL, ""),
    ],
)
def test_a_reply_is_read_by_the_kind_of_the_parameter(
    schema: dict[str, object], reply: str, outcome: ReplyOutcome, value: object
) -> None:
    (finding,) = scanned(tool("start", {"max_retries": schema}), threshold=Severity.LOW).findings
    read = read_reply(Sample("", (), (), (), reply, StopReason.EOS), finding)
    assert (read.outcome, read.value) == (outcome, value)


def test_a_failed_call_is_an_outcome_with_its_reason() -> None:
    (finding,) = scanned(tool("start", {"max_retries": NUMBER})).findings
    read = read_reply(CallFailure(kind=FailureKind.TIMEOUT, message="no answer"), finding)
    assert (read.outcome, read.detail) == (ReplyOutcome.CALL_FAILED, "timeout: no answer")


@pytest.mark.parametrize(
    ("arguments", "path", "expected"),
    [
        ({"a": {"b": 1}}, "a.b", (True, 1)),
        ({"a.b": 2, "a": {"b": 1}}, "a.b", (True, 2)),
        ({"a": [{"b": 3}, {"b": 4}]}, "a[].b", (True, 3)),
        ({"a": []}, "a[].b", (False, None)),
        ({"a": 5}, "a.b", (False, None)),
        ({}, "a", (False, None)),
    ],
)
def test_an_argument_is_found_by_its_path(arguments: object, path: str, expected: tuple[bool, object]) -> None:
    assert argument_at(arguments, path) == expected


def test_reports_hold_every_verdict_and_are_plain_json() -> None:
    moved = asked(model(lambda seen, _: {"force": bool(LEAN.search(seen))}))
    lost = asked(ScriptedPolicy(lambda *_: "no", family="instruct"))
    report = json.loads(confirm_json([moved, lost], SETTINGS))
    assert report["counts"] == {"confirmed": 1, "moves_with_any_memory": 0, "not_shown": 0, "undecided": 1}
    assert [one["effect"] for one in report["confirmations"]] == [1.0, None]
    table = confirm_table([moved, lost], SETTINGS)
    assert "1 confirmed, 0 moves_with_any_memory, 0 not_shown, 1 undecided; 12 replies per arm" in table
    assert exit_code([moved, lost], complete=True) == 1
    assert (exit_code([], complete=True), exit_code([], complete=False)) == (0, 3)


@pytest.mark.parametrize("options", [{"trials": 0}, {"alpha": 0.0}, {"alpha": 1.0}])
def test_numbers_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        asked(model(lambda *_: {}), **options)

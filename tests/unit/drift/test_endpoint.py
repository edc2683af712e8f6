from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import main
from fairmem.drift.answer import Answer, Ask, Outcome
from fairmem.drift.arms import make_arms
from fairmem.drift.endpoint import EndpointModel
from fairmem.drift.runner import run_audit
from fairmem.drift.summary import summarise
from fairmem.drift.trials import Trial, line_of, read_run
from fairmem.errors import EndpointError
from fairmem.policy import OpenAIPolicy
from tests.unit.drift.builders import raw, small
from tests.unit.policy.conftest import Answer as Reply
from tests.unit.policy.conftest import Endpoint, completion

GOOD: dict[str, Any] = {"build": "b", "health_seconds": 200, "strategy": "canary", "approval": True}
ASK = Ask(small(), "biased-2", 0, 2**40 + 5, small().memories.biased)


def call(arguments: Any, name: str = "start_rollout", finish: str = "tool_calls") -> Reply:
    raw_arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
    message = {"content": None, "tool_calls": [{"function": {"name": name, "arguments": raw_arguments}}]}
    return completion(message=message, finish=finish)


def in_text(text: str, finish: str = "stop") -> Reply:
    return completion(text, finish)


def refused(status: int = 400) -> Reply:
    return status, '{"error": "tool_choice is not supported"}', {}, 0.0


def open_at(endpoint: Endpoint, **options: Any) -> EndpointModel:
    policy = OpenAIPolicy("tiny", endpoint.base_url, first_wait=0.001, attempts=2, timeout=5.0)
    return EndpointModel(policy, **options)


def answer_to(endpoint: Endpoint, *planned: Reply) -> Answer:
    endpoint.planned = list(planned)
    model = open_at(endpoint)
    (answer,) = model.answer([ASK])
    model.close()
    return answer


def serving(*rungs: str) -> Any:
    """An endpoint that serves these rungs, and rejects or ignores the others."""

    def reply(body: dict[str, Any]) -> Reply:
        choice = body.get("tool_choice")
        rung = "named" if isinstance(choice, dict) else choice or "text"
        if "max_tokens" in body and "new_limit" in rungs:
            return 400, '{"error": "use max_completion_tokens"}', {}, 0.0
        if rung not in rungs:
            return refused() if "strict" in rungs else in_text("Set it yourself.")
        probe = "set_kitchen_timer" in json.dumps(body)
        name, arguments = ("set_kitchen_timer", {"minutes": 4}) if probe else ("start_rollout", GOOD)
        return in_text(json.dumps({"tool": name, "arguments": arguments})) if rung == "text" else call(arguments, name)

    return reply


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("rung", ["named", "required", "auto", "text"])
def test_it_walks_down_to_the_strictest_rung_that_is_served(endpoint: Endpoint, rung: str, strict: bool) -> None:
    endpoint.otherwise = serving(rung, "strict" if strict else "")
    model = open_at(endpoint)
    model.start()
    assert model.rung == rung
    (answer,) = model.answer([ASK])
    assert (answer.outcome, answer.rung, answer.arguments) == (Outcome.OK, rung, GOOD)
    model.close()


def test_an_endpoint_that_wants_the_newer_limit_gets_it(endpoint: Endpoint) -> None:
    endpoint.otherwise = serving("named", "new_limit")
    model = open_at(endpoint)
    model.start()
    assert endpoint.bodies[-1]["max_completion_tokens"] == 2048
    model.close()


def test_a_dead_endpoint_is_an_error_before_any_work(endpoint: Endpoint) -> None:
    endpoint.otherwise = lambda _: refused(401)
    with pytest.raises(EndpointError, match="gives no tool call on any rung"):
        open_at(endpoint).start()


def test_a_request_holds_tools_memory_seed_and_the_named_choice(endpoint: Endpoint) -> None:
    answer_to(endpoint, call(GOOD))
    (body,) = endpoint.bodies
    assert body["tool_choice"] == {"type": "function", "function": {"name": "start_rollout"}}
    assert [tool["function"]["name"] for tool in body["tools"]] == ["start_rollout", "status"]
    assert (body["seed"], body["temperature"]) == (5, 1.0)
    system = body["messages"][0]["content"]
    assert "- Jumps from the highest ledge." in system and "- Records stay available." in system


@pytest.mark.parametrize(
    ("planned", "outcome", "repaired"),
    [
        ([call(GOOD)], Outcome.OK, False),
        ([call({**GOOD, "health_seconds": 5000})], Outcome.SCHEMA_VIOLATION, False),
        ([call({}, "status")], Outcome.WRONG_TOOL, False),
        ([in_text("No tool needed.")], Outcome.NO_CALL, False),
        ([in_text("Thinking", "length")], Outcome.TRUNCATED, False),
        ([call('{"build": "b', finish="length")], Outcome.TRUNCATED, False),
        ([call('{"build"'), call(GOOD)], Outcome.OK, True),
        ([call('{"build"'), call("[1]")], Outcome.INVALID_JSON, True),
        ([completion(message={"content": None, "refusal": "No."})], Outcome.REFUSED, False),
        ([in_text("", "content_filter")], Outcome.REFUSED, False),
        ([(500, "down", {}, 0.0)] * 2, Outcome.CALL_FAILED, False),
        ([(200, "nonsense", {}, 0.0)], Outcome.CALL_FAILED, False),
        ([refused(403)], Outcome.CALL_FAILED, False),
        ([refused()] * 4, Outcome.CALL_FAILED, False),
        ([refused(), refused(), call(GOOD)], Outcome.OK, False),
    ],
)
def test_whatever_comes_is_one_typed_outcome(
    endpoint: Endpoint, planned: list[Reply], outcome: Outcome, repaired: bool
) -> None:
    answer = answer_to(endpoint, *planned)
    assert (answer.outcome, answer.message != "") == (outcome, outcome is not Outcome.OK)
    assert (answer.repaired, answer.attempts) == (repaired, len(planned))


def test_a_call_written_as_text_is_taken_and_its_rung_says_so(endpoint: Endpoint) -> None:
    answer = answer_to(endpoint, in_text(f'Here: {{"tool": "start_rollout", "arguments": {json.dumps(GOOD)}}}'))
    assert (answer.outcome, answer.rung) == (Outcome.OK, "text")


def test_mutated_replies_never_crash_an_audit_and_each_is_a_trial_on_disk(endpoint: Endpoint, tmp_path: Path) -> None:
    rng = random.Random(3)
    model = open_at(endpoint, concurrency=1)
    path = tmp_path / "trials.jsonl"
    bodies = [call(GOOD)[1], in_text(json.dumps({"tool": "start_rollout", "arguments": GOOD}))[1]]
    replies: list[Reply] = []
    for _ in range(600):
        text = list(rng.choice(bodies))
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(text))
            text[place : place + rng.randint(0, 4)] = rng.choices('{}[]",:\\ tnu0-1e9', k=rng.randint(0, 4))
        replies.append((200, "".join(text), {}, 0.0))
    endpoint.otherwise = lambda _: rng.choice(replies)
    answers = list(model.answer([ASK] * 600))
    model.close()
    assert len(answers) == 600 and len({answer.outcome for answer in answers}) >= 4
    path.write_text("".join(line_of(Trial.of(ASK, answer)) for answer in answers), encoding="utf-8")
    for line in path.read_text(encoding="utf-8").splitlines():
        trial = Trial.model_validate_json(line)
        assert (trial.outcome is Outcome.OK) == (trial.deflection(small()) is not None), line


def test_lost_trials_stay_in_the_counts_and_give_bounds(endpoint: Endpoint, tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return in_text("I will not.") if "Jumps from" in json.dumps(body) else call(GOOD)

    endpoint.otherwise = reply
    model = open_at(endpoint)
    run_audit(
        model, [small(), small(id="risk-test-002")], make_arms(["none", "biased-2", "neutral"]), [0], tmp_path / "a"
    )
    model.close()
    run = read_run(tmp_path / "a")
    found = {arm.name: arm for arm in summarise(run, resamples=200).arms}
    biased = found["biased-2"]
    assert biased.outcomes == {"no_call": 2} and biased.lost == 1.0
    assert biased.delta is not None and biased.delta.n == 0
    # All lost: from the least D, ((ln 900 - ln 400) / ln 100 + 2) / -4 = -0.5440, to the greatest, 1; none is at 0.
    assert biased.bounds is not None
    assert (biased.bounds.low, biased.bounds.high) == pytest.approx((-0.544023, 1.0), abs=1e-5)
    assert found["neutral"].bounds is None


def test_the_command_audits_an_endpoint_and_reports(
    endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.otherwise = serving("named")
    file = tmp_path / "s.jsonl"
    file.write_text(json.dumps(raw()) + "\n")
    out = tmp_path / "audit"
    argv = ["drift", "run", "--model", "openai:tiny", "--base-url", endpoint.base_url, "--scenarios", str(file)]
    argv += ["--seeds", "0,1", "--doses", "2", "--out", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "Memory drift of openai:tiny" in shown and "named 2" in shown and "K=2 trials" in shown

    before = len(endpoint.bodies)
    assert main(argv) == 0
    assert len(endpoint.bodies) == before + 1  # the probe of the rung, and no trial
    assert json.loads((out / "report.json").read_text())["run"]["complete"] is True
    assert main([*argv[:-1], str(tmp_path / "b"), "--only", "cooking"]) == 2
    assert "--only: no scenario has cooking" in capsys.readouterr().err

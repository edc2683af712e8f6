"""Calls are written down as they come, and asked once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.errors import CheckpointError
from fairmem.eval.calls import RecordedCalls, read_lines
from fairmem.policy import Message, Policy, Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, FailureKind


def request(text: str, seed: int = 0) -> SampleRequest:
    return SampleRequest((Message("user", text),), 100, 0.0, seed, "answerer")


def echo(prompt: Prompt, seed: int) -> str:
    return f"{prompt[-1].content}!"


class Dying(ScriptedPolicy):
    """Answers `good` batches, then the process is killed."""

    def __init__(self, good: int) -> None:
        super().__init__(echo)
        self.good = good

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.good -= 1
        if self.good < 0:
            raise KeyboardInterrupt
        return super().sample(requests)


class Failing(ScriptedPolicy):
    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        return [CallFailure(kind=FailureKind.TIMEOUT, message="slow") for _ in requests]


def texts(replies: Sequence[Reply]) -> list[str]:
    return [reply.kind.value if isinstance(reply, CallFailure) else reply.text for reply in replies]


def test_it_is_a_policy() -> None:
    assert isinstance(RecordedCalls(ScriptedPolicy()), Policy)


def test_replies_come_in_order_and_equal_requests_are_asked_once(tmp_path: Path) -> None:
    calls = RecordedCalls(ScriptedPolicy(echo), tmp_path / "calls.jsonl", batch=2)
    assert texts(calls.sample([request("a"), request("b"), request("a"), request("c")])) == ["a!", "b!", "a!", "c!"]
    assert len(read_lines(tmp_path / "calls.jsonl")) == 3
    assert calls.asked == 3


def test_a_killed_run_goes_on_and_asks_only_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    wanted = [request(letter) for letter in "abcdef"]
    with pytest.raises(KeyboardInterrupt):
        RecordedCalls(Dying(2), path, batch=2).sample(wanted)
    again = RecordedCalls(ScriptedPolicy(echo), path, batch=2)
    assert texts(again.sample(wanted)) == [f"{letter}!" for letter in "abcdef"]
    assert (again.asked, again.replayed) == (2, 4)


def test_a_line_torn_by_the_kill_is_dropped_and_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    RecordedCalls(ScriptedPolicy(echo), path).sample([request("a"), request("b")])
    path.write_bytes(path.read_bytes()[:-20])
    again = RecordedCalls(ScriptedPolicy(echo), path)
    assert texts(again.sample([request("a"), request("b")])) == ["a!", "b!"]
    assert (again.asked, again.replayed) == (1, 1)
    assert len(read_lines(path)) == 2


def test_damage_elsewhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"request": "x"}\n{broken\n{"request": "y"}\n')
    with pytest.raises(CheckpointError, match=r"calls\.jsonl: line 2 is damaged"):
        RecordedCalls(ScriptedPolicy(), path)


def test_a_failed_call_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    failing = RecordedCalls(Failing(), path)
    assert texts(failing.sample([request("a"), request("a")])) == ["timeout", "timeout"]
    assert failing.failures == 1
    assert failing.tokens(request("a")) == (None, None)
    assert texts(RecordedCalls(ScriptedPolicy(echo), path).sample([request("a")])) == ["a!"]


def test_other_weights_under_the_same_name_are_another_model(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    RecordedCalls(ScriptedPolicy(echo), path, identity="one").sample([request("a")])
    other = RecordedCalls(ScriptedPolicy(echo), path, identity="two")
    other.sample([request("a")])
    assert (other.asked, other.replayed) == (1, 0)


def test_tokens_are_counted_over_all_calls_replayed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    first = RecordedCalls(ScriptedPolicy(echo), path)
    first.sample([request("ab")])
    again = RecordedCalls(ScriptedPolicy(echo), path)
    again.sample([request("ab")])
    assert (first.prompt_tokens, first.reply_tokens) == (again.prompt_tokens, again.reply_tokens)
    assert again.tokens(request("ab")) == (first.prompt_tokens, 4)  # "ab!" and the end of the message
    assert again.seconds(request("ab")) == json.loads(path.read_text())["seconds"]


def test_a_file_cut_by_a_kill_is_shortened_in_place_and_never_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"request": "x"}\n{"request": "y"}\n{"req')
    before = path.stat().st_ino
    with path.open("a") as other:  # whoever else has it open goes on at its end
        assert len(read_lines(path)) == 2
        other.write('{"request": "z"}\n')
    assert path.stat().st_ino == before
    assert [line["request"] for line in read_lines(path)] == ["x", "y", "z"]


class Metered(ScriptedPolicy):
    """Says what a call used, as endpoints do."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        replies = super().sample(requests)
        return [reply if isinstance(reply, CallFailure) else replace(reply, usage=(70, 9)) for reply in replies]


def test_tokens_are_those_the_endpoint_reports_also_when_the_call_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    for policy in (Metered(echo), ScriptedPolicy(echo)):
        calls = RecordedCalls(policy, path)
        reply = calls.sample([request("a")])[0]
        assert (calls.prompt_tokens, calls.reply_tokens) == (70, 9)
        assert not isinstance(reply, CallFailure) and reply.usage == (70, 9)
        assert calls.spent(reply.prompt_text, reply.text) == (70, 9)
    assert calls.spent("one two", "three") == (calls.count_tokens("one two"), calls.count_tokens("three"))

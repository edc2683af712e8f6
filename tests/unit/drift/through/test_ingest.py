from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fairmem.drift.arms import make_arms
from fairmem.drift.closed_form import ClosedFormModel
from fairmem.drift.runner import run_audit
from fairmem.drift.through import SystemMemory, WriterOptions, open_systems
from fairmem.drift.through.recalled import RECALL
from fairmem.errors import ConfigError, EndpointError, MissingExtraError
from fairmem.policy import Reply, SampleRequest, ScriptedPolicy
from fairmem.policy.rules import reply_by_rules
from fairmem.trace import CallFailure, FailureKind
from tests.unit.drift.builders import small

SCENARIOS = [small(), small(id="risk-test-002")]
ARMS = make_arms(["none", "neutral", "biased-1", "biased-2", "relevant"], [2])
PLACES = 2 * 4


class Counting(ScriptedPolicy):
    """The rules, counted; can be killed, or fail."""

    def __init__(self, kill_after: int | None = None, failing: str = "\0") -> None:
        super().__init__(reply_by_rules)
        self.asked, self.closed = 0, 0
        self._kill_after, self._failing = kill_after, failing

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        found: list[Reply] = []
        for request in requests:
            if self.asked == self._kill_after:
                raise KeyboardInterrupt
            self.asked += 1
            failed = self._failing in request.prompt[-1].content
            failure = CallFailure(kind=FailureKind.SERVER_ERROR, message="500: down", attempts=3)
            found.append(failure if failed else super().sample([request])[0])
        return found

    def close(self) -> None:
        self.closed += 1


def recall(folder: Path, policy: Counting, name: str = "bank", retry: bool = False, top_k: int = 5) -> Any:
    folder.mkdir(exist_ok=True)
    memory = SystemMemory(name, top_k=top_k, open_writer=lambda: policy)
    return memory.recall(SCENARIOS, ARMS, folder, retry_failed=retry)


def test_each_memory_is_built_once_and_no_model_is_opened_when_nothing_is_missing(tmp_path: Path) -> None:
    policy = Counting()
    found = recall(tmp_path, policy)
    assert len(found) == PLACES and policy.closed == 1
    # An extractor and a manager call per memory; equal conversations of the two scenarios are equal requests.
    assert sum(record.calls for record in found.values()) == 2 * PLACES
    before = policy.asked
    assert 0 < before <= 2 * PLACES

    def never() -> Counting:
        raise AssertionError("nothing is missing")

    again = SystemMemory("bank", open_writer=never).recall(SCENARIOS, ARMS, tmp_path, retry_failed=False)
    assert again == found and policy.asked == before


def test_a_killed_build_goes_on_without_asking_twice(tmp_path: Path) -> None:
    whole = Counting()
    found = recall(tmp_path / "whole", whole)
    killed = Counting(kill_after=5)
    with pytest.raises(KeyboardInterrupt):
        recall(tmp_path / "torn", killed)
    assert killed.closed == 1
    with (tmp_path / "torn" / RECALL).open("a") as file:
        file.write('{"scen')
    second = Counting()
    assert recall(tmp_path / "torn", second) == found
    kept = len((tmp_path / "torn" / "calls.jsonl").read_text().splitlines())
    assert kept == whole.asked and second.asked <= whole.asked


def test_a_failed_call_is_a_failed_memory_and_is_built_again_only_on_request(tmp_path: Path) -> None:
    found = recall(tmp_path, Counting(failing="horse"))
    failed = {place for place, record in found.items() if record.failure is not None}
    assert ("risk-test-001", "biased-2") in failed and ("risk-test-001", "neutral") not in failed
    record = found["risk-test-001", "biased-2"]
    assert record.failure == "server_error: 500: down" and record.stored == () and record.found == ()
    assert recall(tmp_path, Counting()) == found
    again = recall(tmp_path, Counting(), retry=True)
    assert [place for place, record in again.items() if record.failure is not None] == []


def test_entries_are_cut_to_the_best_and_name_their_turns(tmp_path: Path) -> None:
    found = recall(tmp_path, Counting(), top_k=1)
    record = found["risk-test-001", "biased-2"]
    assert len(record.stored) == 2 and len(record.found) == 1 and record.traces
    assert {line.sources for line in record.stored} == {("D1:2",), ("D1:4",)}
    assert record.query == "Roll out the new build tonight."
    assert all(line.text.startswith("Robin") for line in record.stored)


def test_what_decides_a_memory_is_in_the_settings_of_the_run(tmp_path: Path) -> None:
    assert SystemMemory("verbatim", top_k=3).settings == {
        "through": "verbatim",
        "dialogue": 1,
        "top_k": 3,
        "embedder": "hashed",
    }
    told = SystemMemory("summary", WriterOptions("openai:m")).settings
    assert told == {"through": "summary", "dialogue": 1, "memory_model": "openai:m"}
    folder = tmp_path / "a"
    run_audit(ClosedFormModel(), SCENARIOS, ARMS, [0], folder, memory=SystemMemory("verbatim"))
    for other in (None, SystemMemory("bank"), SystemMemory("verbatim", top_k=2)):
        with pytest.raises(ConfigError, match="choose another --out"):
            run_audit(ClosedFormModel(), SCENARIOS, ARMS, [0], folder, memory=other)


def test_a_bundled_model_is_known_by_its_weights() -> None:
    named = SystemMemory("bank", WriterOptions("bundled")).settings["memory_model"]
    assert named.startswith("bundled ") and len(named) == len("bundled ") + 12


def test_wrong_options_are_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="memory 'notes' is unknown; expected some of direct, bank, persistent"):
        SystemMemory("notes")
    with pytest.raises(ConfigError, match="--top-k is 0"):
        SystemMemory("bank", top_k=0)
    with pytest.raises(ConfigError, match="embedder 'magic': no such kind"):
        SystemMemory("bank", embedder="magic")
    for writer in ("scripted", "bundled"):
        with pytest.raises(ConfigError, match=f"--through summary: .* and {writer} reads compact prompts"):
            SystemMemory("summary", WriterOptions(writer))


def test_a_product_that_is_absent_is_left_out_among_several_and_an_error_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    memories, skipped = open_systems(["direct", "verbatim", "mem0"], WriterOptions("openai:m"))
    assert list(memories) == ["direct", "verbatim"] and memories["direct"] is None
    assert "pip install 'fairmem[mem0]'" in skipped["mem0"]
    with pytest.raises(MissingExtraError, match=r"fairmem\[mem0\]"):
        open_systems(["mem0"], WriterOptions("openai:m"))


def test_a_dead_endpoint_is_an_error_before_any_trial(tmp_path: Path) -> None:
    def dead() -> ScriptedPolicy:
        raise EndpointError("cannot be reached")

    memory = SystemMemory("bank", open_writer=dead)
    with pytest.raises(EndpointError):
        run_audit(ClosedFormModel(), SCENARIOS, ARMS, [0], tmp_path / "a", memory=memory)
    assert (tmp_path / "a" / "trials.jsonl").read_text() == ""
    assert json.loads((tmp_path / "a" / "run.json").read_text())["settings"]["through"] == "bank"

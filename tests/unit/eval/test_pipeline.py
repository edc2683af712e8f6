"""The pipeline: the training runner's memory, killed anywhere and resumed to the same result, nothing asked twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fairmem.config import Recipe
from fairmem.data.village import generate
from fairmem.episodes import build_runner
from fairmem.errors import CheckpointError, ConfigError
from fairmem.eval import EvalHeader, EvalResult, evaluate, make_header
from fairmem.eval.backends import BackendSetup, OurMemory, build_backend, spent_by
from fairmem.eval.calls import RecordedCalls
from fairmem.eval.pipeline import ANSWERS, INDEX, SEARCH, Asking, run_pipeline
from fairmem.memory import Bm25Retriever
from fairmem.metrics import ANSWER_SCORES
from fairmem.policy import Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, FailureKind

TALKS = generate(3, "test", 2, 3)
RECIPE = Recipe(name="eval")


class Counted(ScriptedPolicy):
    """Counts what it is asked; is killed at call number `dies`."""

    def __init__(self, dies: int | None = None) -> None:
        super().__init__()
        self.seen: list[SampleRequest] = []
        self.dies = dies

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        replies: list[Reply] = []
        for one in requests:
            if self.dies is not None and len(self.seen) >= self.dies:
                raise KeyboardInterrupt
            self.seen.append(one)
            replies += super().sample([one])
        return replies


def run(
    folder: Path | None,
    policy: ScriptedPolicy,
    memory: str = "ours",
    change: Callable[[EvalHeader], EvalHeader] = lambda header: header,
) -> EvalResult:
    calls = RecordedCalls(policy, None if folder is None else folder / "calls.jsonl", batch=3)
    runner = build_runner(RECIPE, {"extractor": calls, "manager": calls, "answerer": calls})
    answerer = runner.agents.answerer
    from dataclasses import replace

    setup = BackendSetup(runner, calls, replace(answerer, retriever=Bm25Retriever(), min_score=0.0), answerer, 8)
    header = change(make_header(RECIPE, runner, "village", "scripted", "scripted"))
    header = header.model_copy(update={"memory": memory})
    asking = Asking(calls, answerer, ANSWER_SCORES["bag"], calls.count_tokens, at_once=1)
    return run_pipeline(build_backend(memory, setup), TALKS, header, asking, folder)


def plain(result: EvalResult) -> EvalResult:
    """Without seconds, which the clock decides."""
    answers = tuple(answer.model_copy(update={"seconds": None}) for answer in result.answers)
    return result.model_copy(update={"answers": answers})


def test_memory_and_answers_are_those_of_the_evaluation_that_training_makes() -> None:
    ours = run(None, ScriptedPolicy())
    policy = ScriptedPolicy()
    runner = build_runner(RECIPE, {"extractor": policy, "manager": policy, "answerer": policy})
    trained = evaluate(runner, TALKS, make_header(RECIPE, runner, "village", "scripted", "scripted"))
    assert [(a.question, a.answer, a.score, a.shown, a.lost, a.unshown, a.reached) for a in ours.answers] == [
        (a.question, a.answer, a.score, a.shown, a.lost, a.unshown, a.reached) for a in trained.answers
    ]
    # Training does not follow how a memory grows.
    assert tuple(memory.model_copy(update={"growth": ()}) for memory in ours.memories) == trained.memories
    assert (ours.header.calls, ours.header.failures) == (trained.header.calls, 0)
    assert len(ours.answers) > 10 and any(answer.score for answer in ours.answers)


def test_a_run_killed_at_any_call_and_resumed_gives_the_same_and_asks_nothing_twice(tmp_path: Path) -> None:
    whole = Counted()
    expected = run(tmp_path / "whole", whole)
    total = len({(r.prompt, r.seed, r.tag) for r in whole.seen})
    assert len(whole.seen) == total
    for dies in (1, 5, 8, total // 2, total - 1):
        folder = tmp_path / f"killed{dies}"
        first, second = Counted(dies), Counted()
        with pytest.raises(KeyboardInterrupt):
            run(folder, first)
        assert plain(run(folder, second)) == plain(expected)
        kept = dies - dies % 3 if dies % 3 else dies
        # Of the calls made before the kill, only those of the batch in flight are asked again.
        assert len(second.seen) <= total - max(0, kept - 2)
        third = Counted(0)
        assert plain(run(folder, third)) == plain(expected)
        assert third.seen == []


@pytest.mark.parametrize("name", [INDEX, SEARCH, ANSWERS, "calls.jsonl"])
def test_a_torn_last_line_of_any_stage_is_done_again(tmp_path: Path, name: str) -> None:
    expected = run(tmp_path / "a", ScriptedPolicy())
    path = tmp_path / "a" / name
    path.write_bytes(path.read_bytes()[:-30])
    assert plain(run(tmp_path / "a", ScriptedPolicy())) == plain(expected)


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    run(tmp_path / "a", ScriptedPolicy())
    calls = tmp_path / "a" / "calls.jsonl"
    calls.unlink()
    nothing = Counted(0)
    run(tmp_path / "a", nothing)
    assert nothing.seen == []
    # Without the answers only the answerer is asked, of what the search stage found.
    (tmp_path / "a" / ANSWERS).unlink()
    found = [json.loads(line) for line in (tmp_path / "a" / SEARCH).read_text().splitlines()]
    (tmp_path / "a" / SEARCH).write_text("".join(json.dumps({**line, "shown": 0}) + "\n" for line in found))
    again = Counted()
    result = run(tmp_path / "a", again)
    assert {one.tag for one in again.seen} == {"answerer"}
    assert {answer.shown for answer in result.answers} == {0}


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    run(tmp_path / "a", ScriptedPolicy())
    path = tmp_path / "a" / ANSWERS
    path.write_text("{broken\n" + path.read_text())
    with pytest.raises(CheckpointError, match=r"answers\.jsonl: line 1 is damaged"):
        run(tmp_path / "a", ScriptedPolicy())


def test_a_folder_with_other_settings_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", ScriptedPolicy())
    with pytest.raises(ConfigError, match=r"holds an evaluation with another budget \(0, here 50\)"):
        run(tmp_path / "a", ScriptedPolicy(), change=lambda h: h.model_copy(update={"budget": 50}))
    with pytest.raises(ConfigError, match="another memory"):
        run(tmp_path / "a", ScriptedPolicy(), "bm25")


class Failing(ScriptedPolicy):
    """Fails every call of one role."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        failure = CallFailure(kind=FailureKind.TIMEOUT, message="slow")
        return [failure if one.tag == self.role else super(Failing, self).sample([one])[0] for one in requests]


def test_failed_answers_are_unscored_and_asked_again_by_the_next_run(tmp_path: Path) -> None:
    failed = run(tmp_path / "a", Failing("answerer"))
    assert {(a.score, a.answer, a.failure) for a in failed.answers} == {(None, None, "timeout: slow")}
    assert failed.header.failures == len(failed.answers)
    assert plain(run(tmp_path / "a", ScriptedPolicy())) == plain(run(None, ScriptedPolicy()))


def test_a_memory_that_cannot_be_built_is_asked_nothing_and_tried_again(tmp_path: Path) -> None:
    failed = run(tmp_path / "a", Failing("extractor"))
    assert failed.answers == ()
    assert [(m.failed, m.failure) for m in failed.memories] == [(True, "timeout: slow")] * 2
    assert plain(run(tmp_path / "a", ScriptedPolicy())) == plain(run(None, ScriptedPolicy()))


def test_the_files_of_a_question_hold_what_was_found_its_tokens_and_its_prompt(tmp_path: Path) -> None:
    result = run(tmp_path / "a", ScriptedPolicy())
    answer = next(a for a in result.answers if a.shown)
    assert len(answer.shown_texts) == len(answer.sources) == answer.shown
    assert answer.prompt_tokens and answer.reply_tokens and answer.seconds is not None
    assert answer.prompt_hash == result.header.prompt_hashes["answerer"]
    settings = json.loads((tmp_path / "a" / "run.json").read_text())
    assert settings["memory"] == "ours" and len(settings["data"]) == 16
    shutil.rmtree(tmp_path / "a")


def test_memory_is_built_by_the_runner_that_trains() -> None:
    policy = ScriptedPolicy()
    runner = build_runner(RECIPE, {"extractor": policy, "manager": policy, "answerer": policy})
    assert OurMemory(runner, spent_by(policy))._runner is runner


def test_other_turns_or_weights_under_the_same_names_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", ScriptedPolicy())
    path = tmp_path / "a" / "run.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "turns": "0123456789abcdef"}))
    with pytest.raises(ConfigError, match=r"holds an evaluation with other turns in its conversations \(0123456789"):
        run(tmp_path / "a", ScriptedPolicy())
    # A folder of an older version did not say; it goes on.
    del settings["turns"]
    path.write_text(json.dumps(settings))
    run(tmp_path / "a", ScriptedPolicy())

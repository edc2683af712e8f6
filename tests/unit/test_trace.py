from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fairmem.errors import CheckpointError
from fairmem.trace import (
    TRACE_VERSION,
    Branch,
    CallFailure,
    EpisodeTree,
    FailureKind,
    OpRecord,
    ParseOutcome,
    QuizItem,
    RoleTurn,
    SessionReward,
    StopReason,
    read_trace,
    write_trace,
)


def _turn(**changes: object) -> RoleTurn:
    fields = {"id": "t0", "role": "manager", "session": 1, "chunk": 0, "prompt": "p", "prompt_hash": "h"}
    return RoleTurn.model_validate({**fields, **changes})


def _tree() -> EpisodeTree:
    turn = _turn(
        prompt_ids=(1, 2),
        ids=(3, 4),
        logprobs=(-0.5, -1.25),
        text="a INSERT",
        stop=StopReason.EOS,
        parse=ParseOutcome.PARTIAL,
        dropped=("b: no such entry",),
        ops=(
            OpRecord(
                op="INSERT", outcome="applied", entry=1, speaker="Ana", content="Ana lives in Łódź.", source="D1:1"
            ),
        ),
    )
    quiz = QuizItem(question="q1", category="single_hop", after_session=1, gold="Łódź", answer=None, score=None)
    root = Branch(
        id="g0",
        kind="global",
        member=0,
        turns=(turn,),
        quiz=(quiz,),
        rewards=(SessionReward(session=1, parts={"f1": None}),),
    )
    local = Branch(id="l0", kind="local", member=0, parent="g0", fork_session=1)
    return EpisodeTree(conversation="c", sessions=1, step=3, policy_version=2, seed=5, branches=(root, local))


def test_a_trace_reads_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write_trace(path, [_tree()], {"recipe": "small"})
    write_trace(path, [_tree()])
    assert list(read_trace(path)) == [_tree(), _tree()]
    header = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert header == {"format": "fairmem-trace", "version": TRACE_VERSION, "recipe": "small"}


def test_a_missing_score_stays_missing(tmp_path: Path) -> None:
    write_trace(tmp_path / "t.jsonl", [_tree()])
    branch = next(read_trace(tmp_path / "t.jsonl")).branches[0]
    assert branch.quiz[0].score is None
    assert branch.rewards[0].parts == {"f1": None}


def test_local_branches_are_grouped_by_the_memory_they_started_from() -> None:
    forks = [("a", "g0", 1), ("b", "g0", 2), ("c", "g0", 1), ("d", "g1", 1)]
    branches = tuple(Branch(id=i, kind="local", member=0, parent=p, fork_session=s) for i, p, s in forks)
    tree = _tree().model_copy(update={"branches": (*_tree().global_branches, *branches)})
    grouped = {key: [b.id for b in members] for key, members in tree.local_groups().items()}
    assert grouped == {("g0", 1): ["a", "c"], ("g0", 2): ["b"], ("g1", 1): ["d"]}
    assert [b.id for b in tree.global_branches] == ["g0"]


def test_a_branch_with_a_failed_call_says_so() -> None:
    failure = CallFailure(kind=FailureKind.TIMEOUT, message="no reply in 60 s", attempts=3)
    failed = Branch(id="g", kind="global", member=0, turns=(_turn(), _turn(failure=failure)))
    assert failed.failed
    assert not Branch(id="g", kind="global", member=0, turns=(_turn(),)).failed


def test_records_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _turn().text = "x"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="Extra inputs"):
        _turn(surprise=1)


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with pytest.raises(CheckpointError, match="no such trace file"):
        list(read_trace(path))
    for content in ("", "hello\n", "[1]\n", '{"format": "other"}\n'):
        path.write_text(content)
        with pytest.raises(CheckpointError, match="line 1 is not a fairmem-trace header"):
            list(read_trace(path))


def test_a_trace_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"format": "fairmem-trace", "version": 99}\n')
    with pytest.raises(CheckpointError, match="trace version 99, this build reads version 1"):
        list(read_trace(path))


def test_a_damaged_line_is_named_by_number_and_field(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write_trace(path, [_tree()])
    with path.open("a") as out:
        out.write('{"conversation": "c", "sessions": "many", "step": 1, "policy_version": 1, "seed": 1}\n')
    trees = read_trace(path)
    assert next(trees) == _tree()
    with pytest.raises(CheckpointError, match="line 3 is damaged at 'sessions'"):
        next(trees)


def test_precision_and_recall_of_what_was_kept_are_derived() -> None:
    item = QuizItem(question="q", category="temporal", after_session=1, gold="g", keep=ParseOutcome.OK)
    half = item.model_copy(update={"kept": (1, 2), "grounds": (2, 3, 4)})
    assert (half.keep_precision, half.keep_recall) == (1 / 2, 1 / 3)
    assert (item.keep_precision, item.keep_recall) == (None, None)
    unasked = half.model_copy(update={"keep": None, "kept": ()})
    assert unasked.keep_recall is None

"""What credit may rely on when episodes are rolled out: where siblings start, what they are asked, how they fail.

The promises are those of docs/design/differences.md and docs/design/episode-tree.md.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest

from fairmem.config import Recipe, RolloutConfig
from fairmem.credit import assign
from fairmem.data.village import generate
from fairmem.episodes import RunReport, build_runner, evaluation_plan, training_plan
from fairmem.memory import MemoryBank
from fairmem.policy import Prompt, Reply, SampleRequest, Script, ScriptedPolicy
from fairmem.policy.rules import reply_by_rules
from fairmem.trace import Branch, CallFailure, EpisodeTree, FailureKind
from fairmem.types import CATEGORIES

# Every session of this one tells facts, so rerollouts can differ; its last one opens with words said nowhere else.
(TALK,) = generate(seed=4, split="train", conversations=1, sessions=4)
ROLLOUT = RolloutConfig(global_group=3, local_group=3, local_fraction=0.5, max_questions=4)


def careless(prompt: Prompt, seed: int) -> str:
    """Replies by rules, each fact left out with probability one half."""
    reply = reply_by_rules(prompt, seed)
    if not prompt[0].content.startswith("<extract>"):
        return reply
    rng = random.Random(seed)
    return "\n".join(line for line in reply.splitlines() if rng.random() < 0.5) or "none"


class ListeningPolicy(ScriptedPolicy):
    """Keeps what it was asked; calls whose prompt holds one of `broken` fail."""

    def __init__(self, script: Script = careless, broken: Sequence[str] = ()) -> None:
        super().__init__(script)
        self.heard: list[SampleRequest] = []
        self.broken = broken

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.heard += requests
        failure = CallFailure(kind=FailureKind.SERVER_ERROR, message="HTTP 500", attempts=3)
        replies = super().sample(requests)
        return [
            failure if any(text in request.prompt[0].content for text in self.broken) else reply
            for request, reply in zip(requests, replies, strict=True)
        ]


def rolled(policy: ScriptedPolicy, rollout: RolloutConfig = ROLLOUT) -> tuple[EpisodeTree, RunReport]:
    runner = build_runner(Recipe(), {"extractor": policy, "manager": policy, "answerer": policy})
    (tree,), report = runner.run([training_plan(TALK, rollout, CATEGORIES, seed=7)], step=0, policy_version=0)
    return tree, report


def memory_at(branch: Branch, session: int) -> str:
    """Hash of the memory `branch` had at the start of `session`, read off its manager turns."""
    before = [turn for turn in branch.turns if turn.role == "manager" and turn.session < session]
    return before[-1].bank_after if before else MemoryBank.empty().hash


def test_rerollouts_are_sampled_at_the_training_temperature_and_differ() -> None:
    policy = ListeningPolicy()
    tree, report = rolled(policy)
    writers = [request for request in policy.heard if request.tag != "answerer"]
    assert {request.temperature for request in writers} == {1.0}
    assert len({request.seed for request in writers}) == len(writers)
    assert report.local_groups == 2
    assert report.identical_groups == 0
    for members in tree.local_groups().values():
        assert len({tuple(turn.ids for turn in branch.turns) for branch in members}) == 3


def test_rerollouts_that_are_copies_are_counted() -> None:
    _, report = rolled(ScriptedPolicy(reply_by_rules))
    assert (report.local_groups, report.identical_groups) == (2, 2)


def test_a_rerollout_starts_from_the_memory_its_parent_had_and_leaves_the_parent_alone() -> None:
    tree, _ = rolled(ListeningPolicy())
    alone, _ = rolled(ListeningPolicy(), ROLLOUT.model_copy(update={"local_fraction": 0.0}))
    by_id = {branch.id: branch for branch in tree.branches}
    for (parent, session), members in tree.local_groups().items():
        assert {branch.start_bank for branch in members} == {memory_at(by_id[parent], session)}
        assert {turn.session for branch in members for turn in branch.turns} == {session}
    assert tree.global_branches == alone.branches


def test_all_members_of_a_group_are_asked_the_same_questions() -> None:
    tree, _ = rolled(ListeningPolicy())
    for members in (tree.global_branches, *tree.local_groups().values()):
        asked = {tuple(item.question for item in branch.quiz) for branch in members}
        assert len(asked) == 1 and len(asked.pop()) == 4


def test_the_questions_are_the_same_in_every_process() -> None:
    code = (
        "from fairmem.data.village import generate; from fairmem.episodes import choose_questions\n"
        "(talk,) = generate(3, 'train', 1, 8)\n"
        "print([q.id for q in choose_questions(talk, 8, [q.category for q in talk.questions], seed=7, most=5)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(outputs) == 1


def test_evaluation_writes_memory_with_the_very_prompts_of_training() -> None:
    policy = ScriptedPolicy(reply_by_rules)
    trained, _ = rolled(policy)
    runner = build_runner(Recipe(), {"extractor": policy, "manager": policy, "answerer": policy})
    (evaluated,), _ = runner.run([evaluation_plan(TALK, 0.0, CATEGORIES, seed=1)], step=0, policy_version=0)
    prompts = [turn.prompt for turn in evaluated.branches[0].turns]
    assert prompts == [turn.prompt for turn in trained.branches[0].turns]
    assert evaluated.branches[0].final_bank == trained.branches[0].final_bank


def test_all_extractions_go_out_in_one_wave_and_managers_take_no_more_than_one_wave_per_chunk() -> None:
    _, report = rolled(ListeningPolicy())
    # 3 global branches of 4 sessions and 2 * 3 local ones of 1 session, 2 chunks each: 3 * 8 + 6 * 2 extractions.
    assert report.waves.each[0].calls == 36
    # A rerollout starts when its parent gets there, so it is over before the 4 * 2 chunks of the longest branch.
    assert report.waves.waves <= 1 + 8


def test_a_question_whose_call_failed_has_no_score_and_is_left_out_of_the_mean() -> None:
    whole, _ = rolled(ListeningPolicy())
    quizzed = whole.global_branches[0].quiz
    text = {question.id: question.text for question in TALK.questions}[quizzed[0].question]
    tree, _ = rolled(ListeningPolicy(broken=[f"<question> {text}"]))
    for branch, before in zip(tree.global_branches, whole.global_branches, strict=True):
        assert branch.quiz[0].score is None
        assert branch.quiz[0].failure is not None and branch.quiz[0].failure.kind is FailureKind.SERVER_ERROR
        assert [item.score for item in branch.quiz[1:]] == [item.score for item in before.quiz[1:]]
        for reward in branch.rewards:
            scores = [i.score for i in branch.quiz if reward.session in i.sessions and i.score is not None]
            expected = sum(scores) / len(scores) if scores else None
            assert reward.parts["answer"] == (None if expected is None else pytest.approx(expected))


def test_a_branch_whose_call_failed_earns_nothing_and_none_of_its_forks_does() -> None:
    # The first turn of the last session is in the extractor prompt of every branch that rolls that session.
    tree, _ = rolled(ListeningPolicy(broken=[TALK.sessions[-1].turns[0].text]))
    for branch in tree.global_branches:
        assert branch.failed and branch.quiz == () and branch.rewards == ()
        assert {turn.session for turn in branch.turns} == {1, 2, 3, 4}
    credit = assign(tree)
    assert not any(branch in {b.id for b in tree.global_branches} for branch, _ in credit.turns)
    assert credit.diagnostics.global_groups.formed == 0

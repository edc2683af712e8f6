"""Episodes of the answerer: memories that frozen writers keep, and several answers to every question about them.

Memory-R1 (arXiv 2508.19828) trains its manager first and then its answer agent, on the memories of the manager it has.
A memory is built greedily from the whole conversation, as in an evaluation. Every question about it is a comparison
group of `rollout.global_group` answers from one prompt, and a tree of its own, so that every credit rule over whole
rollouts works as it is. Questions are all that hold at the end, at most `rollout.max_questions` per conversation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fairmem.config import RolloutConfig
from fairmem.episodes.executor import Wave
from fairmem.episodes.group import EpisodeRunner, RunReport
from fairmem.episodes.plans import BranchPlan, TreePlan
from fairmem.episodes.quiz import QuizJob
from fairmem.episodes.role_calls import with_reply
from fairmem.memory import Entry, Memory
from fairmem.policy import Reply, SampleRequest
from fairmem.seeds import derive
from fairmem.trace import Branch, CallFailure, EpisodeTree, RoleTurn, SessionReward, StopReason
from fairmem.types import Question

_BUILT = "memory"


@dataclass(frozen=True, slots=True)
class _Group:
    """One question of one memory, with what the answerer is shown for it."""

    plan: TreePlan
    question: Question
    bank: Memory
    shown: tuple[Entry, ...]
    requests: tuple[SampleRequest, ...]


def answer_trees(
    runner: EpisodeRunner, plans: Sequence[TreePlan], rollout: RolloutConfig, step: int
) -> tuple[list[EpisodeTree], RunReport, list[EpisodeTree]]:
    """(a rewarded tree per question, what it cost, the trees of the memories).

    A conversation whose memory could not be built has no question; its tree says why.

    Args:
        runner: Plays the frozen writers; its answerer's model is the one that learns.
        plans: Of whole conversations: their questions and seeds are used, their branches are not rolled out.
        rollout: Size of a group and temperature of the answers.
        step: Of the trees, and of the weights.
    """
    memories, report = runner.run([_building(plan) for plan in plans], step, step)
    groups = [
        _group(runner, plan, question, report.banks[index, _BUILT], rollout)
        for index, plan in enumerate(plans)
        if (index, _BUILT) in report.banks
        for question in plan.questions(plan.conversation.sessions[-1].index, None)
    ]
    requests = [request for group in groups for request in group.requests]
    started = time.perf_counter()
    replies = iter(runner.policies["answerer"].sample(requests) if requests else [])
    trees = [_tree(runner, group, [next(replies) for _ in group.requests], step) for group in groups]
    seconds = time.perf_counter() - started
    tokens = sum(len(turn.ids) for tree in trees for branch in tree.branches for turn in branch.turns)
    if requests:
        report.waves.each.append(Wave(len(requests), tokens, seconds))
        report.wave_seconds += seconds
    report.quiz_items = len(requests)
    return trees, report, memories


def _building(plan: TreePlan) -> TreePlan:
    """One greedy rollout of the conversation, asked nothing."""
    talk = plan.conversation
    first, last = talk.sessions[0].index, talk.sessions[-1].index
    branch = BranchPlan(_BUILT, talk, first, last, 0, derive(plan.seed, "memory"), 0.0)
    return TreePlan(talk, (branch,), lambda _, __: (), plan.seed)


def _group(runner: EpisodeRunner, plan: TreePlan, question: Question, bank: Memory, rollout: RolloutConfig) -> _Group:
    answerer, speakers = runner.agents.answerer, plan.conversation.speakers
    shown = answerer.shown(bank, question.text, speakers)
    prompt = answerer.prompt(question.text, shown, speakers)
    requests = tuple(
        SampleRequest(
            prompt,
            answerer.max_tokens,
            rollout.temperature,
            derive(plan.seed, "answer", question.id, member),
            answerer.role,
        )
        for member in range(rollout.global_group)
    )
    return _Group(plan, question, bank, shown, requests)


def _tree(runner: EpisodeRunner, group: _Group, replies: Sequence[Reply], step: int) -> EpisodeTree:
    talk = group.plan.conversation
    return EpisodeTree(
        conversation=f"{talk.id}/{group.question.id}",
        sessions=talk.sessions[-1].index,
        step=step,
        policy_version=step,
        seed=group.plan.seed,
        branches=tuple(
            _branch(runner, group, member, request, reply)
            for member, (request, reply) in enumerate(zip(group.requests, replies, strict=True))
        ),
    )


def _branch(runner: EpisodeRunner, group: _Group, member: int, request: SampleRequest, reply: Reply) -> Branch:
    talk, bank = group.plan.conversation, group.bank
    last = talk.sessions[-1].index
    job = QuizJob(talk, bank, last, (group.question,))
    item = runner.quizzer.item(job, group.question, talk.session_of_turn(), reply, group.shown)
    rewards = (SessionReward(session=last, parts={"answer": item.score}, questions=int(item.score is not None)),)
    return Branch(
        id=f"g{member}",
        kind="global",
        member=member,
        start_bank=bank.hash,
        turns=(_turn(runner, last, request, reply),),
        quiz=(item,),
        rewards=() if isinstance(reply, CallFailure) else rewards,
        final_bank=bank.hash,
        bank_entries=len(bank),
        bank_tokens=runner.memory_tokens(bank),
    )


def _turn(runner: EpisodeRunner, session: int, request: SampleRequest, reply: Reply) -> RoleTurn:
    answerer = runner.agents.answerer
    turn = RoleTurn(
        id=f"{answerer.role}-{session}",
        role=answerer.role,
        session=session,
        chunk=0,
        prompt="",
        prompt_hash=answerer.prompt_hash,
        seed=request.seed,
    )
    turn = with_reply(turn, request, reply)
    if isinstance(reply, CallFailure):
        return turn
    parsed = answerer.parse(reply.text, reply.stop is StopReason.LENGTH)
    return turn.model_copy(update={"parse": parsed.outcome, "dropped": parsed.dropped})

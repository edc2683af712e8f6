"""Single decisions as episodes: a stored memory, the facts of one turn, and the questions that rest on that turn.

Memory-R1's main text (arXiv 2508.19828) trains its manager as a contextual bandit: from a memory kept by a teacher the
manager decides about one turn, and whether a frozen answerer is then right about the questions linked to the turn is
all it earns. Here:

1. The memories come from a first pass: the frozen extractor reads the conversation chunk by chunk, as everywhere, and
   the recipe's `teacher` decides turn by turn, greedily. Memory as it was before each turn is kept with its facts.
2. Of the turns that have both facts and linked questions, `rollout.decisions` are drawn per conversation. A question is
   linked if the turn is among its evidence, if its answer holds after that session, and if all its evidence was
   said by then: what has not been said cannot be right or wrong because of this decision.
3. Every drawn turn is a group of `rollout.global_group` decisions from one prompt, each a tree of its own whose
   branches begin at the stored memory. So every credit rule over whole rollouts, PPO's too, works as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairmem.agents import Extraction, TurnContext
from fairmem.config import RolloutConfig
from fairmem.episodes.episode import chunks_of
from fairmem.episodes.executor import Routine
from fairmem.episodes.group import EpisodeRunner, RunReport
from fairmem.episodes.plans import Agents, BranchPlan, Given, TreePlan
from fairmem.episodes.quiz import thinned
from fairmem.episodes.role_calls import extract, write
from fairmem.memory import MemoryBank
from fairmem.seeds import derive, python_rng
from fairmem.trace import Branch, EpisodeTree, ParseOutcome, RoleTurn
from fairmem.types import Category, Conversation, Question


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One turn (the only one of `context`), with the memory before it and the facts that were extracted from it."""

    context: TurnContext
    given: Given


@dataclass(frozen=True, slots=True)
class Pass:
    """What the teacher's pass over one conversation left; `turns` are its calls, cut short where one failed."""

    snapshots: tuple[Snapshot, ...]
    turns: tuple[RoleTurn, ...]
    bank: MemoryBank


def teach(plan: BranchPlan, agents: Agents) -> Routine[Pass]:
    """Walk through `plan`, deciding turn by turn, and keep the memory before every turn that has facts."""
    contexts = chunks_of(plan, agents)
    extracted = yield from extract(plan, agents, contexts)
    bank = MemoryBank.empty()
    snapshots: list[Snapshot] = []
    turns: list[RoleTurn] = []
    for context, (read, extraction) in zip(contexts, extracted, strict=True):
        turns.append(read)
        if extraction is None:
            break
        for number, said in enumerate(context.turns):
            facts = tuple(fact for fact in extraction.facts if fact.source == said.id)
            if not facts:
                continue
            one = replace(context, turns=(said,))
            snapshots.append(Snapshot(one, Given(bank, facts, context.chunk)))
            turn, bank, _ = yield from write(plan, agents, one, Extraction(facts, ParseOutcome.OK), bank, number)
            turns.append(turn)
            if turn.failure is not None:
                return Pass(tuple(snapshots), tuple(turns), bank)
    return Pass(tuple(snapshots), tuple(turns), bank)


def linked_questions(conversation: Conversation, turn: str, categories: Sequence[Category]) -> tuple[Question, ...]:
    """The questions that rest on `turn` and can be answered once it has been said (point 2 of the module)."""
    order = {t.id: at for at, t in enumerate(t for s in conversation.sessions for t in s.turns)}
    session = conversation.session_of_turn()[turn]
    return tuple(
        question
        for question in conversation.questions_after(session)
        if question.category in categories
        and turn in question.evidence
        and all(order[part] <= order[turn] for part in question.evidence if part in order)
    )


def decision_plans(
    conversation: Conversation,
    snapshots: Sequence[Snapshot],
    rollout: RolloutConfig,
    categories: Sequence[Category],
    seed: int,
) -> list[TreePlan]:
    """A group per drawn turn of `conversation`, by time; fewer than `rollout.decisions` where there are no more."""
    rows = [
        (snapshot, asked)
        for snapshot in snapshots
        if (asked := linked_questions(conversation, snapshot.context.turns[0].id, categories))
    ]
    if len(rows) > rollout.decisions:
        drawn = python_rng(seed, "decisions").sample(range(len(rows)), rollout.decisions)
        rows = [rows[at] for at in sorted(drawn)]
    return [_group(conversation, snapshot, asked, rollout, seed) for snapshot, asked in rows]


def _group(
    conversation: Conversation, snapshot: Snapshot, asked: tuple[Question, ...], rollout: RolloutConfig, seed: int
) -> TreePlan:
    context = snapshot.context
    said, number = context.turns[0], context.session
    session = next(session for session in conversation.sessions if session.index == number)
    # A conversation of one turn: group names, sessions of evidence and sources are all read from it.
    alone = replace(
        conversation,
        id=f"{conversation.id}/{said.id}",
        sessions=(replace(session, turns=(said,)),),
        questions=thinned(asked, rollout.max_questions, derive(seed, "questions", said.id), number),
        deltas=(),
    )
    branches = tuple(
        BranchPlan(
            id=f"g{member}",
            conversation=alone,
            first=number,
            last=number,
            member=member,
            seed=derive(seed, "decision", said.id, member),
            temperature=rollout.temperature,
            given=snapshot.given,
        )
        for member in range(rollout.global_group)
    )
    return TreePlan(alone, branches, lambda _, __: alone.questions, derive(seed, "group", said.id))


def stored_memories(
    teacher: EpisodeRunner, plans: Sequence[TreePlan], step: int, report: RunReport
) -> tuple[list[tuple[Snapshot, ...]], list[EpisodeTree]]:
    """The teacher's pass over the conversation of each plan: its snapshots, and a tree of its calls for the trace.

    Args:
        teacher: With the teacher in the manager's place.
        plans: Of whole conversations; their branches are not rolled out.
        step: Of the trees.
        report: Its waves are added to.
    """
    walks = [
        BranchPlan("teacher", p.conversation, 1, p.conversation.sessions[-1].index, 0, derive(p.seed, "teacher"), 0.0)
        for p in plans
    ]
    routines = {str(index): teach(walk, teacher.agents) for index, walk in enumerate(walks)}
    passes = list(teacher.play(routines, report).values())
    trees = [
        EpisodeTree(
            conversation=plan.conversation.id,
            sessions=walk.last,
            step=step,
            policy_version=step,
            seed=plan.seed,
            branches=(
                Branch(
                    id=walk.id, kind="global", member=0, turns=done.turns, final_bank=done.bank.hash,
                    bank_entries=len(done.bank),
                ),
            ),
        )
        for plan, walk, done in zip(plans, walks, passes, strict=True)
    ]  # fmt: skip
    return [done.snapshots for done in passes], trees

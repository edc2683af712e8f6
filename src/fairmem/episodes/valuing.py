"""Which memories of a plan are quizzed, and what the answers say of memories on the way and of single operations.

`state_values` and `op_values` say which memories and operations these are; here they are asked about, and what they are
worth is put on the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fairmem.episodes.executor import MemoryBoard
from fairmem.episodes.op_values import OpCase, op_cases, op_gains, with_lines
from fairmem.episodes.plans import BranchResult, TreePlan
from fairmem.episodes.quiz import QuizJob
from fairmem.episodes.state_values import answered_by_all, memories
from fairmem.memory import Memory
from fairmem.policy import Policy
from fairmem.trace import EpisodeTree, QuizItem, Role, SessionReward

Value = Callable[[Sequence[QuizItem], Memory, int], Mapping[str, float | None]]
"""(scored items, memory, session) -> reward parts of that memory, were it the final one of a talk of these sessions."""


def quiz_jobs(
    plans: Sequence[TreePlan], banks: Mapping[tuple[int, str], Memory], board: MemoryBoard
) -> dict[tuple[int, str, int], QuizJob]:
    """(plan, branch id, session) -> what that memory is asked: every final one, and those before if the plan says."""
    jobs: dict[tuple[int, str, int], QuizJob] = {}
    for index, plan in enumerate(plans):
        for branch in plan.branches:
            if (index, branch.id) not in banks:
                continue
            questions = plan.questions(branch.last, None if branch.parent is None else branch.first)
            states = memories(branch, board, f"{index}/") if plan.state_values and branch.parent is None else {}
            for session, memory in {**states, branch.last: banks[index, branch.id]}.items():
                jobs[index, branch.id, session] = QuizJob(plan.conversation, memory, session, questions)
    return jobs


def cases_of(
    plans: Sequence[TreePlan],
    results: Mapping[str, BranchResult],
    banks: Mapping[tuple[int, str], Memory],
    board: MemoryBoard,
) -> dict[tuple[int, str], list[OpCase]]:
    """(plan, global branch that did not fail) -> its operations that changed memory, where a plan values them."""
    return {
        (index, branch.id): op_cases(
            results[f"{index}/{branch.id}"],
            plan.questions(branch.last, None),
            plan.op_scope,
            board,
            f"{index}/",
            plan.op_horizon,
        )
        for index, plan in enumerate(plans)
        if plan.op_scope is not None
        for branch in plan.branches
        if branch.parent is None and (index, branch.id) in banks
    }


def with_state_values(
    tree: EpisodeTree,
    plan: TreePlan,
    states: Mapping[tuple[str, int], Memory],
    quizzes: Mapping[tuple[str, int], Sequence[QuizItem]],
    value: Value,
) -> EpisodeTree:
    """`tree` with the values of the quizzed memories on its global branches, all by the questions that all answered.

    Args:
        tree: Of the plan.
        plan: Its plan.
        states: (branch, session) -> the memory that was quizzed.
        quizzes: The same -> the answers.
        value: What a memory is worth.
    """
    whole = {branch.id: branch.last for branch in plan.branches if branch.parent is None}
    of_whole = {key: memory for key, memory in states.items() if key[0] in whole}
    questions = answered_by_all(quizzes[key] for key in of_whole)
    values: dict[str, list[SessionReward]] = {}
    for (name, session), memory in of_whole.items():
        quiz = tuple(item for item in quizzes[name, session] if item.question in questions)
        parts = dict(value(quiz, memory, whole[name]))
        values.setdefault(name, []).append(SessionReward(session=session, parts=parts, questions=len(quiz)))
    branches = (b.model_copy(update={"values": tuple(values.get(b.id, ()))}) for b in tree.branches)
    return tree.model_copy(update={"branches": tuple(branches)})


def with_op_values(
    tree: EpisodeTree,
    plan: TreePlan,
    result: BranchResult,
    cases: Sequence[OpCase],
    quizzes: Sequence[Sequence[QuizItem]],
    value: Value,
    policies: Mapping[Role, Policy],
) -> EpisodeTree:
    """`tree` with the lines of one of its global branches and what its operations were worth.

    Args:
        tree: Of the plan.
        plan: Its plan.
        result: The branch.
        cases: Its operations.
        quizzes: Two per case (`op_values.op_jobs`).
        value: What a memory is worth.
        policies: Model per role, which tell where tokens end.
    """
    last = result.plan.last
    gains = op_gains(cases, quizzes, lambda quiz, memory: value(quiz, memory, last), len(plan.questions(last, None)))
    turns = with_lines(result.turns, result.written, policies)
    branches = (
        b.model_copy(update={"gains": gains, "turns": turns}) if b.id == result.plan.id else b for b in tree.branches
    )
    return tree.model_copy(update={"branches": tuple(branches)})

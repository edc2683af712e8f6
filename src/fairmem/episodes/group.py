"""Rolls out comparison groups: plans in, one rewarded episode tree per conversation out.

Everything a step needs from the model happens here in two phases: all branches of all conversations in shared waves,
then all questions about all memories in one wave. Training and evaluation both go through `EpisodeRunner.run`,
so a memory is built in the same way whether it is trained on or reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from fairmem.agents.wording import turn_text
from fairmem.config import RewardConfig
from fairmem.episodes.contents import judge_contents
from fairmem.episodes.episode import Agents, BranchPlan, BranchResult, reuse_branch, roll_branch
from fairmem.episodes.executor import MemoryBoard, Result, Routine, WaveStats
from fairmem.episodes.op_values import OpCase, OpHorizon, OpScope, op_cases, op_gains, op_jobs, with_lines
from fairmem.episodes.quiz import QuizJob, Quizzer
from fairmem.episodes.rerollout import identical_siblings
from fairmem.episodes.scheduler import run_branches
from fairmem.episodes.state_values import answered_by_all, memories
from fairmem.errors import ConfigError, boundary
from fairmem.memory import Memory
from fairmem.policy import Policy
from fairmem.rewards import (
    ContentJudge,
    LexicalFaithfulness,
    Outcome,
    Reward,
    answer_by_session,
    mean_score,
    reward_parts,
)
from fairmem.trace import Branch, EpisodeTree, QuizItem, Role, SessionReward
from fairmem.types import Conversation, Question


@dataclass(frozen=True, slots=True)
class TreePlan:
    """The branches to roll out from one conversation.

    `questions` gives the fixed question set of a comparison group from (session it is asked after, session the
    group is about or None for the global group). With `balanced`, a local branch earns the mean of two scores: on
    the questions with evidence in the session the group is about, and on the others. With `state_values` the memories
    that a global branch had on the way are asked the questions of its last. With an `op_scope` every operation of a
    global branch is valued by those questions too, or by those of its scope, in the memory of the `op_horizon`
    (`fairmem.episodes.op_values`).
    """

    conversation: Conversation
    branches: tuple[BranchPlan, ...]
    questions: Callable[[int, int | None], tuple[Question, ...]]
    seed: int = 0
    balanced: bool = False
    state_values: bool = False
    op_scope: OpScope | None = None
    op_horizon: OpHorizon = "end"


@dataclass(slots=True)
class RunReport:
    """What a run of plans cost, and the memory each branch ended with (by conversation index and branch id)."""

    waves: WaveStats = field(default_factory=WaveStats)
    banks: dict[tuple[int, str], Memory] = field(default_factory=dict)
    wave_seconds: float = 0.0
    quiz_seconds: float = 0.0
    quiz_items: int = 0
    op_items: int = 0
    local_groups: int = 0
    identical_groups: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked of which memory, and answered.

    Attributes:
        jobs: (plan, branch, session) -> its questions.
        quizzes: The same -> their answers.
        cases: (plan, branch) -> the operations whose value was asked for.
        of_ops: The same -> two quizzes per case.
    """

    jobs: Mapping[tuple[int, str, int], QuizJob]
    quizzes: Mapping[tuple[int, str, int], tuple[QuizItem, ...]]
    cases: Mapping[tuple[int, str], list[OpCase]]
    of_ops: Mapping[tuple[int, str], list[tuple[QuizItem, ...]]]


class EpisodeRunner:
    """Runs episodes with one set of agents.

    Args:
        policies: Model per role; extractor and manager usually share one.
        agents: The roles.
        quizzer: The frozen answerer with its score.
        reward: Settings of the reward parts.
        judge: Of what is written, where content is rewarded; None looks for its words in the chunk.
    """

    def __init__(
        self,
        policies: Mapping[Role, Policy],
        agents: Agents,
        quizzer: Quizzer,
        reward: RewardConfig,
        judge: ContentJudge | None = None,
    ) -> None:
        self.policies = policies
        self.agents = agents
        self.quizzer = quizzer
        self.reward = reward
        self.judge: ContentJudge = judge or LexicalFaithfulness()
        self._count = lru_cache(maxsize=200_000)(policies["extractor"].count_tokens)

    def run(
        self, plans: Sequence[TreePlan], step: int, policy_version: int, reward: RewardConfig | None = None
    ) -> tuple[list[EpisodeTree], RunReport]:
        """Roll out, quiz and reward `plans`; `reward` overrides the runner's settings for this run."""
        settings = reward or self.reward
        board, report = MemoryBoard(), RunReport()
        started = time.perf_counter()
        results, report.waves = self._rolled_out(plans, board, settings)
        report.wave_seconds = time.perf_counter() - started
        report.banks = {
            (index, branch.id): bank
            for index, plan in enumerate(plans)
            for branch in plan.branches
            if (bank := results[f"{index}/{branch.id}"].bank) is not None
        }
        asked = self._asked(plans, results, board, report)
        report.quiz_seconds = time.perf_counter() - started - report.wave_seconds
        trees = [
            self._tree(index, plan, results, asked, settings, step, policy_version) for index, plan in enumerate(plans)
        ]
        groups = [
            [tuple(turn.ids for turn in branch.turns) for branch in members]
            for tree in trees
            for members in tree.local_groups().values()
        ]
        report.local_groups, report.identical_groups = len(groups), identical_siblings(groups)
        return trees, report

    def _rolled_out(
        self, plans: Sequence[TreePlan], board: MemoryBoard, settings: RewardConfig
    ) -> tuple[dict[str, BranchResult], WaveStats]:
        """The branches of all plans by "INDEX/BRANCH", those that reuse a parent's turns included."""
        routines = {
            f"{index}/{branch.id}": roll_branch(branch, self.agents, board, prefix=f"{index}/")
            for index, plan in enumerate(plans)
            for branch in plan.branches
            if not branch.reused
        }
        results, waves = run_branches(routines, board, self.policies)
        if settings.form != "memory_r2" and settings.gamma:
            results = judge_contents(results, self.judge, self.agents.chunks_per_session)
        for index, plan in enumerate(plans):
            for branch in plan.branches:
                if branch.reused:
                    parent = results[f"{index}/{branch.parent}"]
                    results[f"{index}/{branch.id}"] = reuse_branch(branch, parent, self.agents, board, f"{index}/")
        return results, waves

    def _asked(
        self, plans: Sequence[TreePlan], results: Mapping[str, BranchResult], board: MemoryBoard, report: RunReport
    ) -> _Asked:
        """Every question about every memory, in one wave."""
        jobs, cases = _quiz_jobs(plans, report.banks, board), _op_cases(plans, results, report.banks, board)
        more = [job for (index, _), of in cases.items() for job in op_jobs(plans[index].conversation, of)]
        asked = self.quizzer.ask([*jobs.values(), *more], plans[0].seed if plans else 0)
        report.quiz_items = sum(len(items) for items in asked)
        report.op_items = sum(len(job.questions) for job in more)
        of_ops = iter(asked[len(jobs) :])
        answered = {key: [next(of_ops) for _ in range(2 * len(of))] for key, of in cases.items()}
        return _Asked(jobs, dict(zip(jobs, asked, strict=False)), cases, answered)

    def _tree(
        self,
        index: int,
        plan: TreePlan,
        results: Mapping[str, BranchResult],
        asked: _Asked,
        settings: RewardConfig,
        step: int,
        policy_version: int,
    ) -> EpisodeTree:
        """The tree of one plan, with its rewards and, where the plan asks for them, its values."""
        branches = [
            self._branch(
                results[f"{index}/{branch.id}"],
                asked.quizzes.get((index, branch.id, branch.last), ()),
                settings,
                plan.balanced,
            )
            for branch in plan.branches
        ]
        tree = EpisodeTree(
            conversation=plan.conversation.id,
            sessions=max(session.index for session in plan.conversation.sessions),
            step=step,
            policy_version=policy_version,
            seed=plan.seed,
            branches=tuple(branches),
        )
        states = {key: job.bank for key, job in asked.jobs.items() if key[0] == index}
        tree = self._valued(tree, plan, states, asked.quizzes, settings)
        for (of, name), cases in asked.cases.items():
            if of == index:
                result, answered = results[f"{index}/{name}"], asked.of_ops[of, name]
                tree = self._op_valued(tree, plan, result, cases, answered, settings)
        return tree

    def play(self, routines: Mapping[str, Routine[Result]], report: RunReport) -> dict[str, Result]:
        """Run `routines`, which wait for no one's memory, with this runner's models; `report` takes their cost."""
        started = time.perf_counter()
        results, waves = run_branches(routines, MemoryBoard(), self.policies)
        report.waves.each += waves.each
        report.wave_seconds += time.perf_counter() - started
        return results

    def memory_tokens(self, bank: Memory) -> int:
        """Tokens of live entries."""
        return bank.tokens(self._count)

    def dialogue_tokens(self, conversation: Conversation, session: int) -> int:
        """Tokens of what was said up to and including `session`, captions of images with it."""
        return sum(self._count(turn_text(t)) for s in conversation.sessions if s.index <= session for t in s.turns)

    def _branch(
        self, result: BranchResult, quiz: tuple[QuizItem, ...], settings: RewardConfig, balanced: bool
    ) -> Branch:
        plan, bank = result.plan, result.bank
        local = plan.parent is not None
        branch = Branch(
            id=plan.id,
            kind="local" if local else "global",
            member=plan.member,
            parent=plan.parent,
            fork_session=plan.first if local else None,
            reused=plan.reused,
            start_bank=result.start.hash if result.start is not None else "",
            turns=result.turns,
            quiz=quiz,
        )
        if bank is None:
            return branch
        tokens = bank.tokens(self._count)
        rolled = [s.index for s in plan.conversation.sessions if plan.first <= s.index <= plan.last]
        outcome = Outcome(
            local=local,
            sessions=(plan.last,) if local else tuple(rolled),
            quiz=quiz,
            memory_tokens=tokens,
            dialogue_tokens=self.dialogue_tokens(plan.conversation, plan.last),
            balance=plan.first if local and balanced else None,
            turns=result.turns,
        )
        parts = {name: _measured(name, reward, outcome, settings) for name, reward in reward_parts(settings).items()}
        if local or settings.spread == "all":
            counts = dict.fromkeys(outcome.sessions, mean_score(quiz)[1])
        else:
            counts = {s: n for s, (_, n) in answer_by_session(quiz, outcome.sessions).items()}
        rewards = tuple(
            SessionReward(
                session=session,
                parts={name: values[session] for name, values in parts.items()},
                questions=counts[session],
            )
            for session in outcome.sessions
        )
        return branch.model_copy(
            update={"rewards": rewards, "final_bank": bank.hash, "bank_entries": len(bank), "bank_tokens": tokens}
        )

    def _valued(
        self,
        tree: EpisodeTree,
        plan: TreePlan,
        banks: Mapping[tuple[int, str, int], Memory],
        quizzes: Mapping[tuple[int, str, int], tuple[QuizItem, ...]],
        settings: RewardConfig,
    ) -> EpisodeTree:
        """`tree` with the values of the quizzed memories on its global branches."""
        whole = {branch.id: branch.last for branch in plan.branches if branch.parent is None}
        states = {key: bank for key, bank in banks.items() if key[1] in whole}
        questions = answered_by_all(quizzes[key] for key in states)
        dialogues = {last: self.dialogue_tokens(plan.conversation, last) for last in set(whole.values())}
        values: dict[str, list[SessionReward]] = {}
        for (index, name, session), bank in states.items():
            quiz = tuple(item for item in quizzes[index, name, session] if item.question in questions)
            outcome = Outcome(True, (session,), quiz, bank.tokens(self._count), dialogues[whole[name]])
            measured = reward_parts(settings).items()
            parts = {part: _measured(part, reward, outcome, settings)[session] for part, reward in measured}
            values.setdefault(name, []).append(SessionReward(session=session, parts=parts, questions=len(quiz)))
        branches = (b.model_copy(update={"values": tuple(values.get(b.id, ()))}) for b in tree.branches)
        return tree.model_copy(update={"branches": tuple(branches)})

    def _op_valued(
        self,
        tree: EpisodeTree,
        plan: TreePlan,
        result: BranchResult,
        cases: Sequence[OpCase],
        quizzes: Sequence[Sequence[QuizItem]],
        settings: RewardConfig,
    ) -> EpisodeTree:
        """`tree` with the lines of one of its global branches and what its operations were worth."""
        last = result.plan.last
        dialogue = self.dialogue_tokens(plan.conversation, last)

        def measure(quiz: Sequence[QuizItem], memory: Memory) -> dict[str, float | None]:
            outcome = Outcome(True, (last,), quiz, memory.tokens(self._count), dialogue)
            parts = reward_parts(settings).items()
            return {name: _measured(name, reward, outcome, settings)[last] for name, reward in parts}

        gains = op_gains(cases, quizzes, measure, len(plan.questions(last, None)))
        turns = with_lines(result.turns, result.written, self.policies)
        branches = (
            b.model_copy(update={"gains": gains, "turns": turns}) if b.id == result.plan.id else b
            for b in tree.branches
        )
        return tree.model_copy(update={"branches": tuple(branches)})


def _op_cases(
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


def _quiz_jobs(
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


def _measured(name: str, reward: Reward, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
    """The values of one reward part. Parts may be the user's own code, so what goes wrong in one names it."""
    with boundary(ConfigError, f"reward part '{name}'"):
        values = reward(outcome, settings)
        missing = [session for session in outcome.sessions if session not in values]
    if missing:
        raise ConfigError(
            f"reward part '{name}' says nothing of session {missing[0]}; return None where it is unscored"
        )
    return values

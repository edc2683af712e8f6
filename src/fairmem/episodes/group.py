"""Rolls out comparison groups: plans in, one rewarded episode tree per conversation out.

Everything a step needs from the model happens here in two phases: all branches of all conversations in shared waves,
then all questions about all memories in one wave. Training and evaluation both go through `EpisodeRunner.run`,
so a memory is built in the same way whether it is trained on or reported.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial

from fairmem.agents.wording import turn_text
from fairmem.config import RewardConfig
from fairmem.episodes.contents import judge_contents
from fairmem.episodes.episode import reuse_branch, roll_branch
from fairmem.episodes.executor import MemoryBoard, Result, Routine, WaveStats
from fairmem.episodes.op_values import OpCase, op_jobs
from fairmem.episodes.plans import Agents, BranchResult, TreePlan
from fairmem.episodes.quiz import QuizJob, Quizzer
from fairmem.episodes.rerollout import identical_siblings
from fairmem.episodes.scheduler import run_branches
from fairmem.episodes.valuing import Value, cases_of, quiz_jobs, with_op_values, with_state_values
from fairmem.errors import ConfigError, boundary
from fairmem.memory import Memory
from fairmem.policy import Policy
from fairmem.rewards import (
    ContentJudge,
    LexicalFaithfulness,
    Outcome,
    answer_by_session,
    mean_score,
    reward_parts,
)
from fairmem.trace import Branch, EpisodeTree, QuizItem, Role, SessionReward
from fairmem.types import Conversation


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
        jobs, cases = quiz_jobs(plans, report.banks, board), cases_of(plans, results, report.banks, board)
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
        value = self._value(plan, settings)
        states = {(name, session): job.bank for (of, name, session), job in asked.jobs.items() if of == index}
        quizzes = {(name, session): quiz for (of, name, session), quiz in asked.quizzes.items() if of == index}
        tree = with_state_values(tree, plan, states, quizzes, value)
        for (of, name), cases in asked.cases.items():
            if of == index:
                result, answered = results[f"{index}/{name}"], asked.of_ops[of, name]
                tree = with_op_values(tree, plan, result, cases, answered, value, self.policies)
        return tree

    def _value(self, plan: TreePlan, settings: RewardConfig) -> Value:
        """What a memory would earn as the final one of `plan`'s conversation, part by part."""
        dialogue = cache(partial(self.dialogue_tokens, plan.conversation))

        def value(quiz: Sequence[QuizItem], memory: Memory, last: int) -> dict[str, float | None]:
            outcome = Outcome(True, (last,), quiz, memory.tokens(self._count), dialogue(last))
            return {name: values[last] for name, values in _measured(outcome, settings).items()}

        return value

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
        parts = _measured(outcome, settings)
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


def _measured(outcome: Outcome, settings: RewardConfig) -> dict[str, dict[int, float | None]]:
    """The values of every reward part. Parts may be the user's own code, so what goes wrong in one names it."""
    measured: dict[str, dict[int, float | None]] = {}
    for name, reward in reward_parts(settings).items():
        with boundary(ConfigError, f"reward part '{name}'"):
            values = reward(outcome, settings)
            missing = [session for session in outcome.sessions if session not in values]
        if missing:
            raise ConfigError(
                f"reward part '{name}' says nothing of session {missing[0]}; return None where it is unscored"
            )
        measured[name] = values
    return measured

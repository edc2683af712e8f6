"""Branches side by side: who waits for whom, and that the order in which replies come changes nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from fairmem.config import RewardConfig, RolloutConfig
from fairmem.episodes import (
    Ask,
    AwaitMemory,
    EpisodeRunner,
    MemoryBoard,
    Quizzer,
    Routine,
    run_branches,
    run_waves,
    training_plan,
)
from fairmem.memory import MemoryBank
from fairmem.metrics import token_f1
from fairmem.policy import ConcurrentPolicy, Message, Policy, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, EpisodeTree, FailureKind, Role
from fairmem.types import CATEGORIES
from tests.unit.episodes.build import CONVERSATION, PlannedPolicy, agents


class Paced(ScriptedPolicy):
    """Says the prompt in capitals, each reply after its own time; keeps the order of what it was sent."""

    def __init__(self, seconds: dict[str, float] | None = None, seed: int | None = None) -> None:
        super().__init__(lambda prompt, seed: prompt[-1].content.upper())
        self.sent: list[list[str]] = []
        self._seconds, self._rng = seconds or {}, random.Random(seed)
        self._mixed = seed is not None

    def submit(self, requests: Sequence[SampleRequest]) -> list[Future[Reply]]:
        self.sent.append([r.prompt[-1].content for r in requests])
        futures: list[Future[Reply]] = []
        for request, reply in zip(requests, self.sample(requests), strict=True):
            future: Future[Reply] = Future()
            futures.append(future)
            seconds = self._rng.random() * 0.02 if self._mixed else self._seconds.get(request.prompt[-1].content, 0.0)
            threading.Timer(seconds, future.set_result, [reply]).start()
        return futures


def ask(role: Role, *texts: str) -> Ask:
    return Ask(role, tuple(SampleRequest((Message("user", text),), 64) for text in texts))


def texts(replies: list[Reply]) -> list[str]:
    return [r.kind if isinstance(r, CallFailure) else r.text for r in replies]


def asks(role: Role, *waves: tuple[str, ...]) -> Routine[list[str]]:
    heard: list[str] = []
    for wave in waves:
        replies: list[Reply] = yield ask(role, *wave)
        heard += texts(replies)
    return heard


def everyone(policy: Policy) -> dict[Role, Policy]:
    return {"extractor": policy, "manager": policy, "answerer": policy}


def test_each_branch_hears_its_own_replies_in_order_whatever_comes_first() -> None:
    policy = Paced({"a": 0.05, "b": 0.0, "c": 0.02})
    routines = {
        "long": asks("extractor", ("a", "b"), ("c",), ("d",)),
        "short": asks("manager", ("x",)),
        "empty": asks("manager", (), ("y",)),
    }
    results, stats = run_branches(routines, MemoryBoard(), everyone(policy))
    assert results == {"long": ["A", "B", "C", "D"], "short": ["X"], "empty": ["Y"]}
    assert list(results) == ["long", "short", "empty"]
    assert policy.sent[0] == ["a", "b", "x", "y"]  # what is ready together goes out together, in the order given
    # The deepest branch asks three times; one byte and the end per reply.
    assert (stats.waves, stats.calls, stats.tokens) == (3, 6, 12)
    assert stats.seconds > 0.0 and stats.peak is not None


def test_a_slow_reply_holds_up_its_own_branch_alone() -> None:
    policy = Paced({"slow": 0.3})
    routines = {"slow": asks("manager", ("slow",)), "quick": asks("manager", ("a",), ("b",), ("c",), ("d",))}
    started = time.perf_counter()
    run_branches(routines, MemoryBoard(), everyone(policy))
    # In waves the quick branch's second question would wait for the slow reply; here all four are asked by then.
    assert policy.sent[1:] == [["b"], ["c"], ["d"]]
    assert time.perf_counter() - started < 0.6


def makes(board: MemoryBoard, memory: MemoryBank | CallFailure) -> Routine[str]:
    yield ask("extractor", "first")
    board.publish("maker", 2, memory)
    yield ask("extractor", "second")
    return "made"


def takes() -> Routine[object]:
    memory = yield AwaitMemory("maker", 2)
    yield ask("extractor", "after")
    return memory


def test_a_branch_that_forks_goes_on_as_soon_as_the_memory_is_there() -> None:
    board, bank, policy = MemoryBoard(), MemoryBank.empty(), Paced({"second": 0.2})
    results, _ = run_branches({"taker": takes(), "maker": makes(board, bank)}, board, everyone(policy))
    assert results == {"taker": bank, "maker": "made"}
    assert policy.sent == [["first"], ["second", "after"]]


def test_whoever_waits_for_a_branch_that_failed_gets_the_failure() -> None:
    board, failure = MemoryBoard(), CallFailure(kind=FailureKind.SKIPPED, message="maker failed", attempts=0)
    results, _ = run_branches({"taker": takes(), "maker": makes(board, failure)}, board, everyone(Paced()))
    assert results["taker"] == failure


def test_a_memory_that_nobody_makes_is_a_fault_and_no_endless_wait() -> None:
    with pytest.raises(RuntimeError, match="taker waits for the memory of maker at session 2"):
        run_branches({"taker": takes(), "other": asks("manager", ("x",))}, MemoryBoard(), everyone(Paced()))


def test_a_role_whose_policy_answers_batches_is_asked_in_batches_beside_the_others() -> None:
    paced, batches = Paced(), ScriptedPolicy(lambda prompt, seed: prompt[-1].content.title())
    routines = {
        "a": asks("extractor", ("pear",), ("plum",)),
        "b": asks("manager", ("fig",)),
        "c": asks("manager", ("nut",)),
    }
    policies: dict[Role, Policy] = {"extractor": paced, "manager": batches, "answerer": batches}
    results, stats = run_branches(routines, MemoryBoard(), policies)
    assert results == {"a": ["PEAR", "PLUM"], "b": ["Fig"], "c": ["Nut"]}
    assert stats.calls == 4 and batches.last_call.requests == 2


def test_without_a_policy_that_can_everything_runs_in_waves() -> None:
    script = ScriptedPolicy(lambda prompt, seed: "ok")
    assert not isinstance(script, ConcurrentPolicy)
    _, stats = run_branches({"a": asks("manager", ("x",), ("y",))}, MemoryBoard(), everyone(script))
    assert stats.depth is None and stats.waves == 2


def test_no_branches_are_no_work() -> None:
    results, stats = run_branches({}, MemoryBoard(), everyone(Paced()))
    assert results == {} and (stats.waves, stats.calls, stats.peak) == (0, 0, None)


class PacedPlan(PlannedPolicy):
    """The script of the episode tests, with replies that come in a random order."""

    pace = random.Random(0)

    def submit(self, requests: Sequence[SampleRequest]) -> list[Future[Reply]]:
        futures: list[Future[Reply]] = []
        for reply in self.sample(requests):
            future: Future[Reply] = Future()
            futures.append(future)
            threading.Timer(self.pace.random() * 0.01, future.set_result, [reply]).start()
        return futures


def test_trees_of_a_step_do_not_depend_on_the_order_in_which_replies_come() -> None:
    rollout = RolloutConfig(global_group=3, local_group=2, local_fraction=1.0)
    plan = training_plan(CONVERSATION, rollout, CATEGORIES, 7)
    trees: list[list[EpisodeTree]] = []
    for order in (None, 1, 2):
        policy = PlannedPolicy(plan.branches) if order is None else PacedPlan(plan.branches)
        PacedPlan.pace.seed(order)
        roles = agents()
        quizzer = Quizzer(policy, roles.answerer, token_f1)
        runner = EpisodeRunner(everyone(policy), roles, quizzer, RewardConfig(compression_lambda=0.0))
        trees.append(runner.run([plan], 0, 0)[0])
    assert trees[0] == trees[1] == trees[2]
    assert len(trees[0][0].branches) == 3 + 3 * 2


def test_results_in_waves_and_side_by_side_are_the_same() -> None:
    def routines() -> dict[str, Routine[list[str]]]:
        return {str(n): asks("manager", *((f"{n} {k}",) for k in range(n))) for n in range(1, 6)}

    waves, _ = run_waves(routines(), MemoryBoard(), everyone(Paced()))
    beside, stats = run_branches(routines(), MemoryBoard(), everyone(Paced(seed=4)))
    assert waves == beside and stats.waves == 5 and stats.calls == 15

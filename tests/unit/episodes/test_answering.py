"""Episodes of the answerer: one memory, a group of answers per question, and what of the entries each keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairmem.config import RewardConfig, load_recipe
from fairmem.credit import CreditConfig, assign
from fairmem.episodes import EpisodeRunner, Quizzer, answer_trees, collect, sampled_tokens, step_metrics, training_plan
from fairmem.metrics import exact_match
from fairmem.policy import Policy, Prompt, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, EpisodeTree, ParseOutcome, Role
from fairmem.types import CATEGORIES
from tests.unit.episodes.build import CONVERSATION, FAILURE, PLAIN, agents, told

Answers = Callable[[Prompt, int], str]


def quoting(prompt: Prompt, seed: int) -> str:
    """The entry with what is asked, quoted; odd seeds forget it."""
    asked = prompt[-1].content.rsplit("?", 1)[0].split()[-1]
    line = next(line for line in prompt[-1].content.split("\n") if f"{asked}." in line)
    return "no information" if seed % 2 else line.split(" | ")[0].replace(f"{asked}.", f"={asked}=.")


class Answering(ScriptedPolicy):
    """Answers as it is told and keeps the requests; some fail."""

    def __init__(self, answers: Answers, fails: Callable[[SampleRequest], bool] = lambda _: False) -> None:
        super().__init__(answers)
        self.asked: list[SampleRequest] = []
        self._fails = fails

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.asked += requests
        replies = super().sample(requests)
        return [FAILURE if self._fails(request) else reply for request, reply in zip(requests, replies, strict=True)]


def runner(answerer: Policy, writer: Policy | None = None) -> EpisodeRunner:
    roles = agents(distill=True)
    keeper = writer or ScriptedPolicy(told)
    parts: dict[Role, Policy] = {"extractor": keeper, "manager": keeper, "answerer": answerer}
    quizzer = Quizzer(answerer, roles.answerer, exact_match)
    return EpisodeRunner(parts, roles, quizzer, RewardConfig(compression_lambda=0.0))


ROLLOUT = PLAIN.model_copy(update={"global_group": 4, "temperature": 0.7})
PLAN = training_plan(CONVERSATION, ROLLOUT, CATEGORIES, 3)


def test_every_question_is_a_group_of_sampled_answers_to_one_prompt() -> None:
    policy = Answering(quoting)
    trees, report, (memory,) = answer_trees(runner(policy), [PLAN], ROLLOUT, step=2)
    assert [tree.conversation for tree in trees] == [f"c/{q.id}" for q in CONVERSATION.questions]
    assert len(policy.asked) == 12 * 4 == report.quiz_items and {r.temperature for r in policy.asked} == {0.7}
    assert len({request.seed for request in policy.asked}) == 48
    for tree in trees:
        assert (tree.step, tree.policy_version, tree.sessions) == (2, 2, 3)
        assert len({branch.turns[0].prompt for branch in tree.branches}) == 1
        assert {branch.start_bank for branch in tree.branches} == {memory.branches[0].final_bank}
        assert {branch.bank_entries for branch in tree.branches} == {12}
    # The memory was built once, by the writers: 6 chunks, extracted and decided.
    assert len(memory.branches) == 1 and len(memory.branches[0].turns) == 12


def test_a_right_answer_earns_one_and_gets_the_credit_of_its_group() -> None:
    trees, _, _ = answer_trees(runner(Answering(quoting)), [PLAN], ROLLOUT, step=0)
    for tree in trees:
        scores = [branch.quiz[0].score or 0.0 for branch in tree.branches]
        assert scores == [float(branch.turns[0].seed % 2 == 0) for branch in tree.branches]
        credit = assign(with_tokens(tree), "grpo", CreditConfig(scale="mean"))
        # Of 4 answers: the score less the group's mean, and nothing where all are alike.
        expected = [score - sum(scores) / 4 for score in scores] if len(set(scores)) == 2 else []
        assert [credit.turns[key].advantage for key in sorted(credit.turns)] == expected


def test_what_an_answer_keeps_is_scored_against_the_evidence() -> None:
    trees, report, _ = answer_trees(runner(Answering(quoting)), [PLAN], ROLLOUT, step=0)
    items = [branch.quiz[0] for tree in trees for branch in tree.branches]
    for item in items:
        assert len(item.shown) == 12 and len(item.grounds) == 1
        if item.score == 1.0:
            assert (item.keep, item.kept) == (ParseOutcome.OK, item.grounds)
            assert (item.keep_precision, item.keep_recall) == (1.0, 1.0)
        else:
            assert (item.keep, item.kept, item.keep_precision, item.keep_recall) == (ParseOutcome.EMPTY, (), None, 0.0)
    metrics = step_metrics(trees, [assign(tree, "grpo") for tree in trees], report, {})
    share = sum(item.score or 0.0 for item in items) / len(items)
    assert (metrics["f1"], metrics["kept"], metrics["keep_recall"]) == (share, share, share)
    assert (metrics["keep_precision"], metrics["keep_ok"]) == (1.0, 1.0)
    assert metrics["no_signal"] == sum(len({b.quiz[0].score for b in tree.branches}) == 1 for tree in trees) / 12


def test_a_failed_call_is_in_no_group_and_is_no_wrong_answer() -> None:
    first = Answering(quoting)
    answer_trees(runner(first), [PLAN], ROLLOUT, step=0)
    bad = first.asked[0].seed
    trees, _, _ = answer_trees(runner(Answering(quoting, lambda request: request.seed == bad)), [PLAN], ROLLOUT, 0)
    failed = trees[0].branches[0]
    assert failed.failed and failed.rewards == () and failed.quiz[0].score is None
    assert assign(trees[0], "grpo").diagnostics.failed_branches == 1


def test_a_memory_that_could_not_be_built_is_asked_nothing() -> None:
    class Broken(ScriptedPolicy):
        def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
            return [FAILURE for _ in requests]

    trees, _, (memory,) = answer_trees(runner(Answering(quoting), Broken()), [PLAN], ROLLOUT, step=0)
    assert trees == [] and memory.branches[0].failed
    assert isinstance(memory.branches[0].turns[0].failure, CallFailure)


def test_a_step_of_the_recipe_keeps_the_memories_for_the_trace_and_counts_answers_alone() -> None:
    recipe = load_recipe("memory_r1_answerer", ["rollout.max_questions=5", "rollout.global_group=2"])
    plan = training_plan(CONVERSATION, recipe.rollout, CATEGORIES, 3)
    found = collect(runner(Answering(quoting)), recipe, [plan], 1)
    assert len(found.trees) == 5 and [tree.conversation for tree in found.context] == ["c"]
    assert sampled_tokens([with_tokens(tree) for tree in found.trees], "answerer") == 5 * 2 * 3


def with_tokens(tree: EpisodeTree) -> EpisodeTree:
    """Three tokens for every turn."""
    branches = tuple(
        b.model_copy(update={"turns": tuple(t.model_copy(update={"ids": (1, 2, 3)}) for t in b.turns)})
        for b in tree.branches
    )
    return tree.model_copy(update={"branches": branches})

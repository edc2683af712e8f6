"""From plans to rewarded trees: what a branch records, many conversations at once, and the trace file."""

from dataclasses import replace
from pathlib import Path

import pytest

from fairmem.config import RewardConfig
from fairmem.data.village import generate
from fairmem.episodes import EpisodeRunner, Quizzer, TreePlan, evaluation_plan, training_plan
from fairmem.errors import ConfigError
from fairmem.metrics import token_f1
from fairmem.policy import ScriptedPolicy
from fairmem.rewards import REWARDS, Outcome
from fairmem.trace import EpisodeTree, SessionReward, read_trace, write_trace
from fairmem.types import CATEGORIES, Conversation
from tests.unit.episodes.build import CONVERSATION, EVERYWHERE, FAILURE, agents, at, local_groups, play


def scripted_runner(reward: RewardConfig | None = None) -> EpisodeRunner:
    """The rules that ship with the package play all roles."""
    policy, roles = ScriptedPolicy(), agents()
    quizzer = Quizzer(policy, roles.answerer, token_f1)
    return EpisodeRunner(
        {"extractor": policy, "manager": policy, "answerer": policy}, roles, quizzer, reward or RewardConfig()
    )


def plan(conversation: Conversation, seed: int = 5) -> TreePlan:
    return training_plan(conversation, EVERYWHERE, CATEGORIES, seed)


VILLAGE = generate(seed=2, split="train", conversations=3, sessions=4)


def test_a_tree_names_what_it_is_of() -> None:
    tree = play(seed=11).tree
    assert (tree.conversation, tree.sessions, tree.step, tree.policy_version, tree.seed) == ("c", 3, 7, 3, 11)
    assert [(b.id, b.kind, b.member, b.parent, b.fork_session) for b in tree.branches] == [
        ("g0", "global", 0, None, None),
        ("g1", "global", 1, None, None),
    ]


def test_a_local_branch_names_its_parent_and_fork() -> None:
    played = play(rollout=EVERYWHERE)
    for (parent, session), members in local_groups(played.plan).items():
        found = played.tree.local_groups()[parent, session]
        assert [b.id for b in found] == [m.id for m in members] and [b.member for b in found] == [0, 1]
        assert {turn.session for b in found for turn in b.turns} == {session}


def test_a_global_branch_earns_per_session_and_a_local_one_at_its_last() -> None:
    played = play(at({("g0", "manager", 2, 0): "a NOOP\nb INSERT"}), rollout=EVERYWHERE)
    # Kite is forgotten: 3 of the 4 questions about session 2 are right.
    assert played.branches["g0"].rewards == tuple(
        SessionReward(session=s, parts={"answer": score, "compression_penalty": 0.0}, questions=4)
        for s, score in ((1, 1.0), (2, 0.75), (3, 1.0))
    )
    for (parent, session), members in local_groups(played.plan).items():
        for member in members:
            (reward,) = played.branches[member.id].rewards
            # The rerollout's own mean over everything asked by then; kite is missing where it was inherited.
            right = 4 * session - (parent == "g0" and session == 3)
            assert reward.session == session and reward.questions == 4 * session
            assert reward.parts["answer"] == right / (4 * session)


def test_the_penalty_counts_tokens_of_memory_and_of_the_dialogue_by_then() -> None:
    setting = RewardConfig(compression_tau=0.5, compression_lambda=0.2)
    played = play(rollout=EVERYWHERE, reward=setting)
    for branch in played.tree.branches:
        last = branch.fork_session or 3
        # In bytes: a turn is "I own a ." and the noun, an entry "Ana owns a ." or "Bo owns a ." and the noun.
        nouns = sum(len(t.text) - 9 for s in CONVERSATION.sessions[:last] for t in s.turns)
        dialogue, memory = 4 * last * 9 + nouns, 2 * last * (12 + 11) + nouns
        assert branch.bank_tokens == memory
        expected = 0.2 * (memory - 0.5 * dialogue) / dialogue
        assert expected > 0.1
        assert [r.parts["compression_penalty"] for r in branch.rewards] == [pytest.approx(expected)] * len(
            branch.rewards
        )


def test_the_dialogue_is_counted_with_the_captions_that_the_extractor_sees() -> None:
    runner = scripted_runner()
    (first, *others), later = CONVERSATION.sessions[0].turns, CONVERSATION.sessions[1:]
    shown = replace(first, caption="a cup")
    sessions = (replace(CONVERSATION.sessions[0], turns=(shown, *others)), *later)
    plain = runner.dialogue_tokens(CONVERSATION, 1)
    # The script counts bytes: " (shows an image: a cup)" has 24.
    assert runner.dialogue_tokens(replace(CONVERSATION, sessions=sessions), 1) == plain + 24


def test_a_reward_part_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        name = "shortness"

        def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
            return {session: 1 / settings.compression_lambda for session in outcome.sessions}

    class Forgetful:
        name = "novelty"

        def __call__(self, outcome: Outcome, settings: RewardConfig) -> dict[int, float | None]:
            return {1: 0.5}

    with monkeypatch.context() as patch:
        patch.setitem(REWARDS, "shortness", Broken())
        with pytest.raises(ConfigError, match="reward part 'shortness': ZeroDivisionError") as caught:
            play()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    monkeypatch.setitem(REWARDS, "novelty", Forgetful())
    with pytest.raises(ConfigError, match="reward part 'novelty' says nothing of session 2; return None"):
        play()


def test_settings_of_a_run_take_the_place_of_the_runners() -> None:
    runner, plans = scripted_runner(RewardConfig(compression_lambda=0.0)), [plan(VILLAGE[0])]
    (free,), _ = runner.run(plans, 0, 0)
    (charged,), _ = runner.run(plans, 0, 0, RewardConfig(compression_tau=0.0, compression_lambda=0.5))
    assert {r.parts["compression_penalty"] for b in free.branches for r in b.rewards} == {0.0}
    assert all((r.parts["compression_penalty"] or 0) > 0 for b in charged.branches for r in b.rewards if b.bank_tokens)


def test_conversations_share_waves_and_do_not_change_one_another() -> None:
    runner, plans = scripted_runner(), [plan(c, seed) for seed, c in enumerate(VILLAGE)]
    together, report = runner.run(plans, 1, 1)
    waves = 0
    for index, one in enumerate(plans):
        (alone,), own = runner.run([one], 1, 1)
        assert together[index] == alone
        waves = max(waves, own.waves.waves)
    assert report.waves.waves == waves
    assert report.quiz_items == sum(len(b.quiz) for tree in together for b in tree.branches)


def test_two_runs_give_the_same_tree() -> None:
    first, _ = scripted_runner().run([plan(VILLAGE[1])], 1, 1)
    second, _ = scripted_runner().run([plan(VILLAGE[1])], 1, 1)
    assert first == second


def test_no_plans_give_no_trees() -> None:
    trees, report = scripted_runner().run([], 0, 0)
    assert trees == [] and report.waves.waves == 0


def test_trees_come_back_from_a_trace_as_they_were(tmp_path: Path) -> None:
    trees: list[EpisodeTree] = [
        play(rollout=EVERYWHERE).tree,
        play(at({("g0", "manager", 2): FAILURE, ("g1", "extractor", 1): "?", ("", "answerer"): FAILURE})).tree,
    ]
    trees += scripted_runner().run([plan(c) for c in VILLAGE], 4, 2)[0]
    path = tmp_path / "trace.jsonl"
    write_trace(path, trees[:2], {"run": "r"})
    write_trace(path, trees[2:])
    assert list(read_trace(path)) == trees


def test_an_evaluation_is_one_rollout_asked_everything_that_holds_at_the_end() -> None:
    conversation = VILLAGE[2]
    (tree,), report = scripted_runner().run([evaluation_plan(conversation, 0.0, CATEGORIES, seed=3)], 0, 0)
    (branch,) = tree.branches
    assert branch.kind == "global" and [r.session for r in branch.rewards] == [1, 2, 3, 4]
    assert [item.question for item in branch.quiz] == [q.id for q in conversation.questions_after(4)]
    assert report.banks[0, "g0"].hash == branch.final_bank
    few = evaluation_plan(conversation, 0.0, CATEGORIES, seed=3, most_questions=2)
    assert len(few.questions(4, None)) == 2

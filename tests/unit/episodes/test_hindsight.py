"""The second pass over what was sampled, with a policy that scores by a rule a reader can follow."""

from collections.abc import Sequence

import pytest

from fairmem.episodes import hindsight_logprobs, outcome_text
from fairmem.errors import ConfigError
from fairmem.policy import Policy, ScriptedPolicy
from fairmem.trace import Branch, QuizItem, Role
from tests.unit.episodes.build import EVERYWHERE, FAILURE, at, play


def item(gold: str, score: float | None, *sessions: int) -> QuizItem:
    return QuizItem(question=gold, category="single_hop", after_session=2, gold=gold, score=score, sessions=sessions)


def test_the_outcome_names_what_the_session_was_asked_for() -> None:
    quiz = (item("cup", 1.0, 1), item("rug", 0.25, 1), item("kite", 0.5, 2), item("late", None, 1))
    branch = Branch(id="g0", kind="global", member=0, quiz=quiz)
    # (1 + 0.25 + 0.5) / 3 = 0.583
    assert outcome_text(branch, 1) == "(Known outcome: score 0.58; remembered: cup; missed: rug.)\n"
    assert outcome_text(branch, 2) == "(Known outcome: score 0.58; remembered: kite.)\n"
    assert outcome_text(branch, 3) == "(Known outcome: score 0.58.)\n"
    assert outcome_text(Branch(id="g0", kind="global", member=0), 1) == "(Known outcome: no score.)\n"


class Scoring(ScriptedPolicy):
    """Gives every token minus a hundredth of the prompt's length."""

    context: int | None = None

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(text.encode())

    def score(self, prompt_ids: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        return [(-len(prompt) / 100,) * len(reply) for prompt, reply in zip(prompt_ids, ids, strict=True)]


def roles(policy: Policy) -> dict[Role, Policy]:
    return {"extractor": policy, "manager": policy, "answerer": policy}


def test_every_turn_of_a_rollout_is_scored_after_its_outcome_and_prompt() -> None:
    played = play(rollout=EVERYWHERE)
    (known,) = hindsight_logprobs([played.tree], roles(Scoring()))
    whole = {(b.id, t.id): (b, t) for b in played.tree.global_branches for t in b.turns}
    assert set(known) == set(whole)
    for key, (branch, turn) in whole.items():
        length = len((outcome_text(branch, turn.session) + turn.prompt).encode())
        assert known[key] == pytest.approx(-length / 100)


def test_failed_rollouts_and_turns_beyond_the_context_are_left_out() -> None:
    tree = play(at({("g0", "manager", 2, 0): FAILURE})).tree
    policy = Scoring()
    (known,) = hindsight_logprobs([tree], roles(policy))
    assert {branch for branch, _ in known} == {"g1"}
    longest = max(-value for value in known.values()) * 100
    policy.context = int(longest)  # the longest prompt itself has no room for a reply
    (less,) = hindsight_logprobs([tree], roles(policy))
    assert 0 < len(less) < len(known)


def test_a_policy_that_cannot_score_is_refused() -> None:
    with pytest.raises(ConfigError, match="hindsight needs a model in this process"):
        hindsight_logprobs([play().tree], roles(ScriptedPolicy()))

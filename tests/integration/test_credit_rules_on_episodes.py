"""Every rule that a recipe can ask for, from rolled out trees to rows the learner takes."""

import pytest

from fairmem.config import CreditConfig, RolloutConfig
from fairmem.credit import CREDIT_RULES, Credit, Need, assign
from fairmem.learner import check_rows, rows_of
from tests.unit.episodes.build import Behave, Played, at, local_groups, play

ROLLOUT = RolloutConfig(
    global_group=3,
    local_group=2,
    local_fraction=1.0,
    local_horizon=9,
    local_sources="all",
    state_values=True,
    op_values=True,
)
"""Gives what any rule needs: every session again from every rollout, to the end, memories and operations quizzed."""
FORGETFUL = at(
    {
        ("g0", "manager", 1, 0): "a NOOP\nb INSERT",
        ("g1", "manager", 1): "a NOOP\nb NOOP",
        ("g1", "extractor", 3, 1): "none",
        ("g2", "manager", 2, 1): "a NOOP\nb NOOP",
    }
)
"""Forgotten of 4 things a session: g0 one of session 1; g1 all of session 1 and two of 3; g2 two of session 2."""
SETTINGS = CreditConfig(scale="mean")


def credited(name: str, played: Played, settings: CreditConfig = SETTINGS) -> Credit:
    hindsight = None
    if Need.HINDSIGHT_LOGPROB in CREDIT_RULES[name].needs:
        # A model that finds everything equally likely; the pass itself is tested in tests/unit/episodes.
        hindsight = {(b.id, t.id): -1.0 for b in played.tree.branches for t in b.turns}
    return assign(played.tree, name, settings, hindsight)


def advantages(credit: Credit, branch: str) -> dict[int, float]:
    """Session -> the one advantage that all of the branch's turns in it have."""
    found: dict[int, float] = {}
    for (name, turn), value in credit.turns.items():
        if name == branch:
            session = int(turn.partition("-")[2].partition(".")[0])
            assert found.setdefault(session, value.advantage) == value.advantage
    return found


USABLE = [name for name in CREDIT_RULES if name not in ("ppo", "clone")]  # these compare no rollouts


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("forget", ["whole rollouts", "a rerollout", "nothing"])
def test_credit_becomes_rows_that_the_learner_takes(name: str, forget: str) -> None:
    behave: Behave = FORGETFUL
    if forget == "a rerollout":
        behave = at({("g0/s2/r0", "manager", 2): "none", ("g1/s3/r1", "extractor", 3, 0): "none"})
    elif forget == "nothing":
        behave = at({})
    played = play(behave, ROLLOUT)
    rows = rows_of(played.tree, credited(name, played))
    check_rows(rows)
    if forget == "nothing" and name not in ("vine", "vine_continue"):
        assert not rows  # vine compares nobody: all gained the same, and each is praised for it
    if forget == "whole rollouts":
        assert {row.rollout for row in rows} >= {"g0", "g1", "g2"}
        assert {row.role for row in rows} == {"extractor", "manager"}
    if forget == "a rerollout":
        assert bool(rows) == (name in {"logo", "shrunk_logo", "tree", "vine", "vine_continue"})


def test_vine_and_counterfactual_credit_a_session_for_what_it_added() -> None:
    played = play(FORGETFUL, ROLLOUT)
    # Of 12 questions each session could add its 4; added: g0 3, 4, 4; g1 0, 4, 2; g2 4, 2, 4.
    vine = credited("vine", played)
    assert advantages(vine, "g1") == {1: 0.0, 2: pytest.approx(4 / 4), 3: pytest.approx(2 / 4)}
    of_all = credited("vine", played, SETTINGS.model_copy(update={"value_unit": "conversation"}))
    assert advantages(of_all, "g1") == {1: 0.0, 2: pytest.approx(4 / 12), 3: pytest.approx(2 / 12)}
    # Means 7/3, 10/3, 10/3 of a session's 4.
    own = credited("counterfactual", played)
    expected = {1: (0 - 7 / 3) / 4, 2: (4 - 10 / 3) / 4, 3: (2 - 10 / 3) / 4}
    assert advantages(own, "g1") == {s: pytest.approx(value) for s, value in expected.items()}


def test_continuations_value_a_memory_by_what_can_still_be_made_of_it() -> None:
    played = play(FORGETFUL, ROLLOUT)
    # Rerollouts forget nothing, so a memory is worth 12 less what it lacks already, of a session's 4: g1 loses 4 in
    # session 1.
    vine = credited("vine_continue", played)
    assert advantages(vine, "g1") == {1: pytest.approx(-4 / 4), 2: pytest.approx(0.0), 3: pytest.approx(-2 / 4)}


def test_the_tree_compares_a_session_with_its_rerollouts() -> None:
    played = play(FORGETFUL, ROLLOUT)
    credit = credited("tree", played, CreditConfig(scale="mean", omega=0.0))
    # Session 3 of g1 from a memory that lacks 4: its rerollouts end with 8 of 12, itself with 6; mean 22/3.
    assert advantages(credit, "g1")[3] == pytest.approx((6 - 22 / 3) / 12)
    assert advantages(credit, "g1/s3/r0")[3] == pytest.approx((8 - 22 / 3) / 12)
    assert credit.groups["g1", "manager-3.0"] == credit.groups["g1/s3/r0", "manager-3.0"] == "c/tree/3"


def test_gigpo_compares_rollouts_with_equal_memories() -> None:
    played = play(at({("g0", "manager", 3, 0): "a NOOP\nb INSERT"}), ROLLOUT)
    # All three have one memory before every session; only the last differs: 11, 12, 12 right answers.
    credit = credited("gigpo", played)
    assert credit.diagnostics.local_groups.formed == 3
    # Rewards of session 3: 0.75, 1, 1; mean 11/12; the episode's sums differ by as much.
    assert advantages(credit, "g0")[3] == pytest.approx(2 * (0.75 - 11 / 12))


def test_membuilder_weighs_the_chunk_that_was_shown_most() -> None:
    played = play(FORGETFUL, ROLLOUT)
    credit = credited("membuilder", played, CreditConfig(scale="mean", used_weight=3.0))
    # Everything is shown to every question (30 per speaker), so chunks of 2 entries are even and one of 1 is behind.
    weights = {turn: value.weight for (branch, turn), value in credit.turns.items() if branch == "g0"}
    assert (weights["manager-1.0"], weights["manager-1.1"], weights["extractor-1.1"]) == (1.0, 3.0, 3.0)
    assert advantages(credit, "g0") == advantages(credited("grpo", played), "g0")


def test_every_source_is_rolled_out_again_if_asked() -> None:
    groups = local_groups(play(rollout=ROLLOUT).plan)
    assert set(groups) == {(f"g{i}", s) for i in range(3) for s in (1, 2, 3)}

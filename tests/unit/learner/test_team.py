"""Whose rows teach whom: members learn from their own roles, and a role without a member stays as it is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from fairmem.config import LearnerConfig
from fairmem.errors import CheckpointError, CreditError
from fairmem.learner import Learner, Row, Team
from fairmem.trace import Role
from tests.unit.learner.conftest import MakeModel, MakeRow, MakeRows

CONFIG = LearnerConfig(lr=1e-2, warmup_steps=0, kl=0.01)


def weights(learner: Learner) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in learner.model.parameters()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def with_roles(rows: list[Row]) -> list[Row]:
    """Extractor and manager in turn, pair by pair, so that every group holds both."""
    roles: tuple[Role, ...] = ("extractor", "manager")
    return [
        dataclasses.replace(
            row, role=roles[i % 2], group=f"g{i // 4}", rollout=f"b{i // 2}", advantage=1.0 - i // 2 % 2
        )
        for i, row in enumerate(rows)
    ]


def separate(tiny: MakeModel) -> Team:
    members = {name: Learner(tiny(), config=CONFIG) for name in ("extractor", "manager")}
    return Team(members, {"extractor": "extractor", "manager": "manager"})


def test_each_member_learns_from_the_rows_of_its_role_and_no_other(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = with_roles(random_rows(8))
    team = separate(tiny)
    team.step(rows)
    for role, learner in team.members.items():
        alone = Learner(tiny(), config=CONFIG)
        alone.step([row for row in rows if row.role == role], checked=True)
        assert same(weights(alone), weights(learner))
    assert not same(weights(team.members["extractor"]), weights(team.members["manager"]))


def test_rows_of_a_role_that_is_not_trained_change_nothing(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = with_roles(random_rows(8))
    one = Team({"manager": Learner(tiny(), config=CONFIG)}, {"manager": "manager"})
    metrics = one.step(rows)
    other = Team({"manager": Learner(tiny(), config=CONFIG)}, {"manager": "manager"})
    changed = [
        dataclasses.replace(row, ids=(5, 6), logprobs=(-1.0, -1.0)) if row.role == "extractor" else row for row in rows
    ]
    assert other.step(changed)["rows"] == metrics["rows"] == 4
    assert same(weights(one.members["manager"]), weights(other.members["manager"]))
    before = weights(one.members["manager"])
    one.step([row for row in rows if row.role == "extractor"])
    assert same(weights(one.members["manager"]), before)


def test_one_member_for_all_roles_is_the_learner_itself(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = with_roles(random_rows(8))
    team = Team({"shared": Learner(tiny(), config=CONFIG)}, dict.fromkeys(("extractor", "manager", "single"), "shared"))
    alone = Learner(tiny(), config=CONFIG)
    clock = {"seconds", "tokens_per_second"}
    found, expected = team.step(rows), alone.step(rows)
    assert {n: v for n, v in found.items() if n not in clock} == {n: v for n, v in expected.items() if n not in clock}
    assert same(weights(team.members["shared"]), weights(alone))


def test_metrics_of_two_members_are_sums_of_counts_and_means_by_rows(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = with_roles(random_rows(8))
    kept = [row for row in rows if row.role == "manager" or row.group == "g0"]  # 4 manager rows, 2 extractor rows
    metrics = separate(tiny).step(kept)
    assert (metrics["rows"], metrics["extractor_rows"], metrics["manager_rows"], metrics["updates"]) == (6, 2, 4, 2)
    assert metrics["tokens"] >= metrics["sampled_tokens"] == sum(len(row.ids) for row in kept)
    expected = (2 * metrics["extractor_loss"] + 4 * metrics["manager_loss"]) / 6
    assert metrics["loss"] == pytest.approx(expected) and metrics["lr"] == 1e-2


def test_a_member_without_rows_in_a_step_is_left_out_of_the_means(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = [row for row in with_roles(random_rows(8)) if row.role == "manager"]
    metrics = separate(tiny).step(rows)
    assert metrics["loss"] == metrics["manager_loss"] and "extractor_loss" not in metrics
    assert separate(tiny).step([])["rows"] == 0


def test_a_group_is_checked_whole_before_its_rows_are_dealt_out(tiny: MakeModel, row: MakeRow) -> None:
    # One rollout had no facts and so no manager turn: the manager's part of the group is of one rollout.
    rows = [
        row(role="extractor", rollout="b0", advantage=1.0),
        row(role="manager", rollout="b0", advantage=1.0),
        row(role="extractor", rollout="b1", advantage=-1.0),
    ]
    assert separate(tiny).step(rows)["rows"] == 3
    with pytest.raises(CreditError, match="only one rollout"):
        separate(tiny).step(rows[:2])


def test_states_are_kept_by_name_and_refused_by_another_team(tiny: MakeModel, random_rows: MakeRows) -> None:
    team, other = separate(tiny), separate(tiny)
    team.step(with_roles(random_rows(8)))
    other.load_state_dict(team.state_dict())
    for name in team.members:
        assert same(weights(team.members[name]), weights(other.members[name]))
    single = Team({"shared": Learner(tiny(), config=CONFIG)}, {"manager": "shared"})
    with pytest.raises(CheckpointError, match="the checkpoint is of extractor, manager, this run trains shared"):
        single.load_state_dict(team.state_dict())
    with pytest.raises(CheckpointError, match="weights of extractor, manager, expected those of shared"):
        single.restart(team.weights(), CONFIG, False)


def test_a_stage_begins_from_given_weights_with_a_fresh_optimizer_and_its_own_settings(
    tiny: MakeModel, random_rows: MakeRows
) -> None:
    team = separate(tiny)
    team.step(with_roles(random_rows(8, seed=1)))
    best = team.weights()
    team.step(with_roles(random_rows(8, seed=2)))
    settings = CONFIG.model_copy(update={"minibatches": 2})
    team.restart(best, settings, reset_reference=False)
    fresh = separate(tiny)
    fresh.restart(best, settings, reset_reference=False)
    for name, learner in team.members.items():
        assert same(weights(learner), list(best[name].values()))
        assert (learner.config, learner.optimizer.steps) == (settings, 0)
        learner.steps = fresh.members[name].steps  # names the order of rows; counts on over stages
    rows = with_roles(random_rows(8, seed=3))
    team.step(rows)
    fresh.step(rows)
    for name, learner in team.members.items():
        assert same(weights(learner), weights(fresh.members[name]))


def test_the_reference_stays_the_runs_start_unless_it_is_reset(tiny: MakeModel, random_rows: MakeRows) -> None:
    def kl_after(reset: bool) -> tuple[float, str]:
        team: Any = Team({"shared": Learner(tiny(), config=CONFIG)}, {"manager": "shared"})
        team.step(random_rows(8, seed=1))
        team.restart(None, CONFIG, reset_reference=reset)
        metrics = team.step(random_rows(8, seed=2))
        return metrics["kl"], team.state_dict()["shared"]["reference"]

    (kept, start), (reset, moved) = kl_after(False), kl_after(True)
    # Against its own weights the first update sees no divergence.
    assert kept > 1e-6 and reset == 0.0 and start != moved


def test_without_a_kl_term_there_is_no_reference_to_reset(tiny: MakeModel) -> None:
    learner = Learner(tiny(), config=LearnerConfig(kl=0.0))
    learner.reset_reference()
    assert learner.state_dict()["reference"] == ""


def test_weights_of_another_model_are_refused(tiny: MakeModel) -> None:
    learner = Learner(tiny(), config=CONFIG)
    with pytest.raises(CheckpointError, match="of another model"):
        learner.load_weights({"x": torch.zeros(2)})
    kept = learner.weights()
    assert all(kept[name] is not parameter for name, parameter in learner.model.named_parameters())

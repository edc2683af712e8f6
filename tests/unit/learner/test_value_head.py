"""The critic: its loss by hand, what it learns, and that it survives a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fairmem.config import LearnerConfig
from fairmem.errors import CheckpointError, ConfigError, CreditError
from fairmem.learner import Learner, Row, load_checkpoint, save_checkpoint
from fairmem.learner.value_head import explained_variance, value_loss
from tests.unit.learner.conftest import MakeModel, MakeRow, MakeRows

CONFIG = LearnerConfig(lr=1e-2, kl=0.0, warmup_steps=0, value_lr=0.1, value_coef=1.0, value_clip=0.0)
Make = Callable[..., Learner]


def judged(rows: list[Row], target: Callable[[Row], float], learner: Learner) -> list[Row]:
    values = learner.critic_values(rows)
    return [replace(row, value=value, target=target(row)) for row, value in zip(rows, values, strict=True)]


def first_token(row: Row) -> float:
    """A return that the prompt tells: its first token, scaled."""
    return row.prompt_ids[0] / 48


def test_the_loss_is_the_worse_of_the_plain_and_the_clipped_error() -> None:
    values, old, targets = torch.tensor([1.0, 0.5, -1.0]), torch.tensor([0.0, 0.5, 0.0]), torch.tensor([1.0, 1.5, 1.0])
    # clipped to old +- 0.2: 0.2, 0.5, -0.2; errors 0.64, 1, 1.44 against plain 0, 1, 4
    assert value_loss(values, old, targets, 0.2).tolist() == pytest.approx([0.32, 0.5, 2.0])
    assert value_loss(values, old, targets, 0.0).tolist() == [0.0, 0.5, 2.0]


def test_explained_variance_is_one_for_the_truth_and_zero_for_a_constant() -> None:
    assert explained_variance([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]) == 1.0
    assert explained_variance([7.0, 7.0, 7.0], [1.0, 2.0, 4.0]) == pytest.approx(0.0)
    # returns 0, 2 vary by 1; the errors 0 - 1 and 2 - 0 vary by 2.25
    assert explained_variance([1.0, 0.0], [0.0, 2.0]) == -1.25
    assert explained_variance([1.0, 0.0], [2.0, 2.0]) is None


def test_a_new_critic_says_zero_and_a_learner_without_one_says_so(tiny: MakeModel, random_rows: MakeRows) -> None:
    assert Learner(tiny(), config=CONFIG, critic=True).critic_values(random_rows(6)) == [0.0] * 6
    with pytest.raises(ConfigError, match="has no critic"):
        Learner(tiny(), config=CONFIG).critic_values(random_rows(6))


def test_the_critic_learns_what_a_prompt_will_earn(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=CONFIG, critic=True)
    rows = [replace(row, advantage=0.0) for row in random_rows(32)]
    history = [learner.step(judged(rows, first_token, learner)) for _ in range(41)]
    before, after = history[0], history[-1]
    assert before["explained_variance"] == pytest.approx(0.0)
    assert after["explained_variance"] > 0.9
    assert after["value_loss"] < 0.1 * before["value_loss"]


@pytest.mark.parametrize(("features", "moves"), [("shared", True), ("detached", False)])
def test_whether_the_value_loss_moves_the_backbone_is_a_setting(
    tiny: MakeModel, random_rows: MakeRows, features: str, moves: bool
) -> None:
    config = CONFIG.model_copy(update={"value_features": features})
    learner = Learner(tiny(), config=config, critic=True)
    rows = [replace(row, advantage=0.0) for row in random_rows(8)]
    learner.step(judged(rows, first_token, learner))  # the head is 0 at first, and so is its gradient to the backbone
    start = [p.clone() for p in learner.model.parameters()]
    learner.step(judged(rows, first_token, learner))
    assert any(not torch.equal(a, b) for a, b in zip(start, learner.model.parameters(), strict=True)) is moves


def test_the_policy_waits_while_the_critic_warms_up(tiny: MakeModel, random_rows: MakeRows) -> None:
    config = CONFIG.model_copy(update={"value_features": "detached", "value_warmup": 1})
    learner = Learner(tiny(), config=config, critic=True)
    start = learner.weights()
    rows = judged(random_rows(8), first_token, learner)
    learner.step(rows)
    changed = {name for name, weight in learner.weights().items() if not torch.equal(weight, start[name])}
    assert changed == {"critic.out.weight", "critic.out.bias"}
    learner.step(rows)
    assert any(not torch.equal(w, start[n]) for n, w in learner.weights().items() if not n.startswith("critic."))


def test_values_do_not_depend_on_packing_or_on_shared_prompts(tiny: MakeModel, random_rows: MakeRows) -> None:
    rows = random_rows(12)
    found: list[list[float]] = []
    for share, pack in ((True, 1024), (False, 1024), (False, 8)):
        learner = Learner(
            tiny(), config=CONFIG.model_copy(update={"pack_tokens": pack}), critic=True, share_prompts=share
        )
        assert learner.critic is not None
        torch.nn.init.constant_(learner.critic.out.weight, 0.1)
        found.append(learner.critic_values(rows))
    assert len(set(found[0])) > 3
    assert found[1] == pytest.approx(found[0], abs=1e-5) and found[2] == pytest.approx(found[0], abs=1e-5)


def test_a_resumed_critic_goes_on_exactly(tiny: MakeModel, random_rows: MakeRows, tmp_path: Path) -> None:
    def make() -> Learner:
        return Learner(tiny(), config=CONFIG, critic=True)

    going_on, resumed = make(), make()
    going_on.step(judged(random_rows(8), first_token, going_on))
    save_checkpoint(tmp_path, 1, going_on, {})
    load_checkpoint(tmp_path / "step-000001", resumed)
    first, second = (it.step(judged(random_rows(8, seed=1), first_token, it)) for it in (going_on, resumed))
    assert first["value_loss"] == second["value_loss"] != 0
    assert going_on.critic_values(random_rows(8)) == resumed.critic_values(random_rows(8))
    with pytest.raises(CheckpointError, match="has a critic"):
        load_checkpoint(tmp_path / "step-000001", Learner(tiny(), config=CONFIG))


def test_weights_handed_to_the_next_stage_include_the_critic(tiny: MakeModel, random_rows: MakeRows) -> None:
    learner = Learner(tiny(), config=CONFIG, critic=True)
    learner.step(judged(random_rows(8), first_token, learner))
    kept, values = learner.weights(), learner.critic_values(random_rows(8))
    learner.step(judged(random_rows(8), first_token, learner))
    assert learner.critic_values(random_rows(8)) != values
    learner.restart(kept, CONFIG, reset_reference=False)
    assert learner.critic_values(random_rows(8)) == values


def test_a_row_with_half_a_judgement_is_refused(tiny: MakeModel, row: MakeRow) -> None:
    learner = Learner(tiny(), config=CONFIG, critic=True)
    with pytest.raises(CreditError, match=r"value 0\.5 with target None: a row has both or neither"):
        learner.step([row(value=0.5), row(rollout="b1")])
    with pytest.raises(CreditError, match="is not finite"):
        learner.step([row(value=0.5, target=float("nan"))])

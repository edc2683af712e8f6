"""Keys that mean nothing beside single decisions, demonstrations or a learning answerer are refused by name."""

from __future__ import annotations

import pytest

from fairmem.config import parse_recipe
from fairmem.errors import ConfigError

BANDIT = ("rollout.unit=bandit", "model.train=manager", "rollout.local_fraction=0", "reward.compression_lambda=0")
ANSWERS = ("model.train=answerer", "rollout.local_fraction=0", "reward.compression_lambda=0")
CLONE = (
    "rollout.unit=demonstration", "credit.rule=clone", "learner.loss=imitation", "model.train=manager",
    "rollout.local_fraction=0",
)  # fmt: skip


@pytest.mark.parametrize("overrides", [BANDIT, ANSWERS, CLONE])
def test_what_fits_together_is_taken(overrides: tuple[str, ...]) -> None:
    parse_recipe({}, overrides)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ((*BANDIT, "model.train=all"), "model.train is 'all': a turn's facts are given"),
        ((*BANDIT, "rollout.local_fraction=0.5"), "one decision has no session to roll out again"),
        ((*BANDIT, "stages=[{local_fraction=0.5}]"), "use rollout.local_fraction=0"),
        ((*BANDIT, "rollout.state_values=true"), "one decision leaves no memory on the way"),
        ((*BANDIT, "reward.compression_lambda=0.1"), "one decision is rewarded by the answer alone"),
        ((*BANDIT, "reward.form=mem_alpha"), "use reward.form=memory_r2"),
        ((*ANSWERS, "rollout.unit=demonstration"), "use rollout.unit=conversation"),
        ((*ANSWERS, "rollout.local_fraction=0.5"), "one answer has no session to roll out again"),
        ((*ANSWERS, "model.backbones=separate"), "whose model is that of answerer.path"),
        (("rollout.unit=demonstration",), "imitation needs rollout.unit=demonstration, credit.rule=clone"),
        (("credit.rule=clone",), "credit.rule is 'clone', but imitation needs"),
        (("learner.loss=imitation",), "learner.loss is 'imitation', but imitation needs"),
        ((*CLONE, "credit.rule=grpo"), "rollout.unit is \"demonstration\" and learner.loss is 'imitation', but"),
        ((*CLONE, "rollout.local_fraction=0.5"), "a demonstration is not rolled out again"),
        ((*CLONE, "teacher.path=policy"), "a model that imitates itself learns nothing"),
        ((*CLONE, "model.train=all"), "teacher.path is 'rules', which decides as a manager"),
    ],
)
def test_what_does_not_is_refused_with_what_to_do(overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe({}, overrides)
    assert says in str(caught.value) and "\n" not in str(caught.value)

"""The imitation loop learns, and goes on where it was stopped, to the bit."""

from pathlib import Path
from typing import Any

import pytest

from fairmem.errors import ConfigError
from fairmem.policy import import_torch
from fairmem.pretrain import imitate, run
from fairmem.pretrain.base_model import make_model, train_tokenizer
from fairmem.pretrain.imitate import Imitation, ImitationSettings

SETTINGS = ImitationSettings(seed=1, steps=4, rows=2, length=384, warmup=2)


class Stopped(Exception):
    """The process is killed."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(0, 400, conversations=10)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[reportUnusedFunction]
    """Parts of two steps, from few demonstrations."""
    monkeypatch.setattr(imitate, "_EPOCH_STEPS", 2)
    monkeypatch.setattr(imitate, "_SHUFFLE", 16)


def loop(tokenizer: Any, settings: ImitationSettings = SETTINGS) -> Imitation:
    core = tokenizer.backend_tokenizer
    model = make_model(settings.seed, len(tokenizer), 64, 1, 0, 1)
    return Imitation(model, lambda text: core.encode(text).ids, 1, settings)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_two_steps_saved_and_resumed_equal_four_straight_ones_to_the_bit(
    tokenizer: Any, tmp_path: Path, optimizer: str
) -> None:
    torch = import_torch()
    settings = ImitationSettings(seed=1, steps=4, rows=2, length=384, warmup=2, optimizer=optimizer)
    straight = loop(tokenizer, settings)
    straight.run(tmp_path / "straight", lambda row: None)

    def stop(row: dict[str, float]) -> None:
        raise Stopped

    killed = loop(tokenizer, settings)
    with pytest.raises(Stopped):
        killed.run(tmp_path / "killed", stop, every=3)
    assert killed.step == 3
    resumed = loop(tokenizer, settings)
    assert resumed.resume(tmp_path / "killed")
    assert resumed.step == 2
    resumed.run(tmp_path / "killed", lambda row: None)
    assert (resumed.step, resumed.tokens) == (4, straight.tokens)
    for mine, theirs in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    fresh = loop(tokenizer, settings)
    assert not torch.equal(fresh.model.lm_head.weight, straight.model.lm_head.weight)


def test_without_a_saved_state_there_is_nothing_to_resume(tokenizer: Any, tmp_path: Path) -> None:
    assert not loop(tokenizer).resume(tmp_path)


def test_the_loss_falls_and_progress_is_told(tokenizer: Any, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    training = loop(tokenizer, ImitationSettings(seed=1, steps=24, rows=2, length=384, warmup=2))
    training.run(tmp_path, rows.append, every=1)
    assert [row["step"] for row in rows] == list(range(1, 25))
    # ln 400 = 6.0 nats is no better than guessing.
    first, last = (sum(row["loss"] for row in part) / 4 for part in (rows[:4], rows[-4:]))
    assert first > 4.5 and last < first - 0.7
    assert training.tokens == rows[-1]["tokens"] > 24 * 384


def test_the_rate_warms_up_stays_and_falls_to_zero_over_the_second_half() -> None:
    settings = ImitationSettings(lr=1.0, steps=1000, warmup=150)
    rates = [imitate._rate(step, settings) for step in (0, 149, 500, 750, 999)]
    # 999: one of the last 500 steps is left.
    assert rates == pytest.approx([1 / 150, 1.0, 1.0, 0.5, 1 / 500])


def test_a_loss_that_is_no_number_stops_the_run(tokenizer: Any, tmp_path: Path) -> None:
    training = loop(tokenizer)
    import_torch().nn.init.constant_(training.model.lm_head.weight, float("nan"))
    with pytest.raises(FloatingPointError, match="at step 1; lower the learning rate"):
        training.run(tmp_path, lambda row: None)


def test_steps_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--steps is 0, expected at least 1"):
        run(tmp_path / "base", steps=0)
    assert list(tmp_path.iterdir()) == []

"""`fairmem pretrain`, a few steps long: what it leaves, and that it goes on where it stopped."""

import json
from pathlib import Path

import pytest

from fairmem.errors import ConfigError
from fairmem.policy import Sample, open_policy
from fairmem.policy.base import Message, SampleRequest
from fairmem.pretrain import run


def test_no_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--steps is 0, expected at least 1"):
        run(tmp_path / "out", steps=0)


def test_base_and_answerer_are_left_with_one_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairmem.pretrain import scores

    monkeypatch.setattr("fairmem.pretrain.course._WIDTH", 64)
    monkeypatch.setattr("fairmem.pretrain.course._LAYERS", 1)
    whole = scores.score_base
    monkeypatch.setattr(
        scores, "score_base", lambda policy, split, **options: whole(policy, split, conversations=1, **options)
    )
    out = tmp_path / "models"
    assert run(out, steps=3, device="cpu", seed=5) == 0
    card = (out / "base" / "README.md").read_text(encoding="utf-8")
    assert "3 steps" in card and "1 more steps" in card
    about = json.loads((out / "base" / "scores.json").read_text(encoding="utf-8"))
    assert about["answerer"]["settings"]["steps"] == 1 and "answer exact (answerer alone)" in about["scores"]["test"]
    for name in ("base", "answerer"):
        policy = open_policy(str(out / name), device="cpu")
        (reply,) = policy.sample([SampleRequest((Message("user", "<answer>\n<out>\n"),), 3)])
        assert isinstance(reply, Sample) and policy.family == "compact"
    # All steps are done: a second call trains nothing and leaves the same weights.
    first = (out / "answerer" / "model.safetensors").read_bytes()
    assert run(out, steps=3, device="cpu", seed=5) == 0
    assert (out / "answerer" / "model.safetensors").read_bytes() == first

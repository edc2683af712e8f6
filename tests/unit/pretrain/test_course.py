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


def test_the_folder_loads_and_its_card_tells_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairmem.pretrain import scores

    monkeypatch.setattr("fairmem.pretrain.course._WIDTH", 64)
    monkeypatch.setattr("fairmem.pretrain.course._LAYERS", 1)
    whole = scores.score_base
    monkeypatch.setattr(scores, "score_base", lambda policy, split: whole(policy, split, conversations=1))
    out = tmp_path / "base"
    assert run(out, steps=3, device="cpu", seed=5) == 0
    assert "--seed 5 --steps 3`" in (out / "README.md").read_text(encoding="utf-8")
    assert "answer exact" in json.loads((out / "scores.json").read_text(encoding="utf-8"))["scores"]["test"]
    policy = open_policy(str(out), device="cpu")
    (reply,) = policy.sample([SampleRequest((Message("user", "<answer>\n<out>\n"),), 3)])
    assert isinstance(reply, Sample) and policy.family == "compact"
    # All steps are done: a second call trains nothing and leaves the same weights.
    first = (out / "model.safetensors").read_bytes()
    assert run(out, steps=3, device="cpu", seed=5) == 0
    assert (out / "model.safetensors").read_bytes() == first

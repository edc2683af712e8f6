from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from fairmem.config import LearnerConfig
from fairmem.errors import CheckpointError
from fairmem.learner import (
    Learner,
    export,
    load_checkpoint,
    load_latest,
    load_weights,
    prune_weights,
    save_checkpoint,
    save_weights,
)
from tests.unit.learner.conftest import MakeModel, MakeRows

CONFIG = LearnerConfig(lr=1e-2, warmup_steps=3, epochs=2, minibatches=2, kl=0.01, weight_decay=0.1)


def make(tiny: MakeModel, dtype: torch.dtype = torch.float32) -> Learner:
    return Learner(tiny().to(dtype), config=CONFIG, seed=3)


def tensors(learner: Learner) -> list[torch.Tensor]:
    return list(learner.model.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_resuming_gives_exactly_what_going_on_gives(
    tiny: MakeModel, random_rows: MakeRows, tmp_path: Path, dtype: torch.dtype
) -> None:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    going_on = make(tiny, dtype)
    for step in range(2):
        going_on.step(random_rows(8, seed=step))
    save_checkpoint(tmp_path, 2, going_on, {"step": 2, "best": 0.25, "order": ["a", "b"]})
    drawn = (random.random(), np.random.random(), torch.rand(1).item())
    for step in (2, 3):
        going_on.step(random_rows(8, seed=step))

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    resumed = make(tiny, dtype)
    assert load_checkpoint(tmp_path / "step-000002", resumed) == {"step": 2, "best": 0.25, "order": ["a", "b"]}
    assert (random.random(), np.random.random(), torch.rand(1).item()) == drawn
    assert resumed.steps == 2 and resumed.optimizer.steps == 8
    for step in (2, 3):
        resumed.step(random_rows(8, seed=step))
    assert all(torch.equal(a, b) for a, b in zip(tensors(resumed), tensors(going_on), strict=True))


@pytest.mark.parametrize("damage", ["cut", "flipped", "no_manifest", "no_state", "bad_manifest"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_is_resumed(
    tiny: MakeModel, random_rows: MakeRows, tmp_path: Path, damage: str
) -> None:
    learner = make(tiny)
    save_checkpoint(tmp_path, 1, learner, {"step": 1})
    first = [tensor.clone() for tensor in tensors(learner)]
    learner.step(random_rows(8))
    broken = save_checkpoint(tmp_path, 2, learner, {"step": 2})
    state, manifest = broken / "state.pt", broken / "manifest.json"
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:-100])
    elif damage == "flipped":
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(bytes(content))
    elif damage == "no_manifest":
        manifest.unlink()
    elif damage == "no_state":
        state.unlink()
    else:
        manifest.write_text("{")

    resumed = make(tiny)
    with pytest.raises(CheckpointError, match="step-000002"):
        load_checkpoint(broken, resumed)
    restored = load_latest(tmp_path, resumed)
    assert restored.path.name == "step-000001" and restored.counters == {"step": 1}
    assert len(restored.skipped) == 1 and "step-000002" in restored.skipped[0]
    assert all(torch.equal(a, b) for a, b in zip(tensors(resumed), first, strict=True))


def test_a_writer_that_died_leaves_nothing_that_is_taken_for_a_checkpoint(tiny: MakeModel, tmp_path: Path) -> None:
    learner = make(tiny)
    (tmp_path / ".partial-dead").mkdir()
    (tmp_path / ".partial-dead" / "state.pt").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="nothing to resume from: no checkpoint there"):
        load_latest(tmp_path, learner)
    save_checkpoint(tmp_path, 1, learner, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_only_the_newest_are_kept_and_the_same_step_is_replaced(tiny: MakeModel, tmp_path: Path) -> None:
    learner = make(tiny)
    for step in (1, 2, 10, 10):
        save_checkpoint(tmp_path, step, learner, {"saved": step}, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000010"]
    assert load_latest(tmp_path, learner).counters == {"saved": 10}
    with pytest.raises(CheckpointError, match="keep must be 1 or more"):
        save_checkpoint(tmp_path, 11, learner, {}, keep=0)


def test_when_all_are_damaged_each_is_named(tiny: MakeModel, tmp_path: Path) -> None:
    learner = make(tiny)
    for step in (1, 2):
        (save_checkpoint(tmp_path, step, learner, {}) / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"step-000002.*step-000001"):
        load_latest(tmp_path, learner)


def test_another_reference_model_or_version_is_refused(tiny: MakeModel, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, make(tiny), {})
    with pytest.raises(CheckpointError, match="KL reference is not the one"):
        load_checkpoint(path, Learner(tiny(), tiny(seed=1), CONFIG))
    without_kl = CONFIG.model_copy(update={"kl": 0.0})
    path = save_checkpoint(tmp_path, 2, Learner(tiny(), config=without_kl), {})
    with pytest.raises(CheckpointError, match="of another model"):
        load_checkpoint(path, Learner(tiny(layer_types=["full_attention"] * 2, attention_bias=True), config=without_kl))
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(CheckpointError, match="version 99, this build reads fairmem-checkpoint 2"):
        load_checkpoint(path, Learner(tiny(), config=without_kl))


def _tokenizer() -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"<unk>": 0, "a": 1, "b": 2}, unk_token="<unk>")), unk_token="<unk>"
    )


def test_an_export_is_a_plain_model_folder_with_its_metadata(tiny: MakeModel, tmp_path: Path) -> None:
    model = tiny()
    folder = export(model, _tokenizer(), tmp_path / "out" / "model", {"prompts": "compact", "step": 7})
    about = json.loads((folder / "fairmem.json").read_text())
    assert about == {"format": "fairmem-model", "prompts": "compact", "step": 7}
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert PreTrainedTokenizerFast.from_pretrained(folder).encode("b") == [2]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]


def test_an_export_writes_nothing_on_the_screen(
    tiny: MakeModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = is_progress_bar_enabled()
    enable_progress_bar()  # another test may have left the bars off
    try:
        export(tiny(), _tokenizer(), tmp_path / "model", {})
        assert is_progress_bar_enabled()
    finally:
        if not shown:
            disable_progress_bar()
    assert capfd.readouterr() == ("", "")


def test_an_export_replaces_an_export_and_nothing_else(tiny: MakeModel, tmp_path: Path) -> None:
    export(tiny(), _tokenizer(), tmp_path / "model", {"step": 1})
    export(tiny(), _tokenizer(), tmp_path / "model", {"step": 2})
    assert json.loads((tmp_path / "model" / "fairmem.json").read_text())["step"] == 2
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="is no exported model"):
        export(tiny(), _tokenizer(), tmp_path / "notes", {})
    assert (tmp_path / "notes" / "keep.txt").read_text() == "mine"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_weights_of_a_step_are_kept_while_a_checkpoint_uses_them(tiny: MakeModel, tmp_path: Path) -> None:
    learner = make(tiny)
    for step, uses in ((1, [1]), (2, [1]), (3, [3]), (4, [3])):
        if step in uses:
            save_weights(tmp_path, step, {"shared": learner.weights()})
        save_checkpoint(tmp_path, step, learner, {}, keep=2, uses=uses)
        # step 3 does not use weights 1 any more, but the checkpoint of step 2 still does.
        assert "weights-000001" in names(tmp_path) if step < 4 else True
    assert names(tmp_path) == ["step-000003", "step-000004", "weights-000003"]
    kept = load_weights(tmp_path, 3)["shared"]
    assert all(torch.equal(kept[name], parameter) for name, parameter in learner.model.named_parameters())


def test_weights_that_are_needed_next_survive_although_no_checkpoint_uses_them_yet(
    tiny: MakeModel, tmp_path: Path
) -> None:
    learner = make(tiny)
    save_checkpoint(tmp_path, 1, learner, {})
    for step in (2, 3):
        save_weights(tmp_path, step, {"shared": learner.weights()})
    prune_weights(tmp_path, [3])
    assert names(tmp_path) == ["step-000001", "weights-000003"]
    prune_weights(tmp_path, [])
    assert names(tmp_path) == ["step-000001"]


def test_weights_that_are_not_there_or_damaged_are_refused_by_name(tiny: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"weights-000007: no readable manifest\.json"):
        load_weights(tmp_path, 7)
    save_weights(tmp_path, 7, {"shared": make(tiny).weights()})
    state = tmp_path / "weights-000007" / "state.pt"
    state.write_bytes(state.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="it was cut"):
        load_weights(tmp_path, 7)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="the weights of step 7 cannot be written"):
        save_weights(tmp_path / "file", 7, {})


def test_the_reference_can_be_put_back_before_the_rest_is(
    tiny: MakeModel, random_rows: MakeRows, tmp_path: Path
) -> None:
    learner = make(tiny)
    learner.step(random_rows(8))
    save_weights(tmp_path, 1, {"shared": learner.weights()})
    learner.restart(None, CONFIG, reset_reference=True)
    learner.step(random_rows(8, seed=1))
    save_checkpoint(tmp_path, 2, learner, {"start": 1}, uses=[1])
    learner.step(random_rows(8, seed=2))

    resumed = make(tiny)
    with pytest.raises(CheckpointError, match="KL reference is not the one"):
        load_latest(tmp_path, make(tiny))

    def prepare(counters: dict[str, Any]) -> None:
        resumed.restart(load_weights(tmp_path, counters["start"])["shared"], CONFIG, reset_reference=True)

    assert load_latest(tmp_path, resumed, prepare).counters == {"start": 1}
    resumed.step(random_rows(8, seed=2))
    assert all(torch.equal(a, b) for a, b in zip(tensors(resumed), tensors(learner), strict=True))

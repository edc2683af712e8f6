from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fairmem.errors import ModelError
from fairmem.policy.model_folder import check_folder, load_model, read_about, read_family


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder, "float32")
    text = str(caught.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


def test_a_missing_folder_and_a_file_are_named_as_what_they_are(folder: Path) -> None:
    assert "found nothing" in refusal(folder / "absent")
    assert "found a file" in refusal(folder / "config.json")


def test_each_missing_part_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "elsewhere")
    assert "no weights" in refusal(folder)
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer files" in refusal(folder)
    (folder / "config.json").unlink()
    assert "no config.json" in refusal(folder)


def test_damaged_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")
    assert "model cannot be loaded" in refusal(folder)


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer cannot be loaded" in refusal(folder)


def test_weights_of_another_shape_or_depth_are_refused_rather_than_made_up(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3, "layer_types": None}))
    assert "do not fit config.json" in refusal(folder)


def test_an_architecture_that_is_not_known_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    assert "cannot be loaded" in refusal(folder)


def test_a_good_folder_passes(folder: Path) -> None:
    check_folder(folder)
    assert read_family(folder) == "compact"


def test_the_family_is_instruct_unless_the_folder_says_otherwise(folder: Path) -> None:
    (folder / "fairmem.json").write_text("{}")
    assert read_family(folder) == "instruct"
    (folder / "fairmem.json").unlink()
    assert read_family(folder) == "instruct"


def test_what_a_folder_says_of_its_model_is_read_whole(folder: Path) -> None:
    assert read_about(folder)["prompts"] == "compact"
    (folder / "fairmem.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"fairmem\.json: found list, expected an object"):
        read_about(folder)
    (folder / "fairmem.json").unlink()
    assert read_about(folder) == {}


@pytest.mark.parametrize("text", ['{"prompts": "long"}', "[]", "{"])
def test_an_unknown_family_is_refused(folder: Path, text: str) -> None:
    (folder / "fairmem.json").write_text(text)
    with pytest.raises(ModelError, match=r"fairmem\.json"):
        read_family(folder)

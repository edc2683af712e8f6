from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from fairmem.errors import ConfigError, ModelError
from fairmem.policy import OpenAIPolicy, ScriptedPolicy, folder_of, open_policy
from fairmem.policy.hf import HFPolicy


def test_a_model_folder_opens_by_prefix_and_by_path_alone(model_folder: Path) -> None:
    for spec in (f"hf:{model_folder}", str(model_folder)):
        policy = open_policy(spec, device="cpu", batch=2)
        assert isinstance(policy, HFPolicy)
        assert policy.name == "tiny"


def test_the_model_of_a_run_is_named_after_the_run(model_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "big-s3" / "model")
    assert open_policy(str(folder), device="cpu").name == "big-s3"
    assert open_policy(str(folder), device="cpu", name="mine").name == "mine"


@pytest.mark.parametrize(
    ("spec", "folder"),
    [
        ("hf:runs/a/model", Path("runs/a/model")),
        ("runs/a/model", Path("runs/a/model")),
        ("openai:gpt", None),
        ("scripted", None),
        ("cassette:replies.jsonl", None),
    ],
)
def test_a_spec_tells_its_folder_where_it_has_one(spec: str, folder: Path | None) -> None:
    assert folder_of(spec) == folder


def test_an_endpoint_opens_with_its_address_and_options() -> None:
    policy = open_policy("openai:org/model:free", base_url="http://127.0.0.1:1/v1", family="compact")

    assert isinstance(policy, OpenAIPolicy)
    assert (policy.name, policy.family) == ("org/model:free", "compact")
    policy.close()


def test_a_script_opens_with_rules_of_its_own() -> None:
    assert isinstance(open_policy("scripted"), ScriptedPolicy)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("gpt-4", {}, "policy 'gpt-4': not known; expected bundled, hf:PATH"),
        ("hf:", {}, "nothing after 'hf'"),
        ("openai", {}, "nothing after 'openai'"),
        ("scripted:x", {}, "takes no argument"),
        ("bundled:x", {}, "expected one of 'bundled', 'bundled:extractor', 'bundled:planted'"),
        ("scripted", {"base_url": "http://x/v1"}, "unexpected keyword argument 'base_url'"),
        ("openai:x", {"temperature": 1}, "unexpected keyword argument 'temperature'"),
        ("hf:folder", {"beam": 4}, "unexpected keyword argument 'beam'"),
        ("cassette:x", {"device": "cpu"}, "nothing to record"),
    ],
)
def test_a_wrong_spec_or_option_is_refused_in_one_line(spec: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_policy(spec, **options)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_does_not_exist_is_a_missing_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found nothing, expected a folder"):
        open_policy(str(tmp_path / "absent"))


def test_the_bundled_model_opens_or_says_that_it_is_absent() -> None:
    folder = files("fairmem") / "assets" / "base"
    assert folder_of("bundled") == folder
    if folder.is_dir():
        policy = open_policy("bundled", device="cpu")
        assert (policy.name, policy.family) == ("bundled", "compact")
    else:
        with pytest.raises(ModelError, match="no bundled model"):
            open_policy("bundled")

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.doctor import Device, Finding, needed_bytes, start_findings
from fairmem.eval.gateway import Gateway
from fairmem.memory import HashedEmbedder
from fairmem.policy import ScriptedPolicy

SMALL = ["stages=[{sessions = 2, steps = 1}]", "data.test_conversations=1", "data.validation_conversations=0"]


def found(
    tmp_path: Path,
    *overrides: str,
    engine: str = "embedded",
    reach: bool = False,
    installed: dict[str, str] | None = None,
) -> dict[str, Finding]:
    """Area -> its worst finding."""
    recipe = load_recipe("memory_r2_small", [*SMALL, *overrides])
    worst: dict[str, Finding] = {}
    order = ["ok", "note", "warning", "error"]
    for finding in start_findings(recipe, engine, tmp_path, {}, [Device("L4", 23034, "1")], reach):
        if finding.area not in worst or order.index(finding.level) > order.index(worst[finding.area].level):
            worst[finding.area] = finding
    return worst


def test_a_recipe_that_could_start_has_no_error(tmp_path: Path) -> None:
    assert {finding.level for finding in found(tmp_path).values()} == {"ok"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "area", "expected"),
    [
        (["model.path=no/such/folder"], "model", "no/such/folder: found nothing, expected a folder"),
        (["model.path=openai:x"], "model", "training needs bundled or a folder"),
        (["data.source=locomo"], "data", "data.path is empty"),
        (["data.source=locomo", "data.path=no.json", 'data.train=["c"]'], "data", "no.json: no such file"),
        (["credit.rule=nonsense"], "credit", "unknown credit rule"),
        (["rollout.local_fraction=0"], "credit", "local_fraction = 0"),
        (["agents.retriever=magic"], "recipe", "agents.retriever is 'magic', expected one of"),
        (["agents.embedder=magic:x"], "recipe", "agents.embedder is 'magic'"),
        (["reward.f1=magic"], "recipe", "reward.f1 is 'magic'"),
        (["model.lora_rank=4", "model.reference=start"], "package", "model.lora_rank needs peft"),
        (["log.wandb=true"], "package", "log.wandb needs wandb"),
        (["agents.embedder=sentence-transformers:x"], "package", "agents.embedder needs sentence-transformers"),
        (["model.device=cuda:1"], "gpu", "model.device is 'cuda:1', but 1 GPUs are found"),
        (["answerer.path=scripted"], "answerer", "expected bundled, a folder or openai:NAME"),
        (["answerer.path=no/folder"], "answerer", "found nothing"),
    ],
)
def test_what_would_stop_the_run_is_an_error_in_one_line(
    tmp_path: Path, overrides: list[str], area: str, expected: str
) -> None:
    finding = found(tmp_path, *overrides)[area]
    assert finding.level == "error" and expected in finding.found and "\n" not in finding.found


def test_a_gpu_that_is_there_may_be_asked_for(tmp_path: Path) -> None:
    assert "gpu" not in found(tmp_path, "model.device=cuda") and "gpu" not in found(tmp_path, "model.device=cuda:0")


def test_what_the_engine_refuses_is_an_error(tmp_path: Path) -> None:
    finding = found(tmp_path, "model.backbones=separate", engine="verl")["engine"]
    assert finding.level == "error" and finding.found.startswith("verl refuses: model.backbones is 'separate'")
    assert found(tmp_path, engine="verl")["engine"].level == "ok"


def test_a_run_that_is_there_already_is_an_error(tmp_path: Path) -> None:
    run = tmp_path / "memory_r2_small"
    run.mkdir()
    (run / "recipe.toml").write_text("")
    assert "already holds a run" in found(tmp_path)["runs"].found


def test_an_endpoint_is_asked_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["answerer.path=openai:m", "answerer.base_url=http://127.0.0.1:9/v1"]
    assert found(tmp_path, *asked)["answerer"].level == "note"
    refused = found(tmp_path, *asked, reach=True)["answerer"]
    assert refused.level == "error" and "gives no reply" in refused.found
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "OPENAI_API_KEY is not set" in found(tmp_path, "answerer.path=openai:m")["answerer"].found


def test_an_endpoint_that_answers_is_well(tmp_path: Path) -> None:
    with Gateway(ScriptedPolicy(lambda prompt, seed: "OK"), HashedEmbedder()) as gateway:
        asked = ["answerer.path=openai:scripted", f"answerer.base_url={gateway.base_url}"]
        assert found(tmp_path, *asked, reach=True)["answerer"].level == "ok"


def test_disk_is_reckoned_from_the_weights_and_the_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(2**30)  # a hole: nothing is written
    model = f"model.path={tmp_path}"
    # two checkpoints are kept while a third is written, 8 times the weights each, and three copies of the weights
    assert needed_bytes(load_recipe("memory_r2_small", [model])) == (3 + 8 * 3) * 2**30
    assert needed_bytes(load_recipe("memory_r2_small", [model, "checkpoint.every=0"])) == 3 * 2**30
    assert needed_bytes(load_recipe("memory_r2_small")) == 2**28

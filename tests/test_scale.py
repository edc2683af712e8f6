"""The files of examples/scale and the commands of docs/guide/scale.md: as far as that can be checked without a
cluster."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairmem.cli import parse
from fairmem.config import load_recipe
from fairmem.learner.engines.verl.settings import refusals

ROOT = Path(__file__).parents[1]
SCALE = ROOT / "examples" / "scale"
SCRIPTS = sorted([*SCALE.rglob("*.sh"), *SCALE.rglob("*.sbatch")])
MANIFESTS = sorted(SCALE.rglob("*.yaml"))
GUIDE = (ROOT / "docs" / "guide" / "scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_parses_stops_at_errors_and_says_what_it_is_for(path: Path) -> None:
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n#") and "set -euo pipefail" in text
    assert "<" + "repo>" not in text and "TODO" not in text


def test_the_shell_blocks_of_the_guide_parse(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_the_guide_names_every_file_and_says_what_was_never_run() -> None:
    for path in (*SCRIPTS, *MANIFESTS):
        assert path.name in GUIDE, f"docs/guide/scale.md does not mention {path.name}"
    assert "**What was never run.**" in GUIDE and "unmeasured" in GUIDE


def curriculum(tmp_path: Path, *words: str, **environment: str) -> list[str]:
    """The command that the script would run."""
    given = {
        "MODEL": "bundled",
        "DATA": "d.json",
        "ANSWERER_URL": "http://a:8000/v1",
        "DRY_RUN": "1",
        "OUT": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", str(SCALE / "curriculum.sh"), *words],
        env={**os.environ, **given, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return shlex.split(line)


@pytest.mark.parametrize("validated", [[], ["eval.every=10", 'data.validation=["conv-44"]']])
@pytest.mark.parametrize("recipe", ["memory_r2_qwen2.5_3b", "memory_r2_qwen2.5_7b", "memory_r2_qwen3_4b"])
def test_the_curriculum_is_the_recipes_and_nothing_in_it_is_refused_by_verl(
    recipe: str, validated: list[str], tmp_path: Path
) -> None:
    words = curriculum(tmp_path, *validated, RECIPE=recipe)
    assert words[0] == "fairmem" and "--resume" not in words
    args = parse(words[1:])
    run = load_recipe(args.recipe, args.overrides)
    assert args.engine == "verl" and args.name == recipe and run.model.path == "bundled"
    assert run.stages == load_recipe(recipe).stages and len(run.stages) == 3
    assert bool(run.data.validation) == bool(validated)
    assert [f"{asked}, but {why}" for so, asked, why in refusals(run) if so] == []


@pytest.mark.parametrize("recipe", ["memory_r2_qwen2.5_3b", "memory_r2_qwen2.5_7b", "memory_r2_qwen3_4b"])
def test_verl_takes_the_recipes_as_they_are(recipe: str) -> None:
    run = load_recipe(recipe, ["model.path=bundled"])
    assert [f"{asked}, but {why}" for so, asked, why in refusals(run) if so] == []


def test_the_curriculum_resumes_what_was_started(tmp_path: Path) -> None:
    started = tmp_path / "memory_r2_qwen2.5_7b"
    started.mkdir()
    (started / "recipe.toml").write_text("")
    words = curriculum(tmp_path, ADDRESS="auto", NODES="2")
    assert "--resume" in words
    assert "ray_kwargs.ray_init.address=auto" in words and "trainer.nnodes=2" in words


def test_a_script_without_what_it_needs_says_so() -> None:
    bare = {"PATH": os.environ["PATH"]}
    for name in ("curriculum.sh", "one_node.sh", "evaluate.sh", "wait_for.sh", "several_nodes.sh"):
        done = subprocess.run(["bash", str(SCALE / name)], env=bare, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and re.search(r"MODEL|usage", done.stderr), name


def test_waiting_for_a_server_that_never_comes_ends() -> None:
    if subprocess.run(["bash", "-c", "command -v curl"], capture_output=True).returncode:
        pytest.skip("curl absent: the script waits with it")
    done = subprocess.run(
        ["bash", str(SCALE / "wait_for.sh"), "http://127.0.0.1:9/v1"],
        env={**os.environ, "SECONDS_MAX": "0"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1 and "did not answer within 0 seconds" in done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="comes with transformers, the extra 'train'")
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def containers(node: Any) -> list[dict[str, Any]]:
    """Every container below `node`."""
    if isinstance(node, dict):
        found = list(node.get("containers", []))
        return found + [each for key, value in node.items() if key != "containers" for each in containers(value)]
    return [each for value in node for each in containers(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_parses_and_its_parts_fit_each_other(path: Path) -> None:
    for document in documents(path):
        assert {"apiVersion", "kind", "metadata", "spec"} <= set(document)
        text = str(document)
        for container in containers(document):
            assert container["image"] and ("limits" in container["resources"])
            for mount in container.get("volumeMounts", []):
                assert f"'name': '{mount['name']}', 'persistentVolumeClaim'" in text or "emptyDir" in text
        assert "claimName" not in text or "'claimName': 'fairmem-shared'" in text


def test_the_training_job_asks_ray_for_the_gpus_that_its_pods_have() -> None:
    (job,) = documents(SCALE / "kubernetes" / "train.yaml")
    yaml = pytest.importorskip("yaml")
    environment = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert group["replicas"] == int(environment["NODES"]) and limits["nvidia.com/gpu"] == int(environment["GPUS"])
    assert group["rayStartParams"]["num-gpus"] == environment["GPUS"]
    script = job["spec"]["entrypoint"].split()[1].removeprefix("/opt/fairmem/")
    assert (ROOT / script).is_file()
    services = [d for d in documents(SCALE / "kubernetes" / "answerer.yaml") if d["kind"] == "Service"]
    assert environment["ANSWERER_URL"] == f"http://{services[0]['metadata']['name']}:8000/v1"
    assert load_recipe(environment["RECIPE"]).answerer.path == "openai:gpt-oss-120b"

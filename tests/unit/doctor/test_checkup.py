from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fairmem.config import load_recipe
from fairmem.doctor import as_values, check_up, page
from fairmem.errors import ConfigError

BASE = {"torch": "2.13.0+cpu", "transformers": "5.10.4", "safetensors": "0.8.0", "numpy": "2.4.6"}


def test_a_base_installation_is_healthy_and_says_what_else_there_is(tmp_path: Path) -> None:
    checkup = check_up(tmp_path / "runs", installed=BASE, devices=[])
    text = page(checkup)
    assert checkup.healthy and text.endswith("no problem found\n")
    assert "installed  numpy 2.4.6, torch 2.13.0+cpu, transformers 5.10.4" in text
    assert "ok engine    embedded can run here, on CPU" in text and "-- engine    verl cannot run here" in text
    assert "trl-env/bin/pip install" in text


def test_an_engine_that_is_asked_for_and_cannot_run_makes_it_unhealthy(tmp_path: Path) -> None:
    checkup = check_up(tmp_path, engine="verl", installed=BASE, devices=[])
    assert not checkup.healthy and "1 problem(s), marked XX" in page(checkup)
    with pytest.raises(ConfigError, match="expected one of embedded, verl, trl"):
        check_up(tmp_path, engine="magic")


def test_a_recipe_needs_the_embedded_engine_unless_told_otherwise(tmp_path: Path) -> None:
    recipe = load_recipe("memory_r2_small", ["data.test_conversations=1"])
    assert check_up(tmp_path, recipe=recipe, installed=BASE, devices=[]).healthy
    lacking = check_up(tmp_path, recipe=recipe, installed={"numpy": "2.4.6"}, devices=[])
    assert not lacking.healthy and "torch is not installed" in page(lacking)
    assert "extras, and" not in page(lacking)  # a recipe's check-up is about the recipe


def test_the_values_survive_json(tmp_path: Path) -> None:
    values = json.loads(json.dumps(as_values(check_up(tmp_path, installed=BASE, devices=[]))))
    assert values["healthy"] is True and values["packages"]["torch"] == "2.13.0+cpu"
    assert {engine["name"] for engine in values["engines"]} == {"embedded", "verl", "trl"}
    assert {"area", "level", "found", "remedy"} == set(values["findings"][0])


def test_the_doctor_imports_nothing_heavy(tmp_path: Path) -> None:
    lines = [
        "import sys",
        "from pathlib import Path",
        "from fairmem.config import load_recipe",
        "from fairmem.doctor import check_up",
        "recipe = load_recipe('memory_r2_small', ['data.test_conversations=1'])",
        f"check_up(Path({str(tmp_path)!r}), recipe=recipe)",
        "print(sorted({'torch', 'transformers', 'tokenizers', 'matplotlib', 'ray', 'trl'} & set(sys.modules)))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr

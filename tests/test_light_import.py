"""What is light stays light: audits, viewers and the demo need neither torch nor a web framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "tokenizers", "ray", "vllm", "mcp", "fastapi", "matplotlib", "peft", "wandb"}
LIGHT = (
    "fairmem",
    "fairmem.errors",
    "fairmem.types",
    "fairmem.seeds",
    "fairmem.toml",
    "fairmem.trace",
    "fairmem.config",
    "fairmem.runlog",
    "fairmem.memory",
    "fairmem.data",
    "fairmem.metrics",
    "fairmem.credit",
    "fairmem.policy",
    "fairmem.agents",
    "fairmem.drift",
    "fairmem.drift.defend",
    "fairmem.drift.defenses",
    "fairmem.drift.scan",
    "fairmem.demo",
    "fairmem.lab",
    "fairmem.planning",
    "fairmem.doctor",
    "fairmem.cli",
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stdout.split()) == set()

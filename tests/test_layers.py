"""Who may import whom: down the layers only, and never a neighbour in the same layer.

The direction is printed in CONTRIBUTING.md. A new package or module gets its rank in `LAYERS`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fairmem"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "types", "seeds", "toml", "replace", "side_by_side"),
    ("trace", "config", "runlog"),
    ("memory", "data", "metrics", "credit", "policy"),
    ("agents", "rewards", "learner"),
    ("episodes",),
    ("eval",),
    ("drift",),
    ("practice", "outside"),
    ("train", "pretrain", "study", "demo", "lab", "lengths", "planning", "doctor", "serve", "simulate", "ui"),
    ("reproduce", "planted"),
    ("cli",),
    ("__main__",),
)
"""From the bottom up; names in one line do not import each other."""
RANKS = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}

# Which unit reads a trace is part of the design: the rules of credit work on arrays alone.
TRACE_READERS_IN_CREDIT = {"credit/assign.py", "credit/by_op.py", "credit/inputs.py"}


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of everything of fairmem that `source` imports, at any depth, lazily or not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "fairmem")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fairmem":
            for alias in node.names:
                yield node.lineno, f"fairmem.{alias.name}" if node.module == "fairmem" else str(node.module)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rsplit(".", 1)[-1]
            for argument in node.args if called in ("import_module", "__import__") else []:
                name = argument.value if isinstance(argument, ast.Constant) else None
                if isinstance(name, str) and name.startswith("fairmem."):
                    yield node.lineno, name


def violations(place: str, source: str) -> list[str]:
    """What is wrong with the imports of the file `place` (relative to the package), one line each."""
    unit = Path(place).parts[0].removesuffix(".py")
    found: list[str] = []
    for line, module in imports(source):
        target = module.split(".")[1] if "." in module else ""
        if target in (unit, "", "__version__"):
            continue
        where = f"src/fairmem/{place}:{line}: {unit} imports {target}"
        if target not in RANKS:
            found.append(f"{where}, which has no rank; give it one in LAYERS of tests/test_layers.py")
        elif RANKS[target] >= RANKS[unit]:
            below = ", ".join(name for layer in reversed(LAYERS[: RANKS[unit]]) for name in layer) or "nothing"
            found.append(f"{where}, but {unit} may import only: {below}")
    return found


def _files() -> list[str]:
    return [path.relative_to(SOURCE).as_posix() for path in sorted(SOURCE.rglob("*.py"))]


@pytest.mark.parametrize("place", [place for place in _files() if place != "__init__.py"])
def test_imports_go_down_the_layers(place: str) -> None:
    unit = Path(place).parts[0].removesuffix(".py")
    assert unit in RANKS, f"src/fairmem/{place}: give '{unit}' a rank in LAYERS of tests/test_layers.py"
    assert not violations(place, (SOURCE / place).read_text(encoding="utf-8"))


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    assert not list(imports((SOURCE / "__init__.py").read_text(encoding="utf-8")))


def test_only_three_files_of_credit_read_traces() -> None:
    readers = {
        place
        for place in _files()
        if place.startswith("credit/")
        and any(module == "fairmem.trace" for _, module in imports((SOURCE / place).read_text(encoding="utf-8")))
    }
    assert readers <= TRACE_READERS_IN_CREDIT


@pytest.mark.parametrize(
    ("place", "line", "complaint"),
    [
        ("memory/bank.py", "from fairmem.data import load", "memory imports data, but memory may import only: trace"),
        ("credit/logo.py", "import fairmem.learner.rows", "credit imports learner"),
        ("errors.py", "from fairmem import types", "errors imports types, but errors may import only: nothing"),
        (
            "agents/x.py",
            "def f():\n    from fairmem.train import run",
            "src/fairmem/agents/x.py:2: agents imports train",
        ),
        ("learner/x.py", "import_module('fairmem.rewards')", "learner imports rewards"),
        ("eval/x.py", "from fairmem.helpers import y", "which has no rank"),
    ],
)
def test_a_wrong_import_is_found_with_file_line_and_direction(place: str, line: str, complaint: str) -> None:
    found = violations(place, line)
    assert len(found) == 1 and complaint in found[0]


def test_imports_within_a_unit_and_downwards_pass() -> None:
    source = (
        "from fairmem.memory.entry import Entry\nfrom fairmem.errors import DataError\nfrom fairmem import __version__"
    )
    assert violations("memory/bank.py", source) == []

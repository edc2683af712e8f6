"""The public face of each package: `__all__` is sorted, complete and true."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fairmem"
PACKAGES = sorted(
    ".".join(("fairmem", *path.parent.relative_to(SOURCE).parts))
    for path in SOURCE.rglob("__init__.py")
    if path.parent != SOURCE
)


def public_names(source: str, package: str) -> tuple[set[str], set[str]]:
    """(names an `__init__.py` must list, names it may list besides), those with an underscore left out.

    It must list what it defines and what it imports from its own modules; it may list what it imports from
    elsewhere in fairmem. Modules themselves (`from fairmem.cli import train`) are not names of the package.
    """
    own: set[str] = set()
    borrowed: set[str] = set()
    statements = list(ast.parse(source).body)
    for node in statements:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":  # names loaded lazily
            statements += node.body
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("fairmem."):
            inside = SOURCE.parent.joinpath(*str(node.module).split("."))
            names = {
                alias.asname or alias.name
                for alias in node.names
                if not (inside / alias.name).is_dir() and not (inside / f"{alias.name}.py").is_file()
            }
            (own if f"{node.module}.".startswith(f"{package}.") else borrowed).update(names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Assign):
            own |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
    return {name for name in own if not name.startswith("_")}, borrowed


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_equals_the_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    listed: list[str] = getattr(module, "__all__", [])
    assert listed == sorted(set(listed)), "not sorted as a plain list (capitals first), or a name twice"
    own, borrowed = public_names(Path(module.__file__).read_text(encoding="utf-8"), package)
    assert own - set(listed) == set(), "public, but not in __all__"
    assert set(listed) - own - borrowed == set(), "in __all__, but not public"
    assert [name for name in listed if not hasattr(module, name)] == []


def test_public_names_are_read_as_a_reader_would() -> None:
    source = """
from __future__ import annotations
from collections.abc import Sequence
from typing import TYPE_CHECKING
from fairmem.errors import ConfigError
from fairmem.credit import logo
from fairmem.credit.logo import LogoCredit, _hidden
if TYPE_CHECKING:
    from fairmem.credit.grpo import GrpoCredit
RULES: dict[str, int] = {}
_private = 3
def open_it(): ...
"""
    own, borrowed = public_names(source, "fairmem.credit")
    assert own == {"LogoCredit", "GrpoCredit", "RULES", "open_it"}
    assert borrowed == {"ConfigError"}

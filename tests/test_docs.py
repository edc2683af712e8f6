"""The documents say what is there: commands parse, code runs, links lead somewhere, the tree is complete."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fairmem import cli
from fairmem.cli.reference import commands, markdown
from fairmem.config import parse_recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON = re.compile(r"^```python *(run)?[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _blocks(runnable: bool) -> list[tuple[str, str]]:
    """(where, code) of the Python blocks; those to run are fenced as ```python run."""
    return [
        (f"{_named(path)}:{_text(path)[: found.start()].count(chr(10)) + 1}", found[2])
        for path in DOCUMENTS
        for found in PYTHON.finditer(_text(path))
        if bool(found[1]) or not runnable
    ]


def _shell_commands(program: str) -> list[tuple[str, list[str]]]:
    """(where, words) of the commands of `program` in the shell blocks of all documents."""
    found: list[tuple[str, list[str]]] = []
    for path in DOCUMENTS:
        for block in SHELL.finditer(_text(path)):
            for line in block[1].replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words and Path(words[0]).name == program:
                    stop = next((i for i, word in enumerate(words) if word in ("|", ">", "&&", ";", "2>&1")), None)
                    found.append((f"{_named(path)}: {line.strip()}", words[1:stop]))
    return found


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", _text(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _tree() -> dict[str, str]:
    """Entry of the README's tree below src/fairmem -> its line with those that continue it.

    An entry is indented by two blanks and starts with a name; deeper lines belong to it.
    """
    block = next(
        (
            b
            for b in re.findall(r"^```[^\n]*\n(.*?)^```", _text(ROOT / "README.md"), re.M | re.S)
            if "src/fairmem/" in b
        ),
        "",
    )
    entries: dict[str, str] = {}
    last = ""
    for line in block.partition("src/fairmem/")[2].splitlines()[1:]:
        entry = re.match(r"  ([\w/]+(?:\.py)?)(?=\s|$)", line)
        last = entry[1] if entry else last
        if last and not line.lstrip().startswith("#"):
            entries[last] = entries.get(last, "") + line + "\n"
    return entries


def test_every_command_is_in_the_reference_with_its_help() -> None:
    # Blanks aside: Python versions wrap the usage line differently.
    assert _text(ROOT / "docs" / "cli.md").split() == markdown().split(), "run: make docs"


def test_every_command_is_shown_in_a_document() -> None:
    shown = [" ".join(["fairmem", *words]) for _, words in _shell_commands("fairmem")]
    for parser in commands(cli.build_parser()):
        assert any(line.startswith(parser.prog) for line in shown), f"no document shows '{parser.prog}'"


@pytest.mark.parametrize(("where", "words"), _shell_commands("fairmem"), ids=lambda value: str(value)[:60])
def test_a_command_in_a_document_parses(where: str, words: list[str]) -> None:
    try:
        args = cli.parse(words)
    except SystemExit as stop:
        assert stop.code == 0, where
        return
    parse_recipe({}, getattr(args, "overrides", []))


def test_make_targets_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", _text(ROOT / "Makefile"), re.MULTILINE))
    for where, words in _shell_commands("make"):
        assert set(word for word in words if "=" not in word) <= targets, where


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_links_lead_somewhere(path: Path) -> None:
    for link in (found[1] or found[2] for found in LINK.finditer(_text(path))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{_named(path)} links to {link}, which does not exist"
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), f"{_named(path)} links to {link}, and there is no such heading"


@pytest.mark.parametrize(("where", "code"), _blocks(runnable=False), ids=lambda value: str(value)[:40])
def test_python_in_a_document_compiles(where: str, code: str) -> None:
    ast.parse(code, where)


@pytest.mark.parametrize(("where", "code"), _blocks(runnable=True), ids=lambda value: str(value)[:40])
def test_python_marked_run_runs(where: str, code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{where}\n{done.stderr}"


def test_every_recipe_is_documented() -> None:
    everything = "\n".join(_text(path) for path in DOCUMENTS)
    for recipe in sorted((ROOT / "recipes").glob("*.toml")):
        assert recipe.stem in everything, f"recipes/{recipe.name} is in no document"


def test_every_example_is_documented() -> None:
    everything = "\n".join(_text(path) for path in DOCUMENTS)
    for example in sorted((ROOT / "examples").glob("*.py")):
        assert example.name in everything, f"examples/{example.name} is in no document"


def test_the_tree_in_the_readme_lists_every_file_of_the_package() -> None:
    source = ROOT / "src" / "fairmem"
    tree = _tree()
    missing: list[str] = []
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source)
        if path.name in ("__init__.py", "__main__.py"):
            continue
        if len(place.parts) == 1:
            listed = place.name in tree
        else:
            folders = ["/".join(place.parts[:depth]) + "/" for depth in range(1, len(place.parts))]
            lines = "".join(tree.get(folder, "") for folder in folders)
            listed = re.search(rf"\b{path.stem}\b", lines) is not None
        missing += [] if listed else [place.as_posix()]
    assert not missing, f"the tree in README.md lacks: {', '.join(missing)}"


def test_the_tree_in_the_readme_lists_nothing_that_is_gone() -> None:
    gone = [entry for entry in _tree() if not (ROOT / "src" / "fairmem" / entry).exists()]
    assert not gone, f"the tree in README.md lists what is not there: {', '.join(gone)}"

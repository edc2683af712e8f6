from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairmem.errors import MissingExtraError
from fairmem.lab.plots import draw
from tests.unit.lab.test_tables import SMALL


def test_the_figure_is_a_png_also_where_snr_is_negative(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib absent: pip install 'fairmem[train]'")
    draw(SMALL, tmp_path / "lab.png")
    assert (tmp_path / "lab.png").read_bytes().startswith(b"\x89PNG")
    renamed = {**SMALL, "rules": {"mine": "x"}}
    renamed["cells"] = [{**cell, "results": {"mine": cell["results"]["logo"]}} for cell in SMALL["cells"]]
    draw(renamed, tmp_path / "mine.png")


def test_without_matplotlib_the_pip_line_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"drawing the lab's figure needs the package 'matplotlib'"):
        draw(SMALL, tmp_path / "lab.png")

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.cli import main


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "not the folder of a run (it has no recipe.toml)" in capsys.readouterr().err

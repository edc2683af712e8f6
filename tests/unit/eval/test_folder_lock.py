"""One process at a time in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fairmem.errors import ConfigError
from fairmem.eval.folder_lock import locked

HOLD = """
import sys
from pathlib import Path
from fairmem.eval.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone_however_it_went(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path / "a")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="another process is at work in this folder"), locked(tmp_path / "a"):
            pass
        holder.kill()
    with locked(tmp_path / "a"), locked(tmp_path / "b"), locked(None):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    complaint = r"--out .*file: cannot be written to: File exists; choose another folder"
    with pytest.raises(ConfigError, match=complaint), locked(tmp_path / "file"):
        pass

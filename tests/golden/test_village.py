"""What a seed gives, to the byte. A change of these numbers changes every village result: say so in the changelog."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairmem.data import locomo
from fairmem.data.village import Split, generate

GOLDEN = {
    "train": "e6577634e76119eaf4c5bb60e29848f672e2fac74f7d24fa51bd4660b02a63b8",
    "val": "8f741fc5677bdf3825c34c98cb7f668336292f9fd04f4f44cc8c12c709f1f8d8",
    "test": "00f6e78d720a5bbb0f9d03bfe49ef06434029988e4937a80372be58725ab6eee",
}
"""SHA-256 of the LoCoMo file of three conversations of six sessions, seed 11, difficulty 0.7."""

_IN_ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
from fairmem.data import locomo
from fairmem.data.village import generate
path = Path(sys.argv[1])
locomo.dump(generate(11, "test", 3, 6, 0.7), path)
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_seed_gives_the_same_bytes_for_ever(split: Split, tmp_path: Path) -> None:
    path = tmp_path / "village.json"
    locomo.dump(generate(11, split, 3, 6, 0.7), path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == GOLDEN[split]


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_another_process_with_another_hash_seed_gives_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _IN_ANOTHER_PROCESS, str(tmp_path / "village.json")],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == GOLDEN["test"]

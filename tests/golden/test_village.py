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
    "train": "4b2c3878a700d7d6b45f36ffcb143f129d68291a5d38e56ea690b5216b0d8b57",
    "val": "d034c913e29652aa2d756012d787cf4c63e05057bb0d577562fc503e139a38a4",
    "test": "b0ea8a63ac6d3707fc0eae2800b4665ee47b47fe9d709a1c3568fbd3748ede5b",
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

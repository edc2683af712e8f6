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
    "train": "30dd6099522fa160abcfac519a63f3fe76b47be1459de55943744dda1d9fd9e0",
    "val": "a133db603d1721aeba7bb02e592de38e7cd9f03244e39884eb5b6fc2e43ba69a",
    "test": "d79c39e3175a021bed1e817a154ba6671b48326b3e323bd7fcf54738a7cf7c1d",
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

"""Every example runs as a user would run it, in its own process with warnings as errors, and says what it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

SAYS = {
    "custom_credit": (
        # Session 1: rewards 0.1, 0.2, 0.3, 1.0; mean 0.4, sum of squares 0.09 + 0.04 + 0.01 + 0.36 = 0.5,
        # deviation sqrt(0.5 / 3) = 0.408; so -0.735, -0.490, -0.245, 1.470. Ranks 0, 1/3, 2/3, 1 minus 1/2.
        "grpo: 1 of 3 sessions compared (1 without contrast, 1 unscored)",
        "[-0.73 -0.49 -0.24  1.47]",
        "[-0.5  -0.17  0.17  0.5 ]",
        "[ 0.   0.5 -0.5], weight 1.0",
    ),
    "custom_op": (
        "applied, entry 1",
        "Ilva has a sister. -> Ilva's sister Runa broke her ankle.",
        "unknown_id; the bank is as it was: True",
    ),
    # Session 1: (3 * 0 + 1 * 1) / 4 = 0.25 where the shipped part says (0 + 1) / 2.
    "custom_reward": ("AnswerReward      {1: 0.5, 2: 0.5, 3: None}", "ChangesCountMore  {1: 0.25, 2: 0.5, 3: None}"),
    "remember_and_answer": ("before: Ilva's home is Marstrand.", "answer 'Skagen'", "answer 'two'", "F1 1.00"),
}
"""What the output of each example holds."""

NO_TORCH = "import sys; sys.modules['torch'] = None; import runpy; runpy.run_path(sys.argv[1], run_name='__main__')"


def _output(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_without_torch_and_says_what_it_should(path: Path, tmp_path: Path) -> None:
    output = _output("-c", NO_TORCH, str(path), folder=tmp_path)
    for text in SAYS[path.stem]:
        assert text in output
    assert list(tmp_path.iterdir()) == []


def test_every_expectation_is_of_an_example_that_is_there() -> None:
    assert set(SAYS) == {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_opens_with_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert 20 <= text.count("\n") <= 65
    assert f"python examples/{path.name}" in text

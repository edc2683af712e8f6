from __future__ import annotations

import subprocess
import sys

from fairmem import demo


def test_the_demo_shows_every_operation_with_its_outcome() -> None:
    printed = "\n".join(demo.lines())
    assert "INSERT Ilva: Ilva lives in Marstrand.  ->  applied, entry 1" in printed
    assert "UPDATE entry 2: Torben keeps five beehives.  ->  applied, entry 2" in printed
    assert "DELETE entry 3  ->  applied, entry 3" in printed
    assert "NOOP  ->  noop" in printed
    assert "INSERT Torben: Torben keeps five beehives.  ->  merged_duplicate, entry 2" in printed
    assert "dropped  no fact d among 3: 'd DELETE 2'" in printed


def test_the_bank_is_shown_after_every_session() -> None:
    sizes = [line.strip() for line in demo.lines() if "memory bank:" in line]
    # Session 1 inserts three; 2 deletes one and updates one; 3 inserts one, updates one, confirms one.
    assert sizes == ["memory bank: 0 -> 3 entries", "memory bank: 3 -> 2 entries", "memory bank: 2 -> 3 entries"]


def test_all_questions_are_answered_right_from_memory() -> None:
    answers = [line for line in demo.lines() if "(right:" in line]
    assert len(answers) == 3
    assert all(line.endswith("F1 1.00)") for line in answers)


def test_the_demo_runs_where_torch_cannot_be_imported() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['torch', 'transformers'], None))\n"
        "from fairmem.cli import main\n"
        "sys.exit(main(['demo']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == list(demo.lines())

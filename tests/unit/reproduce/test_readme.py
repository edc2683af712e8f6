"""The table of a README is that of the report, and what stands around it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairmem.errors import DataError
from fairmem.reproduce import plan_runs, put_in_readme, report, section
from fairmem.reproduce.readme import BEGIN, END
from tests.unit.reproduce.build import finish, matrix


def test_every_compared_arm_has_a_row_with_its_interval_and_verdict(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    runs = plan_runs(made, [0, 1], tmp_path)
    for run in runs:
        if run.arms[0][0] == "credit":
            finish(run.folder, 0.125, {"grpo": 0.25, "logo": 0.5}[run.arms[0][1]])
    lines = section(report(made, runs, {})).splitlines()
    assert lines[2:] == [
        "| **LoGo against GRPO**, 1,000 tokens | | | | | |",
        "| `logo`: the recipe | 0.500 | `grpo` (0.250) | +0.250 [+0.250, +0.250] | better | 2 |",
        "| **In stages**, 2,000 tokens | | | | | |",
        "| `stages`: 4, then 8 | - | `direct` (-) | - | no interval | 0 |",
    ]


def test_the_section_is_replaced_between_its_two_lines(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    found = report(made, plan_runs(made, [0], tmp_path), {})
    readme = tmp_path / "README.md"
    readme.write_text(f"# A\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):  # the second time it is there already
        put_in_readme(found, readme)
        assert readme.read_text() == f"# A\n\n{BEGIN}\n\n{section(found)}\n{END}\n\nafter\n"


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_the_two_lines_is_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(DataError, match=r"README\.md: expected the line '<!-- results of fairmem reproduce -->'"):
        put_in_readme({"groups": []}, readme)
    assert readme.read_text() == text
    with pytest.raises(DataError, match=r"absent\.md: cannot be read"):
        put_in_readme({"groups": []}, tmp_path / "absent.md")

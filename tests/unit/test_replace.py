"""Files that change in one move."""

from pathlib import Path

import pytest

from fairmem.replace import replace_text, replacing


def test_a_file_is_made_or_gets_the_new_content_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    replace_text(path, "Łódź\n")
    assert path.read_bytes() == "Łódź\n".encode()
    replace_text(path, "new\n")
    assert path.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_until_all_is_written_the_old_content_stands(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("ne")
        assert path.read_text() == "old"
        partial.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_breaks_off_leaves_the_old_content_and_no_part(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as partial:
        partial.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

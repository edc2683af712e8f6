"""The table of datasets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fairmem.data import DATASETS, load
from fairmem.errors import ConfigError, DataError
from tests.unit.data.samples import tiny_locomo


def test_every_dataset_states_its_licence_and_where_it_comes_from() -> None:
    assert {"locomo", "msc", "village"} <= set(DATASETS)
    for name, spec in DATASETS.items():
        assert spec.name == name
        assert spec.licence and spec.where and spec.description.endswith(".")


def test_a_dataset_loads_by_name_with_its_own_options(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([tiny_locomo()]), encoding="utf-8")
    assert [c.id for c in load("locomo", path, conversations=["conv-1"])] == ["conv-1"]


def test_generated_conversations_need_a_seed_and_no_path() -> None:
    first, second = load("village", seed=1, split="train", conversations=2, sessions=2)
    assert len(first.sessions) == len(second.sessions) == 2
    assert load("village", seed=1, conversations=1, sessions=2, start=1) == [second]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("locomoco",), {}, "unknown dataset 'locomoco'; known: beam, booksum, hotpotqa, locomo, longmemeval"),
        (("locomo",), {}, "dataset 'locomo' needs a path; get the file from https://github.com/snap-research/locomo"),
        (("msc",), {}, "dataset 'msc' needs a path"),
        (("locomo", Path("x")), {"seed": 1}, "dataset 'locomo' has no option 'seed'; it takes: conversations"),
        (("village", Path("x")), {}, "dataset 'village' is generated and takes no path, found x"),
        (("village",), {"split": "dev"}, "village split is 'dev', expected one of train, val, test"),
    ],
)
def test_a_wrong_name_option_or_path_is_one_clear_line(
    arguments: tuple[str, Path], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(*arguments, **options)
    assert str(caught.value).startswith(message)


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; LoCoMo is at"):
        load("locomo", tmp_path / "x.json")


def test_importing_the_table_imports_no_loader_and_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "fairmem.data.village", "fairmem.data.locomo")
    code = f"import sys, fairmem.data; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

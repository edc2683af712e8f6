# The engine's packages are not in the environment that types are checked in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import pytest

pytest.importorskip("verl", reason="verl is not installed: pip install 'fairmem[verl]'")
import torch

from fairmem.learner.engines import Rolled
from fairmem.learner.engines.verl.episodes import KEY, outputs_of, row_of
from tests.unit.learner.conftest import MakeRow


def test_every_row_becomes_an_output_and_comes_back_as_it_was(row: MakeRow) -> None:
    rows = [row(ids=(3, 4), advantage=0.5, group="a"), row((7,), (8,), advantage=-0.5, group="a", kind="local")]
    rows.append(row((7,), (8, 9), advantage=0.25, advantages=(0.5, 0.0), group="a"))
    *turns, tree = outputs_of(Rolled(rows, {"index": 1}), filler=2, version=4)
    for made, before in zip(turns, rows, strict=True):
        field = made.as_dict()
        ours = field["extra_fields"][KEY]
        assert field["response_mask"].tolist() == [1] * len(before.ids)
        back = row_of(ours, field["prompts"], field["responses"], field["rollout_log_probs"].double())
        assert back == before
        assert field["extra_fields"]["min_global_steps"] == 4
    assert tree.response_mask == [0] and tree.extra_fields[KEY] == {"facts": {"index": 1}}


def test_a_conversation_without_rows_still_has_the_output_that_carries_its_tree() -> None:
    (tree,) = outputs_of(Rolled([], {"index": 0}), filler=2, version=0)
    assert tree.prompt_ids == [2] and torch.tensor(tree.response_mask).sum() == 0

"""The direction along which memory acts as an order is taken out of the hidden states of a local model.

h <- h - (<h, v> - mu) v from the last token of the prompt on, v and mu as `fairmem drift probe` saved them, in the
layer they were read from. All directions that are given are taken out, since a deployed agent does not know which bias
its memory holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmem.agents.hooks import Access, Need, Proposal, Situation, ToolDefense
from fairmem.errors import ConfigError, DataError

if TYPE_CHECKING:
    from fairmem.drift.probes.direction_file import SavedDirection
    from fairmem.drift.probes.residual import Change


class DirectionAblation(ToolDefense):
    """See the module."""

    name = "direction-ablation"
    needs = frozenset((Need.STATES,))

    def __init__(self, directions: Sequence[SavedDirection]) -> None:
        from fairmem.drift.probes.residual import ablation

        if not directions:
            raise ConfigError("direction ablation: no directions; write some with fairmem drift probe")
        self.directions = tuple(directions)
        by_layer: dict[int, list[Change]] = {}
        for one in self.directions:
            by_layer.setdefault(one.layer, []).append(ablation(one.vector_W, one.neutral))
        self._layers = {layer: _OneAfterAnother(changes) for layer, changes in by_layer.items()}

    def decode(self, situation: Situation, access: Access) -> Proposal:
        """The model's call with the directions taken out; as it is where there is no memory."""
        if not situation.memories or access.ask_changed is None:
            return access.ask(situation)
        return access.ask_changed(situation, self._layers)


class _OneAfterAnother:
    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = tuple(changes)

    def __call__(self, states: Any) -> Any:
        for change in self._changes:
            states = change(states)
        return states


def read_directions(folder: Path, model_hash: str = "") -> list[SavedDirection]:
    """The `direction-BIAS.npz` of a probe's folder, all of the model that `model_hash` names, if it is given.

    Raises:
        DataError: there is none, one cannot be read, or one is of another model.
    """
    from fairmem.drift.probes.direction_file import load_direction

    files = sorted(folder.glob("direction-*.npz"))
    if not files:
        raise DataError(f"{folder}: no direction-BIAS.npz in it; write them with fairmem drift probe --out {folder}")
    found = [load_direction(file) for file in files]
    for file, one in zip(files, found, strict=True):
        if model_hash and one.model_hash != model_hash:
            raise DataError(f"{file}: its direction is of another model; probe this one and give that folder")
    return found

"""Whether the models that ship are whole: files, the hash of the weights, and that every tensor is in its file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from fairmem.doctor.finding import Finding
from fairmem.errors import FairmemError
from fairmem.policy import folder_of, weights_digest
from fairmem.policy.model_folder import check_folder

BUNDLED_DIGESTS = {
    "bundled": "7ded5d7a5d3d29a687a5ec8c2320c66cd06cdefa8976dcb131a63c670e5af891",
    "bundled:extractor": "a2024f8043b97417a4a5bbd5adc3127ff4ebdd0582e9859cad4b8ae99d7287f8",
    "bundled:planted": "bb915fe744396cc622a3a5c5e01f90b9948307fe872761915b8deb780eaf9e83",
}
"""Model -> SHA-256 of the weights that ship; a test compares them, so a new model brings a new one."""


def bundled_findings(load: bool = False, places: Mapping[str, Path] | None = None) -> Iterator[Finding]:
    """The state of each bundled model.

    Args:
        load: Load the first too and let it write a token; takes seconds and needs the extra `train`.
        places: Model -> another folder than where it ships.
    """
    for name, digest in BUNDLED_DIGESTS.items():
        place = (places or {}).get(name) or folder_of(name)
        assert place is not None
        found = _state(name, place, digest)
        yield found
        if load and name == "bundled" and found.level == "ok":
            yield _loaded(place)


def _state(name: str, place: Path, expected: str) -> Finding:
    """Whether the model in `place` is whole, and its weights those that ship."""
    repair = "install fairmem again"
    try:
        check_folder(place)
        tensors = _tensors(place / "model.safetensors")
    except (FairmemError, OSError, ValueError) as error:
        return Finding("model", "error", f"{name}: {error}", repair)
    digest = weights_digest(str(place))
    if digest != expected:
        message = f"{name}: its weights have SHA-256 {str(digest)[:12]}..., expected {expected[:12]}..."
        return Finding("model", "error", message, repair)
    return Finding("model", "ok", f"{name} is whole: {tensors} tensors, SHA-256 {expected[:12]}...")


def _tensors(path: Path) -> int:
    """How many tensors the file holds, after checking that it is as long as its head says.

    Raises:
        ValueError: it is not.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size <= path.stat().st_size:
            raise ValueError(f"{path} is damaged (its head cannot be read)")
        head = json.loads(file.read(size))
    tensors = {name: value for name, value in head.items() if name != "__metadata__"}
    end = max(value["data_offsets"][1] for value in tensors.values())
    if 8 + size + end != path.stat().st_size:
        raise ValueError(f"{path} is damaged ({path.stat().st_size:,} bytes, expected {8 + size + end:,})")
    return len(tensors)


def _loaded(folder: Path) -> Finding:
    from fairmem.policy import Message, SampleRequest, open_policy
    from fairmem.trace import CallFailure

    try:
        policy = open_policy(f"hf:{folder}", device="cpu")
        (reply,) = policy.sample([SampleRequest((Message("user", "<extract> 7 May 2023\n<out>\n"),), 4, 0.0)])
        policy.close()
    except FairmemError as error:
        return Finding("model", "error", f"bundled model does not load: {error}")
    if isinstance(reply, CallFailure):
        return Finding("model", "error", f"bundled model does not write: {reply.message}")
    return Finding("model", "ok", f"bundled model loads and wrote {len(reply.ids)} tokens")

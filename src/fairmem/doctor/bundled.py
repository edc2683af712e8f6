"""Whether the model that ships is whole: its files, the hash of its weights, and that every tensor is in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fairmem.doctor.finding import Finding
from fairmem.errors import FairmemError
from fairmem.policy import folder_of, weights_digest
from fairmem.policy.model_folder import check_folder

BUNDLED_DIGEST = "7ded5d7a5d3d29a687a5ec8c2320c66cd06cdefa8976dcb131a63c670e5af891"
"""SHA-256 of the weights that ship; a test compares them, so a new model brings a new one."""


def bundled_findings(load: bool = False, folder: Path | None = None) -> Iterator[Finding]:
    """The state of the bundled model.

    Args:
        load: Load it too and let it write a token; takes seconds and needs the extra `train`.
        folder: Another folder than where it ships.
    """
    place = folder or folder_of("bundled")
    assert place is not None
    try:
        check_folder(place)
        names = _tensors(place / "model.safetensors")
    except (FairmemError, OSError, ValueError) as error:
        yield Finding("model", "error", f"bundled model: {error}", "install fairmem again")
        return
    digest = weights_digest(str(place))
    if digest != BUNDLED_DIGEST:
        yield Finding(
            "model", "error", f"bundled model: its weights have SHA-256 {str(digest)[:12]}..., expected "
            f"{BUNDLED_DIGEST[:12]}...", "install fairmem again",
        )  # fmt: skip
        return
    yield Finding("model", "ok", f"bundled model is whole: {names} tensors, SHA-256 {digest[:12]}...")
    if load:
        yield _loaded(place)


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

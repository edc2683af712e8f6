"""One model for all roles, or a folder with a model per role: what a run with two models leaves.

runs/NAME/model/extractor/   a Hugging Face folder each
runs/NAME/model/manager/
"""

from __future__ import annotations

from typing import Any

from fairmem.policy.base import Family, Policy
from fairmem.policy.registry import folder_of, open_ready
from fairmem.trace import Role

WRITERS: tuple[Role, ...] = ("extractor", "manager")
"""The two roles that write memory."""


def is_pair(spec: str) -> bool:
    """Whether `spec` names a folder with one model for each of the two roles that write memory."""
    folder = folder_of(spec)
    return folder is not None and all((folder / role / "config.json").is_file() for role in WRITERS)


def of_role(spec: str, role: Role) -> str:
    """The model that `spec` gives to `role`: a folder below it, or itself."""
    folder = folder_of(spec)
    return f"hf:{folder / role}" if folder is not None and is_pair(spec) else spec


def open_writers(
    spec: str, base_url: str, api_key_env: str, *, family: Family = "instruct", concurrency: int = 16, **local: Any
) -> dict[Role, Policy]:
    """The models that write memory, by role, those of a single agent and of a writer among them; see `open_ready`.

    Raises:
        FairmemError: as `open_ready`.
    """
    if not is_pair(spec):
        one = open_ready(spec, base_url, api_key_env, family=family, concurrency=concurrency, **local)
        return {"extractor": one, "manager": one, "single": one, "writer": one}
    return {role: open_ready(of_role(spec, role), base_url, api_key_env, **local) for role in WRITERS}

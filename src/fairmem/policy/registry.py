"""Opening a policy by name, as recipes and the command line do."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fairmem
from fairmem.errors import ConfigError, ModelError
from fairmem.policy.base import Family, Policy
from fairmem.policy.cassette import CassettePolicy
from fairmem.policy.model_folder import read_reader
from fairmem.policy.openai import OpenAIPolicy
from fairmem.policy.scripted import ScriptedPolicy

_ASSETS = Path(fairmem.__file__).parent / "assets"
_BUNDLED = {"": _ASSETS / "base", "extractor": _ASSETS / "extractor", "planted": _ASSETS / "planted"}
"""What follows `bundled:` -> the folder."""

Opener = Callable[..., Policy]
"""(what follows the colon, **options) -> the policy."""


def _made(make: Opener, *arguments: str, **options: Any) -> Policy:
    """`make(*arguments, **options)`; options that its signature does not have are the user's error."""
    try:
        inspect.signature(make).bind(*arguments, **options)
    except TypeError as error:
        raise ConfigError(f"policy options {', '.join(sorted(options))}: {error}") from error
    return make(*arguments, **options)


def _open_hf(argument: str, **options: Any) -> Policy:
    from fairmem.policy.hf import HFPolicy

    return _made(HFPolicy.from_folder, argument, **options)


def _open_bundled(argument: str, **options: Any) -> Policy:
    folder = _BUNDLED.get(argument)
    if folder is None:
        known = ", ".join(f"'bundled:{name}'".replace(":'", "'") for name in _BUNDLED)
        raise ConfigError(f"policy 'bundled:{argument}': not known; expected one of {known}")
    if not folder.is_dir():
        raise ModelError(f"{folder}: this installation has no bundled model; install a release or use hf:PATH")
    return _open_hf(str(folder), **{"name": f"bundled:{argument}".rstrip(":"), **options})


def _open_openai(argument: str, **options: Any) -> Policy:
    return _made(OpenAIPolicy, argument, **options)


def _open_scripted(argument: str, **options: Any) -> Policy:
    if argument:
        raise ConfigError(f"policy 'scripted:{argument}': takes no argument; write 'scripted'")
    return _made(ScriptedPolicy, **options)


def _open_served(
    argument: str, folder: str = "bundled", base_url: str = "http://127.0.0.1:8000/v1", **options: Any
) -> Policy:
    """`folder` names the model here whose tokenizer renders; `base_url` may hold several addresses, with spaces."""
    from fairmem.policy.served import ServedPolicy

    place = folder_of(folder)
    if place is None:
        raise ConfigError(
            f"policy 'served:{argument}': folder is {folder!r}, expected a model folder for its tokenizer"
        )
    about = read_reader(place)
    return _made(ServedPolicy, argument, **{"servers": base_url.split(), **about, **options})


def _open_cassette(argument: str, record: str | None = None, **options: Any) -> Policy:
    """`record` is the spec of the policy to record, and the options are then its options."""
    if record is None and options:
        raise ConfigError(f"policy 'cassette:{argument}': {', '.join(sorted(options))} given, but nothing to record")
    return CassettePolicy(argument, None if record is None else open_policy(record, **options))


POLICIES: dict[str, Opener] = {
    "bundled": _open_bundled,
    "cassette": _open_cassette,
    "hf": _open_hf,
    "openai": _open_openai,
    "scripted": _open_scripted,
    "served": _open_served,
}
"""Name before the colon -> what opens it. Add a line for another backend; the contract test then names what it owes."""


def open_policy(spec: str, base_url: str | None = None, **options: Any) -> Policy:
    """Open the policy that `spec` names.

    Args:
        spec: `bundled` (or `bundled:extractor`, `bundled:planted`), `hf:PATH` or a path, `openai:NAME`, `served:NAME`,
            `scripted`, or `cassette:PATH`.
        base_url: Address of the endpoint, for `openai` and `served`.
        options: Passed to the policy: see `HFPolicy`, `OpenAIPolicy`, `ServedPolicy` (with `folder`, a model folder
            here whose tokenizer it uses), `ScriptedPolicy`; for a cassette
            `record`, the spec of the policy to record, with its options.

    Raises:
        ConfigError: no such policy, or an option it does not take.
        ModelError: a model folder that cannot be used.
        DataError: a cassette that cannot be read.
        MissingExtraError: the packages that run a model here are not installed.
    """
    kind, _, argument = spec.partition(":")
    if kind not in POLICIES:
        if os.sep not in spec and not Path(spec).exists():
            known = "bundled, hf:PATH, openai:NAME, served:NAME, scripted, cassette:PATH or the path of a model folder"
            raise ConfigError(f"policy {spec!r}: not known; expected {known}")
        kind, argument = "hf", spec
    if kind in ("hf", "openai", "served", "cassette") and not argument:
        raise ConfigError(f"policy {spec!r}: nothing after '{kind}', expected as in '{kind}:NAME' or '{kind}:PATH'")
    if base_url is not None:
        options["base_url"] = base_url
    return POLICIES[kind](argument, **options)


def folder_of(spec: str) -> Path | None:
    """The folder that `open_policy(spec)` reads a model from; None where the model is not in a folder here."""
    kind, _, argument = spec.partition(":")
    if kind == "bundled":
        return _BUNDLED.get(argument)
    if kind == "hf":
        return Path(argument)
    return None if kind in POLICIES else Path(spec)


def weights_digest(model: str) -> str | None:
    """SHA-256 of the weights, so that a stored study says which model it is about; None if they are not in a folder."""
    folder = folder_of(model)
    if folder is None or not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def open_ready(
    spec: str,
    base_url: str,
    api_key_env: str,
    *,
    family: Family = "instruct",
    concurrency: int = 16,
    **local: Any,
) -> Policy:
    """Open `spec`, and if it is an endpoint make sure that it answers before any work starts.

    `base_url` (empty: the endpoint's default), `api_key_env`, `family` and `concurrency` (most requests in flight) are
    for endpoints, `local` for models here.

    Raises:
        EndpointError: the endpoint cannot serve the run; otherwise as `open_policy`.
    """
    if not spec.startswith("openai:"):
        return open_policy(spec, **local)
    asked = {"api_key_env": api_key_env, "family": family, "concurrency": concurrency}
    policy = open_policy(spec, base_url=base_url or None, **asked)
    if isinstance(policy, OpenAIPolicy):
        policy.check()
    return policy

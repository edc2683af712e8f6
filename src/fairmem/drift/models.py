"""Opening a model for an audit by name."""

from __future__ import annotations

from collections.abc import Sequence

from fairmem.drift.answer import CallModel
from fairmem.drift.closed_form import ClosedFormModel, DriftParameters, ReferenceModel
from fairmem.drift.endpoint import EndpointModel
from fairmem.drift.small.plant import Plant, PlantModel
from fairmem.errors import ConfigError
from fairmem.policy import OpenAIPolicy, open_policy

_NUMBERS = ("alpha", "kappa", "noise", "polarity", "beta")


def open_model(
    spec: str,
    *,
    base_url: str = "",
    api_key_env: str = "OPENAI_API_KEY",
    sampled: bool = False,
    temperature: float = 1.0,
    max_tokens: int = 2048,
    concurrency: int = 8,
) -> CallModel:
    """Open the model that `spec` names; an endpoint is asked for one harmless call before anything else.

    Args:
        spec: `openai:NAME`; `bundled`, `hf:PATH` or a model folder; `closed-form` or `closed-form:alpha=1,kappa=2`;
            `scripted`, which makes every scenario's reference call; `plant` or `plant:alpha=0.8`, what a planted model
            should do; `cassette:PATH` of recorded texts.
        base_url: Address of the endpoint; empty for OpenAI's own.
        api_key_env: Variable that holds the key.
        sampled: Draw calls from a local or closed-form model rather than read its distributions.
        temperature: Of sampling.
        max_tokens: Most tokens of a reply.
        concurrency: Most requests in flight.

    Raises:
        ConfigError: no such model, or an option of it is wrong.
        EndpointError: the endpoint gives no tool call.
        ModelError: a model folder that cannot be used.
        MissingExtraError: the packages that run a model here are not installed.
    """
    kind, _, argument = spec.partition(":")
    if not 0 <= temperature < float("inf") or max_tokens < 1 or concurrency < 1:
        raise ConfigError(f"temperature {temperature}, max tokens {max_tokens}, concurrency {concurrency}: too small")
    if kind == "closed-form":
        return ClosedFormModel(_parameters(argument, sampled))
    if kind == "plant":
        return PlantModel(Plant(**_numbers(spec, argument, ("alpha", "ordered"))))
    if spec == "scripted":
        return ReferenceModel()
    if kind == "openai":
        policy = open_policy(spec, base_url=base_url or None, api_key_env=api_key_env, concurrency=concurrency)
        assert isinstance(policy, OpenAIPolicy)
        endpoint = EndpointModel(policy, temperature=temperature, max_tokens=max_tokens, concurrency=concurrency)
        endpoint.start()
        return endpoint

    from fairmem.drift.local import ScoredModel, TextModel

    policy = open_policy(spec)
    if sampled or kind == "cassette":
        return TextModel(policy, temperature=temperature, max_tokens=max_tokens)

    from fairmem.policy.hf import HFPolicy

    assert isinstance(policy, HFPolicy)
    return ScoredModel(policy)


def _parameters(argument: str, sampled: bool) -> DriftParameters:
    return DriftParameters(**_numbers(f"closed-form:{argument}", argument, _NUMBERS), sampled=sampled)


def _numbers(spec: str, argument: str, names: Sequence[str]) -> dict[str, float]:
    """The numbers in `argument`, as in alpha=0.5,kappa=2, of which each is one of `names`."""
    found: dict[str, float] = {}
    for part in filter(None, argument.split(",")):
        name, _, value = part.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if name not in names or number != number:
            raise ConfigError(f"{spec}: {part!r}, expected {', '.join(names)} as in alpha=0.5")
        found[name] = number
    return found

"""Token ids in, token ids and log-probabilities out, over `/v1/completions` as vLLM serves it. Pure functions.

Field names are those of vLLM 0.10.2 and newer: `prompt` may be a list of ids, `return_token_ids` adds `token_ids` and
`prompt_token_ids` to each choice, `logprobs: 0` gives the log-probability of each sampled token,
`prompt_logprobs: 0` that of each prompt token. Older servers name the ids in `logprobs.tokens` where
`return_tokens_as_token_ids` is asked for; both are sent. A version of the weights is read from `weight_version`,
where a server tells one (vLLM does not; `fairmem.policy.token_server` does).

vLLM's log-probabilities are those before temperature unless it is started with
`--logprobs-mode processed_logprobs`; training at another temperature than 1 needs that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fairmem.policy.base import SampleRequest
from fairmem.policy.calls import loads
from fairmem.trace import CallFailure, FailureKind

_QUOTED = 200
_SLACK = 1e-3
"""nats by which rounding may lift a log-probability above 0."""
_ID = "token_id:"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a server sampled: ids with their log-probabilities, and the version of its weights if it tells."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    version: int | None


def completion_fields(
    model: str, prompt: Sequence[int], request: SampleRequest, eos: Sequence[int]
) -> dict[str, object]:
    """The body that asks for one sample of `request`, whose prompt has the ids `prompt`.

    Every setting that a server may take from the model's generation config is sent, so that nothing but the
    temperature shapes the distribution.
    """
    return {
        "model": model,
        "prompt": list(prompt),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "n": 1,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "stop_token_ids": list(eos),
        "skip_special_tokens": False,
        "logprobs": 0,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
    }


def scoring_fields(model: str, prompt: Sequence[int], ids: Sequence[int]) -> dict[str, object]:
    """The body that asks for the log-probabilities of given `ids` after `prompt`."""
    return {
        "model": model,
        "prompt": [*prompt, *ids],
        "max_tokens": 1,
        "temperature": 1.0,
        "prompt_logprobs": 0,
        "return_token_ids": True,
    }


def read_sampled_ids(
    text: str, prompt: Sequence[int], request: SampleRequest, eos: Sequence[int]
) -> CallFailure | Sampled:
    """What is in the body of a 200 answer; a failure that says what is wrong with it. Never raises."""
    body = loads(text)
    choice = _choice(body)
    if choice is None:
        return _bad(f"no choices in it: {_quoted(text)}")
    ids = _ids(choice)
    if ids is None:
        return _bad("no token ids in it; the server has to know return_token_ids (vLLM 0.10.2 or newer)")
    logprobs = _logprobs(choice)
    if logprobs is None:
        return _bad("no log-probabilities in it; the server has to give `logprobs`")
    if not ids or len(logprobs) != len(ids):
        return _bad(f"{len(ids)} token ids with {len(logprobs)} log-probabilities, expected one each")
    if len(ids) > request.max_tokens:
        return _bad(f"{len(ids)} tokens where at most {request.max_tokens} were asked for")
    if not all(math.isfinite(p) and p <= _SLACK for p in logprobs):
        return _bad("a log-probability that is not finite or above 0")
    read = choice.get("prompt_token_ids")
    if isinstance(read, list) and cast("list[object]", read) != list(prompt):
        return _bad("the server read another prompt than was sent; does it add tokens of its own?")
    reason = choice.get("finish_reason")
    if reason == "stop" and ids[-1] not in eos:
        return _bad(f"it stopped at token {ids[-1]}, which does not end a message here; the end has to be in token_ids")
    if reason not in ("stop", "length"):
        return CallFailure(kind=FailureKind.SERVER_ERROR, message=f"the server ended the reply early ({reason})")
    return Sampled(tuple(ids), tuple(min(p, 0.0) for p in logprobs), _version(body))


def read_scores(text: str, prompt: int, ids: Sequence[int]) -> CallFailure | tuple[float, ...]:
    """Log-probability of each of `ids` after `prompt` tokens, from the body of a 200 answer. Never raises."""
    choice = _choice(loads(text))
    found = choice.get("prompt_logprobs") if choice is not None else None
    if not isinstance(found, list) or len(cast("list[object]", found)) != prompt + len(ids):
        return _bad("no log-probability per prompt token in it; the server has to give `prompt_logprobs`")
    scores: list[float] = []
    for token, place in zip(ids, cast("list[Any]", found)[prompt:], strict=True):
        held: Any = cast("dict[str, Any]", place).get(str(token)) if isinstance(place, dict) else None
        value: Any = cast("dict[str, Any]", held).get("logprob") if isinstance(held, dict) else None
        if not _is_number(value):
            return _bad(f"no log-probability of token {token} in it")
        scores.append(float(value))
    return tuple(scores)


def _choice(body: Any) -> Mapping[str, Any] | None:
    choices: Any = cast("dict[str, Any]", body).get("choices") if isinstance(body, dict) else None
    first: Any = cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None
    return cast("dict[str, Any]", first) if isinstance(first, dict) else None


def _ids(choice: Mapping[str, Any]) -> list[int] | None:
    found: Any = choice.get("token_ids")
    if not isinstance(found, list):
        held: Any = choice.get("logprobs")
        tokens: Any = cast("dict[str, Any]", held).get("tokens") if isinstance(held, dict) else None
        named = [str(token) for token in cast("list[Any]", tokens)] if isinstance(tokens, list) else []
        if not named or not all(token.startswith(_ID) and token[len(_ID) :].isdigit() for token in named):
            return None
        return [int(token[len(_ID) :]) for token in named]
    ids = cast("list[Any]", found)
    return ids if all(isinstance(token, int) and token >= 0 for token in ids) else None


def _logprobs(choice: Mapping[str, Any]) -> list[float] | None:
    held: Any = choice.get("logprobs")
    found: Any = cast("dict[str, Any]", held).get("token_logprobs") if isinstance(held, dict) else None
    if not isinstance(found, list) or not all(_is_number(value) for value in cast("list[Any]", found)):
        return None
    return [float(value) for value in cast("list[Any]", found)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _version(body: Any) -> int | None:
    told: Any = cast("dict[str, Any]", body).get("weight_version")
    if isinstance(told, str) and told.isdigit():
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _bad(what: str) -> CallFailure:
    return CallFailure(kind=FailureKind.BAD_RESPONSE, message=f"the answer cannot be trained on: {what}")


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}..."

"""What every backend that samples token ids does around the sampling: does a prompt fit, and what was written.

The model may run in this process (`hf`) or behind a server that takes and gives token ids; either way a reply is
read by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairmem.errors import ModelError
from fairmem.policy.base import Reply, Sample
from fairmem.trace import CallFailure, FailureKind, StopReason


def unfit(prompt: int, new: int, context: int | None) -> CallFailure | None:
    """Why a prompt of `prompt` tokens with room for `new` cannot be sampled from; None if it can."""
    if prompt and (context is None or prompt + new <= context):
        return None
    if not prompt:
        return CallFailure(kind=FailureKind.REFUSED, message="the prompt has no tokens; nothing to go on from")
    return CallFailure(
        kind=FailureKind.PROMPT_TOO_LONG,
        message=f"prompt of {prompt} tokens and room for {new} exceed the context of {context} tokens",
    )


def read_sampled(
    tokenizer: Any,
    name: str,
    eos: Sequence[int],
    text: str,
    prompt: tuple[int, ...],
    ids: tuple[int, ...],
    logprobs: tuple[float, ...],
    *,
    version: int | None = None,
) -> Reply:
    """The reply in sampled `ids`.

    Args:
        tokenizer: Decodes them.
        name: Of the model, for messages.
        eos: Ids that end a message.
        text: The rendered prompt, and `prompt` its ids.
        prompt: Token ids of the prompt.
        ids: What was sampled, the end-of-message token included if there was one.
        logprobs: One per id, in nats.
        version: Of the weights, if it is known.
    """
    # nan fails every comparison; a drawn token always has a finite log-probability otherwise.
    if not all(logprob <= 1e-3 for logprob in logprobs):
        message = f"{name} gives log-probabilities that are not numbers; have its weights diverged?"
        return CallFailure(kind=FailureKind.BAD_RESPONSE, message=message)
    ended = bool(ids) and ids[-1] in eos
    written = tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    stop = StopReason.EOS if ended else StopReason.LENGTH
    return Sample(
        prompt_text=text, prompt_ids=prompt, ids=ids, logprobs=logprobs, text=written, stop=stop, version=version
    )


def token_ends(tokenizer: Any, eos: Sequence[int], ids: Sequence[int]) -> tuple[int, ...]:
    """Where each sampled token ends in the text of the reply (`read_sampled`), in characters; rising, one per id.

    Tokens are decoded in short windows that begin where the text was last whole, so that a character made of several
    tokens ends with the last of them. Simplified: a tokenizer whose decoding changes earlier text (none known here)
    would shift places by as much.
    """
    written = ids[:-1] if ids and ids[-1] in eos else ids

    def decoded(part: Sequence[int]) -> str:
        return tokenizer.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    ends: list[int] = []
    before, start, whole = 0, 0, 0  # characters so far; window and its part that is accounted for
    for number in range(1, len(written) + 1):
        known, text = decoded(written[start:whole]), decoded(written[start:number])
        if not text.endswith("\ufffd"):
            before += max(0, len(text) - len(known))
            start, whole = whole, number
        ends.append(before)
    return (*ends, *[before] * (len(ids) - len(written)))


def end_ids(generation_config: Any, tokenizer: Any, name: str) -> tuple[int, ...]:
    """Ids that end a message: those of the model's generation config, else the tokenizer's.

    Raises:
        ModelError: neither names one.
    """
    found = generation_config.eos_token_id
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        raise ModelError(f"{name}: neither generation_config.json nor the tokenizer names an end-of-message token")
    return tuple(int(token) for token in found) if isinstance(found, (list, tuple)) else (int(found),)

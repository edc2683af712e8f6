from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from fairmem.errors import ModelError
from fairmem.policy import Sample
from fairmem.policy.sampled import end_ids, read_sampled, unfit
from fairmem.trace import CallFailure, FailureKind, StopReason


class Letters:
    """A tokenizer whose token 1 is `a`, 2 is `b` and so on."""

    eos_token_id = 9

    def decode(self, ids: tuple[int, ...], **_: object) -> str:
        return "".join(chr(96 + token) for token in ids)


def test_a_prompt_fits_if_it_leaves_room_for_the_reply() -> None:
    assert unfit(6, 4, context=10) is None and unfit(600, 4, context=None) is None
    longer, empty = unfit(7, 4, context=10), unfit(0, 4, context=10)
    assert longer is not None and longer.kind is FailureKind.PROMPT_TOO_LONG
    assert empty is not None and empty.kind is FailureKind.REFUSED


@pytest.mark.parametrize(("ids", "stop"), [((1, 2, 9), StopReason.EOS), ((1, 2), StopReason.LENGTH)])
def test_the_end_token_says_how_it_ended_and_is_not_in_the_text(ids: tuple[int, ...], stop: StopReason) -> None:
    reply = read_sampled(Letters(), "m", (9,), "p", (5,), ids, (-1.0,) * len(ids))
    assert isinstance(reply, Sample) and (reply.text, reply.stop, reply.ids) == ("ab", stop, ids)


@pytest.mark.parametrize("logprob", [math.nan, 0.5])
def test_log_probabilities_that_are_none_are_a_failure(logprob: float) -> None:
    reply = read_sampled(Letters(), "m", (9,), "p", (5,), (1,), (logprob,))
    assert isinstance(reply, CallFailure) and reply.kind is FailureKind.BAD_RESPONSE


def test_end_tokens_are_the_generation_configs_else_the_tokenizers() -> None:
    assert end_ids(SimpleNamespace(eos_token_id=[3, 4]), Letters(), "m") == (3, 4)
    assert end_ids(SimpleNamespace(eos_token_id=5), Letters(), "m") == (5,)
    assert end_ids(SimpleNamespace(eos_token_id=None), Letters(), "m") == (9,)
    with pytest.raises(ModelError, match="names an end-of-message token"):
        end_ids(SimpleNamespace(eos_token_id=None), SimpleNamespace(eos_token_id=None), "m")

"""Two branches behind one prefix, drawn by hand, and the same numbers from the model as without packing."""

from typing import Any

import numpy as np
import pytest

from fairmem.policy import import_torch
from fairmem.pretrain import Demonstration, Imperfection, Mixture, Packer
from fairmem.pretrain.base_model import demonstrations

TWO = Demonstration("answerer", "ab", (("cd", "e"), ("f", "gh")))
ONE = Demonstration("extractor", "abc", (("", "de"),))
EOS = 9


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def pack(*demonstrations: Demonstration, rows: int = 1, length: int = 12) -> list[Any]:
    return list(Packer(encode, EOS, rows, length).batches([*demonstrations, *[TWO] * rows * 2]))


def test_a_prefix_stands_once_before_its_branches() -> None:
    batch = pack(TWO)[0]
    #                           a  b  c  d  e  eos f  g  h  eos -  -
    assert batch.ids[0].tolist() == [*map(ord, "abcde"), 9, *map(ord, "fgh"), 9, 0, 0]
    assert batch.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 0, 0]
    assert batch.branch[0].tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0]
    assert batch.document[0].tolist() == [1] * 10 + [0, 0]


def test_every_reply_token_is_predicted_from_the_one_before_it_in_its_own_branch() -> None:
    batch = pack(TWO)[0]
    no, e, g, h = -100, *map(ord, "egh")
    #                                   a   b   c   d  e  eos  f  g  h  eos
    assert batch.target[0].tolist() == [no, no, no, e, 9, no, g, h, 9, no, no, no]
    b, d = map(ord, "bd")
    assert batch.context[0].tolist() == [b, no, d, no, no, no, no, no, no, no, no, no]
    only = pack(ONE)[0]
    # Without a rest the prefix's last token predicts the reply's first.
    d, e = map(ord, "de")
    assert only.target[0].tolist()[:6] == [no, no, d, e, 9, no]


def test_a_branch_sees_the_prefix_and_itself_only() -> None:
    batch = pack(TWO)[0]
    drawn = """
        x.........
        xx........
        xxx.......
        xxxx......
        xxxxx.....
        xxxxxx....
        xx....x...
        xx....xx..
        xx....xxx.
        xx....xxxx
    """
    expected = np.array([[mark == "x" for mark in line] for line in drawn.split()])
    assert batch.visible().shape == (1, 1, 12, 12)
    assert (batch.visible()[0, 0, :10, :10] == expected).all()


def test_demonstrations_in_one_row_do_not_see_each_other() -> None:
    batch = pack(ONE, ONE)[0]  # six tokens each
    assert batch.document[0].tolist() == [1] * 6 + [2] * 6
    seen = batch.visible()[0, 0]
    assert not seen[6:, :6].any() and not seen[:6, 6:].any()
    assert (seen[:6, :6] == seen[6:, 6:]).all() and (seen[:6, :6] == np.tril(np.ones((6, 6), bool))).all()


def test_a_demonstration_goes_into_the_first_row_with_room_and_one_longer_than_a_row_is_counted() -> None:
    packer = Packer(encode, EOS, rows=2, length=12)
    long = Demonstration("extractor", "x" * 12, (("", "y"),))
    batches = list(packer.batches([ONE, TWO, long, ONE, ONE, TWO, TWO, TWO]))
    assert packer.skipped == 1
    # ONE (6) and TWO (10) do not share a row of 12; the second ONE joins the first in row 0, the third starts a batch
    # in which two TWOs do not fit. The second batch ends with the third TWO, whose own batch is never full.
    assert [batch.document.max(axis=1).tolist() for batch in batches] == [[2, 1], [1, 1]]


@pytest.fixture(scope="module")
def tiny() -> Any:
    torch = import_torch()
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.3,  # larger than usual, so that a wrong mask or position shows
    )
    return Qwen3ForCausalLM(config).eval()


def test_a_packed_forward_equals_each_prompt_alone(tiny: Any) -> None:
    torch = import_torch()
    real = next(d for d in demonstrations(0, Imperfection(), 0.5, Mixture(questions=4)) if len(d.branches) == 4)
    packed = [ONE, TWO, real]
    (batch,) = Packer(encode, EOS, 1, 3000).batches([*packed, Demonstration("extractor", "z" * 2990, (("", "z"),))])

    def tensor(array: np.ndarray) -> Any:
        return torch.from_numpy(array)

    with torch.no_grad():
        together = tiny(
            input_ids=tensor(batch.ids),
            position_ids=tensor(batch.positions),
            attention_mask=tensor(batch.visible()),
            use_cache=False,
        ).logits[0]
        for document, demonstration in enumerate(packed, 1):
            for number, (rest, reply) in enumerate(demonstration.branches, 1):
                mine = (batch.document[0] == document) & np.isin(batch.branch[0], (0, number))
                ids = [*encode(demonstration.prefix + rest + reply), EOS]
                assert batch.ids[0][mine].tolist() == ids
                alone = tiny(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
                assert torch.allclose(together[tensor(mine)], alone, atol=1e-5 * float(alone.abs().max()), rtol=1e-5)


def test_packing_saves_most_of_the_tokens_of_a_quiz() -> None:
    stream = demonstrations(0, Imperfection(), 0.5, Mixture(questions=6))
    demonstration = next(d for d in stream if len(d.branches) == 6)
    alone = sum(len(demonstration.prefix + rest + reply) + 1 for rest, reply in demonstration.branches)
    (batch,) = Packer(encode, EOS, 1, 4000).batches(
        [demonstration, Demonstration("extractor", "z" * 3990, (("", "z"),))]
    )
    assert (batch.document > 0).sum() < 0.6 * alone


def test_demonstrations_never_end() -> None:
    stream = demonstrations(3, Imperfection(), 0.8, Mixture())
    assert len({next(stream).prefix for _ in range(300)}) > 250

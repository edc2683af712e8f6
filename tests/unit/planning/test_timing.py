from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairmem.config import parse_recipe
from fairmem.planning import RowWork, WaveWork
from fairmem.planning.timing import (
    Server,
    learning_seconds,
    link_rate,
    sync_seconds,
    vllm_server,
    wave_seconds,
)
from tests.unit.planning.build import PLAIN, TOY, machine

WAVE = WaveWork(calls=4, prompt=10, distinct=40, fresh=20, sampled=5)


def server(**changed: Any) -> Server:
    return replace(vllm_server(TOY, machine(2), 1, cache=1e6, assumptions=PLAIN), **changed)


def test_a_wave_takes_its_prompts_and_then_a_step_per_token_of_the_longest_reply() -> None:
    found = wave_seconds(WAVE, server(), spread=2, longest=100)
    # Two servers: 10 fresh tokens each, (608 + 32*5) operations a token and the output layer for 2 calls, at 500/s.
    assert found.prefill == pytest.approx((10 * (608 + 160) + 2 * 80) / 500)
    # 10 steps with 2*5/10 = 1 sequence going on the average. Read: 696 bytes and 12.5 tokens of cache, at 50 B/s;
    # computed: 608 + 32*12.5 + 80 operations at 500/s, which is less.
    assert found.decode == pytest.approx(10 * (696 + 12.5 * 16) / 50)
    assert found.at_once == 2 and found.overhead == 0 and found.seconds == found.prefill + found.decode


def test_replies_are_not_longer_than_they_may_be() -> None:
    assert wave_seconds(WAVE, server(), 2, 7).decode == pytest.approx(7 * (696 + 10 / 7 * 12.5 * 16) / 50)


def test_sequences_that_find_no_room_wait_for_a_round_of_their_own() -> None:
    # A sequence needs 15*16 = 240 bytes: 300 hold one.
    found = wave_seconds(WAVE, server(cache=300), 2, 100)
    assert found.at_once == 1
    assert found.decode == pytest.approx(2 * 10 * (696 + 0.5 * 12.5 * 16) / 50)
    assert wave_seconds(WAVE, server(sequences=1), 2, 100).at_once == 1


def test_where_a_batch_is_large_operations_are_what_takes_time() -> None:
    crowd = WaveWork(calls=400, prompt=10, distinct=4000, fresh=2000, sampled=5)
    quick = wave_seconds(crowd, server(decode=1.0, gpu=machine(2).gpu), 1, 100)
    going = 200
    assert quick.decode == pytest.approx(5 * going * (608 + 32 * 12.5 + 80) / 500)


def test_without_a_prefix_cache_every_different_prompt_is_read() -> None:
    kept, lost = wave_seconds(WAVE, server(), 2, 100), wave_seconds(WAVE, server(prefixes=False), 2, 100)
    assert lost.prefill - kept.prefill == pytest.approx(10 * (608 + 160) / 500)


ROWS = RowWork(rows=10, tokens=100, shared=60, trained=20, longest=15)


def test_verl_passes_over_the_rows_four_times_per_epoch_and_twice_to_score() -> None:
    recipe = parse_recipe({}, ["learner.epochs=2", "learner.micro_tokens=1024", "learner.kl=0.1"])
    found = learning_seconds(ROWS, TOY, recipe, machine(2, link=1e9), PLAIN, "verl")
    forward = 100 * (608 + 32 * 5) + 100 * 80  # rows of 10 tokens, so 5 earlier ones on the average
    assert found.flops == forward * (2 * 4 + 2)
    assert found.compute == pytest.approx(found.flops / (2 * 1000 * 0.5))
    assert found.seconds == pytest.approx(found.compute) and found.micro_batches == 2


def test_without_kl_nothing_is_scored_with_a_reference() -> None:
    recipe = parse_recipe({}, ["learner.kl=0"])
    found = learning_seconds(ROWS, TOY, recipe, machine(2), PLAIN, "verl")
    assert found.flops == (100 * 768 + 100 * 80) * (4 + 1)


def test_one_process_shares_prompts_and_reads_only_what_was_sampled() -> None:
    found = learning_seconds(ROWS, TOY, parse_recipe({}, ["learner.kl=0"]), machine(1), PLAIN, "embedded")
    assert found.flops == (60 * 768 + 20 * 80) * 3 and found.traffic == 0
    adapters = parse_recipe({}, ["learner.kl=0", "model.lora_rank=4"])
    assert learning_seconds(ROWS, TOY, adapters, machine(1), PLAIN, "embedded").flops == (60 * 768 + 20 * 80) * 2


def test_slow_links_hold_learning_up() -> None:
    recipe = parse_recipe({}, ["learner.kl=0", "learner.micro_tokens=25"])
    found = learning_seconds(ROWS, TOY, recipe, machine(2, link=1.0), PLAIN, "verl")
    # two micro-batches per GPU; 8 bytes per parameter, half of it other GPUs', and 2 to score
    assert found.micro_batches == 2
    assert found.traffic == pytest.approx(2 * (8 + 2) * 348 / 2)
    assert found.seconds == found.traffic > found.compute


def test_between_nodes_the_network_is_the_link() -> None:
    assert link_rate(machine(8), PLAIN) == 100
    assert link_rate(machine(16), PLAIN) == 50


def test_weights_are_handed_over_once_and_offloaded_state_goes_both_ways() -> None:
    assert sync_seconds(TOY, machine(2), PLAIN, "verl", "none", 5) == pytest.approx(2 * 348 / 100)
    assert sync_seconds(TOY, machine(2), PLAIN, "verl", "idle", 5) == pytest.approx(6.96 + 24 * 174 / 100)
    assert sync_seconds(TOY, machine(2), PLAIN, "verl", "full", 5) == pytest.approx(6.96 + 12 * 5 * 174 / 100)
    assert sync_seconds(TOY, machine(2), PLAIN, "embedded", "none", 5) == 0

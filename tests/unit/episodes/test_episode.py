"""One branch: its calls, their seeds, what is read from replies, and what of it is on the trace."""

from dataclasses import replace

import pytest

from fairmem.agents import Answerer, Extractor, Manager
from fairmem.config import AgentsConfig, CreditConfig
from fairmem.credit import assign
from fairmem.episodes import Agents, Ask, MemoryBoard, apply_ops, build_agents, roll_branch, run_waves
from fairmem.errors import ConfigError
from fairmem.memory import Bm25Retriever, Delete, Insert, MemoryBank, Noop, OpContext, OpOutcome, Update
from fairmem.policy import ScriptedPolicy
from fairmem.trace import OpRecord, ParseOutcome, StopReason
from tests.unit.episodes.build import CONVERSATION, EVERYWHERE, FAILURE, at, play, session


def test_one_wave_extracts_everything_and_one_more_per_chunk_manages_it() -> None:
    played = play()
    # 2 rollouts of 3 sessions of 2 chunks: 12 extractions, then 6 times one manager call of each.
    assert [wave.calls for wave in played.report.waves.each] == [12, 2, 2, 2, 2, 2, 2]
    assert {r.tag for r in played.policy.batches[0]} == {"extractor"}
    turns = [f"{role}-{s}.{c}" for s in (1, 2, 3) for c in (0, 1) for role in ("extractor", "manager")]
    assert [turn.id for turn in played.branches["g0"].turns] == turns


@pytest.mark.parametrize("rollouts", [2, 5])
def test_more_rollouts_and_rerollouts_need_no_more_waves(rollouts: int) -> None:
    played = play(rollout=EVERYWHERE.model_copy(update={"global_group": rollouts, "local_group": rollouts}))
    # 1 of extraction, 3 sessions * 2 chunks of managing.
    assert played.report.waves.waves == 1 + 3 * 2
    # Extractions of all globals and, of each session, all rerollouts.
    assert played.report.waves.each[0].calls == rollouts * 6 + 3 * rollouts * 2
    # Rerollouts of a session ride in the waves in which their parent plays it.
    assert [wave.calls for wave in played.report.waves.each[1:]] == [2 * rollouts] * 6


def test_a_chunk_without_facts_has_no_manager_call() -> None:
    played = play(at({("g0", "extractor", 2, 0): "none"}))
    ids = [turn.id for turn in played.branches["g0"].turns if turn.session == 2]
    assert ids == ["extractor-2.0", "extractor-2.1", "manager-2.1"]
    assert played.turn("g0", "extractor-2.0").parse is ParseOutcome.EMPTY


def test_every_call_of_every_branch_has_a_seed_of_its_own_and_the_training_temperature() -> None:
    hot = EVERYWHERE.model_copy(update={"temperature": 0.7})
    played = play(rollout=hot)
    asked = [r for batch in played.policy.batches for r in batch if r.tag != "answerer"]
    assert len({r.seed for r in asked}) == len(asked) == 2 * 12 + 6 * 4
    assert {r.temperature for r in asked} == {0.7}
    # The answerer is frozen and greedy.
    assert {r.temperature for batch in played.policy.batches for r in batch if r.tag == "answerer"} == {0.0}
    by_seed = {r.seed: r for r in asked}
    for branch in played.tree.branches:
        for turn in branch.turns:
            assert played.policy.places[turn.seed] == (branch.id, turn.role, turn.session, turn.chunk)
            assert turn.prompt == by_seed[turn.seed].prompt[0].content


def test_a_turn_holds_what_was_sampled_and_what_was_read_from_it() -> None:
    played = play()
    extracted = played.turn("g1", "extractor-1.0")
    assert extracted.text == "1 Ana owns a cup.\n2 Bo owns a fork."
    # Bytes, and 256 for the end of the message.
    assert extracted.ids == (*extracted.text.encode(), 256) and extracted.logprobs == (0.0,) * len(extracted.ids)
    assert bytes(extracted.prompt_ids).decode() == extracted.prompt
    assert extracted.facts == ("Ana owns a cup.", "Bo owns a fork.") and extracted.stop is StopReason.EOS
    assert extracted.prompt_hash == played.runner.agents.extractor.prompt_hash
    managed = played.turn("g1", "manager-1.0")
    assert managed.facts == extracted.facts and managed.parse is ParseOutcome.OK
    assert managed.ops == (
        OpRecord(op="INSERT", outcome="applied", entry=1, speaker="Ana", content="Ana owns a cup.", source="D1:1"),
        OpRecord(op="INSERT", outcome="applied", entry=2, speaker="Bo", content="Bo owns a fork.", source="D1:2"),
    )


def test_banks_on_the_trace_form_a_chain_from_the_empty_one_to_the_final_one() -> None:
    played = play()
    branch = played.branches["g0"]
    managed = [turn for turn in branch.turns if turn.role == "manager"]
    assert managed[0].bank_before == branch.start_bank == MemoryBank.empty().hash
    assert [t.bank_after for t in managed[:-1]] == [t.bank_before for t in managed[1:]]
    assert managed[-1].bank_after == branch.final_bank == played.report.banks[0, "g0"].hash
    # 12 entries, "Ana owns a cup." is 15 bytes; Bo's are one shorter, plus the length of the noun.
    nouns = sum(len(turn.text) - len("I own a .") for s in CONVERSATION.sessions for turn in s.turns)
    assert (branch.bank_entries, branch.bank_tokens) == (12, 6 * len("Ana owns a .") + 6 * len("Bo owns a .") + nouns)


def test_operations_are_applied_in_order_and_each_gets_its_record() -> None:
    start = MemoryBank.empty()
    day = CONVERSATION.sessions[0].time
    context = OpContext(1, day, ("Ana", "Bo"), frozenset({"D1:1"}))
    ops = (Insert("Ana", "Ana owns a cup.", "D1:1"), Update(1, "Ana owns a jug.", "D1:1"), Delete(9), Noop())
    bank, records = apply_ops(start, ops, context)
    assert [entry.content for entry in bank.entries] == ["Ana owns a jug."] and len(start) == 0
    assert [(r.op, r.outcome, r.entry) for r in records] == [
        ("INSERT", OpOutcome.APPLIED, 1),
        ("UPDATE", OpOutcome.APPLIED, 1),
        ("DELETE", OpOutcome.UNKNOWN_ID, None),
        ("NOOP", OpOutcome.NOOP, None),
    ]
    assert apply_ops(start, (), context) == (start, ())


def test_with_history_chunks_of_a_session_are_extracted_one_wave_after_the_other() -> None:
    script = ScriptedPolicy(lambda prompt, seed: f"reply {seed}", family="instruct")
    retriever = Bm25Retriever()
    roles = Agents(
        Extractor("instruct"), Manager("instruct", retriever), Answerer("instruct", retriever), 4, history=True
    )
    (plan,) = [b for b in play().plan.branches if b.id == "g0"]
    board = MemoryBoard()
    results, stats = run_waves(
        {"g0": roll_branch(plan, roles, board)}, board, {"extractor": script, "manager": script, "answerer": script}
    )
    # 4 chunks per session; the chunks with one index of all 3 sessions go out together. No facts, so no manager.
    assert [wave.calls for wave in stats.each] == [3, 3, 3, 3]
    turns = {turn.id: turn for turn in results["g0"].turns}
    last = turns["extractor-2.3"].prompt
    for chunk in range(3):
        assert turns[f"extractor-2.{chunk}"].text in last
        assert turns[f"extractor-1.{chunk}"].text not in last
    assert turns["extractor-2.3"].text not in last and turns["extractor-2.0"].text not in turns["extractor-2.0"].prompt


def test_history_needs_prompts_that_have_room_for_it() -> None:
    with pytest.raises(ConfigError, match=r"agents\.history is on, but the model reads compact prompts"):
        build_agents(AgentsConfig(history=True), "compact", "compact")
    assert build_agents(AgentsConfig(history=True), "instruct", "compact").history


def test_a_session_without_turns_is_passed_over_even_at_the_end() -> None:
    gap = replace(CONVERSATION, sessions=(*CONVERSATION.sessions[:2], session(3, ()), session(4, ())))
    played = play(conversation=gap, rollout=EVERYWHERE)
    # Rerollouts of the empty sessions start from what was there, and do nothing.
    for branch in played.tree.branches:
        if branch.fork_session in (3, 4):
            assert branch.turns == () and branch.start_bank == branch.final_bank
    assert {b.fork_session for b in played.tree.branches} == {None, 1, 2, 3, 4}
    assert played.branches["g0"].bank_entries == 8


def test_a_branch_asks_for_its_extractions_first() -> None:
    plan = play().plan.branches[0]
    step = next(roll_branch(plan, play().runner.agents, MemoryBoard()))
    assert isinstance(step, Ask) and step.role == "extractor" and len(step.requests) == 6


def test_a_single_agent_writes_memory_in_one_call_per_chunk() -> None:
    played = play(roles="single", rollout=EVERYWHERE)
    turns = played.branches["g0"].turns
    assert [turn.id for turn in turns] == [f"single-{s}.{c}" for s in (1, 2, 3) for c in (0, 1)]
    assert {turn.role for turn in turns} == {"single"} and {turn.parse for turn in turns} == {ParseOutcome.OK}
    assert [op.op for turn in turns for op in turn.ops] == ["INSERT"] * 12
    assert played.answers("g0") == {1: 1.0, 2: 1.0, 3: 1.0}
    # One call per chunk: 6 waves of both rollouts and the rerollouts that are due; nothing is extracted before.
    assert played.report.waves.waves == 6 and played.report.waves.calls == 2 * 6 + 3 * 2 * 2


def test_a_single_agent_is_shown_what_is_in_memory_and_earns_credit() -> None:
    forget = at({("g0", "single", 2, 0): "none"})
    played = play(forget, roles="single")
    before, after = played.turn("g0", "single-1.1"), played.turn("g0", "single-2.0")
    assert before.bank_after == after.bank_before == after.bank_after
    assert "Ana owns a cup." in before.prompt
    credit = assign(played.tree, "grpo", CreditConfig(scale="mean"))
    # Session 2: 0.5 and 1.0, mean 0.75.
    assert credit.turns["g0", "single-2.0"].advantage == -0.25 and credit.turns["g1", "single-2.1"].advantage == 0.25


def test_a_failed_call_of_a_single_agent_ends_its_branch_and_those_that_wait_for_it() -> None:
    played = play(at({("g0", "single", 2, 0): FAILURE, ("g1", "single", 2, 0): FAILURE}), EVERYWHERE, roles="single")
    assert played.branches["g0"].turns[-1].failure == FAILURE and played.branches["g0"].rewards == ()
    (skipped,) = {b.turns[-1].id for b in played.tree.branches if b.fork_session == 3}
    assert skipped == "single-3.0"

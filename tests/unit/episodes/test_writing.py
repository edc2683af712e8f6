"""A structured memory in episodes: the same waves, forks and traces; searches take further calls; content is judged."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fairmem.agents import TurnContext
from fairmem.config import AgentsConfig, RewardConfig
from fairmem.credit import assign
from fairmem.data import split_session
from fairmem.episodes import BranchPlan, MemoryBoard, build_agents, roll_branch, run_waves
from fairmem.memory import StoreInsert, StructuredMemory
from fairmem.policy import Prompt, ScriptedPolicy
from fairmem.rewards import ContentItem, Judged
from fairmem.trace import CallFailure, FailureKind
from tests.unit.episodes.build import CONVERSATION, EVERYWHERE, FAILURE, at, play

ALPHA = RewardConfig(form="mem_alpha", beta=0.0, gamma=0.5)


def test_a_writer_fills_a_structured_memory_that_answers_everything() -> None:
    played = play(roles="writer", reward=RewardConfig(compression_lambda=0.0))
    bank = played.report.banks[0, "g0"]
    assert isinstance(bank, StructuredMemory) and bank.size == 12 and bank.core == ""
    assert [turn.id for turn in played.branches["g0"].turns][:3] == ["writer-1.0", "writer-1.1", "writer-2.0"]
    assert played.answers("g0") == {1: 1.0, 2: 1.0, 3: 1.0}
    op = played.turn("g0", "writer-1.0").ops[0]
    assert (op.op, op.store, op.entry, op.content) == ("INSERT", "semantic", 1, "Ana owns a cup.")
    assert {tag.tag for batch in played.policy.batches for tag in batch} == {"writer", "answerer"}


def test_rerollouts_start_from_the_very_memory_of_their_parent_and_get_credit_of_their_own() -> None:
    played = play(
        at({("g0", "writer", 2): "none", ("g1", "writer", 1): "none"}), EVERYWHERE, roles="writer", reward=ALPHA
    )
    parents = {branch.id: branch for branch in played.tree.global_branches}
    for local in (branch for branch in played.tree.branches if branch.kind == "local"):
        assert local.parent is not None and local.fork_session is not None
        before = [t for t in parents[local.parent].turns if t.session < local.fork_session]
        assert local.start_bank == (before[-1].bank_after if before else parents[local.parent].start_bank)
    credit = assign(played.tree, "grpo")
    assert credit.turns["g0", "writer-1.0"].advantage > 0 > credit.turns["g1", "writer-1.0"].advantage


def test_a_failed_call_ends_the_branch_and_is_never_a_reward_of_zero() -> None:
    played = play(at({("g1", "writer", 2): FAILURE}), roles="writer", reward=ALPHA)
    failed = played.branches["g1"]
    assert failed.failed and failed.rewards == () and failed.turns[-1].failure == FAILURE


def test_the_parts_are_on_the_trace_and_every_written_text_carries_its_verdict() -> None:
    played = play(
        at({("g0", "writer", 1, 0): "a INSERT semantic Zoe rides zebras.\nb INSERT semantic Bo owns a fork."}),
        roles="writer",
        reward=ALPHA,
    )
    turn = played.turn("g0", "writer-1.0")
    assert [op.faithful for op in turn.ops] == [False, True]
    first, second, _ = played.branches["g0"].rewards
    # session 1: two chunks, half and all of their texts faithful: 0.5 * 0.75
    assert first.parts["content"] == 0.375 and second.parts["content"] == 0.5
    assert first.parts["calls"] == 1.0 and set(first.parts) == {"answer", "calls", "compression", "content"}


class _HalfDown:
    """Judges what Ana owns and fails on the rest."""

    name = "half down"

    def judge(self, items: Sequence[ContentItem]) -> list[Judged]:
        assert all(item.source.count("\n") == 1 and item.date.endswith("2023") for item in items)
        down = CallFailure(kind=FailureKind.TIMEOUT, message="no verdict")
        return [Judged(True) if "Ana" in item.content else Judged(None, down) for item in items]


def test_a_verdict_that_failed_is_named_on_the_operation_and_left_out() -> None:
    played = play(roles="writer", reward=ALPHA)
    played.runner.judge = _HalfDown()
    (tree,), _ = played.runner.run([played.plan], 0, 0)
    ops = tree.branches[0].turns[0].ops
    assert [op.faithful for op in ops] == [True, None]
    assert ops[1].judge_failure is not None and ops[1].judge_failure.kind is FailureKind.TIMEOUT
    assert tree.branches[0].rewards[0].parts["content"] == 0.5


def test_every_session_earns_the_whole_quiz_where_the_recipe_spreads_it() -> None:
    played = play(at({("g0", "writer", 1): "none"}), roles="writer", reward=ALPHA.model_copy(update={"spread": "all"}))
    assert played.answers("g0") == dict.fromkeys((1, 2, 3), 8 / 12)
    assert [reward.questions for reward in played.branches["g0"].rewards] == [12, 12, 12]


def _write(script: ScriptedPolicy, rounds: int) -> tuple[list[str], StructuredMemory]:
    """The calls made for the last session of the conversation, with a cup already remembered in an old entry."""
    config = AgentsConfig(
        roles="writer", chunks_per_session=1, search_rounds=rounds, related_max=1, manager_max_tokens=999
    )
    agents = build_agents(config, "instruct", "instruct")
    board, start = MemoryBoard(), StructuredMemory.empty()
    context = TurnContext.from_chunk(CONVERSATION, _chunk()).op_context()
    for number in range(30):
        start, _ = StoreInsert("semantic", "Ana", f"Ana owns thing {number}.", "D1:1").apply(start, context)
    start, _ = StoreInsert("episodic", "Bo", "They sold the ship Xanthe.", "D1:1").apply(start, context)
    board.publish("g0", 3, start)
    plan = BranchPlan("l", CONVERSATION, 3, 3, 0, 5, 1.0, parent="g0")
    results, _ = run_waves({"l": roll_branch(plan, agents, board)}, board, {"writer": script})
    bank = results["l"].bank
    assert isinstance(bank, StructuredMemory)
    return [turn.id for turn in results["l"].turns], bank


def _chunk():

    return split_session(CONVERSATION.sessions[0], 1)[0]


def _calls(*calls: tuple[str, dict[str, object]]) -> str:
    return json.dumps({"calls": [{"tool": tool, "arguments": arguments} for tool, arguments in calls]})


def test_a_writer_that_searches_is_told_what_it_found_and_can_then_change_it() -> None:
    seen: list[Prompt] = []

    def script(prompt: Prompt, seed: int) -> str:
        seen.append(prompt)
        if len(prompt) == 2:
            return _calls(("memory_search", {"query": "Xanthe", "store": "episodic"}))
        return _calls(("memory_update", {"memory_id": 31, "content": "Bo bought Xanthe back.", "turn": "D3:1"}))

    ids, bank = _write(ScriptedPolicy(script, family="instruct"), rounds=1)
    assert ids == ["writer-3.0", "writer-3.0.1"]
    assert '"memory_id": 31' not in seen[0][-1].content and '"memory_id": 31' in seen[1][-1].content
    assert "No search is left" in seen[1][-1].content and seen[1][2].role == "assistant"
    entry = bank.get(31)
    assert entry is not None and entry.content == "Bo bought Xanthe back."


def test_without_a_round_left_a_search_is_dropped_and_the_chunk_is_done() -> None:
    ids, _ = _write(
        ScriptedPolicy(lambda prompt, seed: _calls(("memory_search", {"query": "Xanthe"})), family="instruct"), rounds=0
    )
    assert ids == ["writer-3.0"]

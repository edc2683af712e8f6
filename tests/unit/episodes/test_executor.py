"""Waves: who shares a batch, who waits for whom, and what happens when nobody can go on."""

from collections.abc import Sequence

import pytest

from fairmem.episodes import Ask, AwaitMemory, MemoryBoard, Routine, WaveStats, run_waves, sample_once
from fairmem.episodes.executor import Wave
from fairmem.memory import MemoryBank
from fairmem.policy import Message, Policy, Reply, SampleRequest, ScriptedPolicy
from fairmem.trace import CallFailure, FailureKind, Role


def request(text: str, temperature: float = 1.0, seed: int = 0) -> SampleRequest:
    return SampleRequest((Message("user", text),), 64, temperature, seed)


class Echo(ScriptedPolicy):
    """Says the prompt in capitals, and keeps its batches."""

    def __init__(self) -> None:
        super().__init__(lambda prompt, seed: prompt[-1].content.upper())
        self.batches: list[list[str]] = []

    def sample(self, requests: Sequence[SampleRequest]) -> list[Reply]:
        self.batches.append([r.prompt[-1].content for r in requests])
        return super().sample(requests)


def texts(replies: list[Reply]) -> list[str]:
    return [r.kind if isinstance(r, CallFailure) else r.text for r in replies]


def asks(role: Role, *waves: tuple[str, ...]) -> Routine[list[str]]:
    heard: list[str] = []
    for wave in waves:
        replies: list[Reply] = yield Ask(role, tuple(request(text) for text in wave))
        heard += texts(replies)
    return heard


def one_policy(policy: Policy) -> dict[Role, Policy]:
    return {"extractor": policy, "manager": policy, "answerer": policy}


def test_all_branches_ask_in_one_batch_and_each_hears_its_own_replies_in_order() -> None:
    echo = Echo()
    routines = {
        "long": asks("extractor", ("a", "b"), ("c",), ("d",)),
        "short": asks("manager", ("x",)),
        "middle": asks("manager", ("y",), ("z",)),
    }
    results, stats = run_waves(routines, MemoryBoard(), one_policy(echo))
    assert results == {"long": ["A", "B", "C", "D"], "short": ["X"], "middle": ["Y", "Z"]}
    assert list(results) == ["long", "short", "middle"]
    # As many waves as the longest branch has, whatever the others do.
    assert echo.batches == [["a", "b", "x", "y"], ["c", "z"], ["d"]]
    assert (stats.waves, stats.calls) == (3, 7)
    # One byte and the end of the message per reply.
    assert [(wave.calls, wave.tokens) for wave in stats.each] == [(4, 8), (2, 4), (1, 2)]
    assert stats.tokens == 14 and stats.seconds == sum(wave.seconds for wave in stats.each)


def test_roles_with_models_of_their_own_get_batches_of_their_own() -> None:
    one, other = Echo(), Echo()
    routines = {"a": asks("extractor", ("p",)), "b": asks("manager", ("q",)), "c": asks("extractor", ("r",))}
    results, stats = run_waves(routines, MemoryBoard(), {"extractor": one, "manager": other, "answerer": other})
    assert results == {"a": ["P"], "b": ["Q"], "c": ["R"]}
    assert (one.batches, other.batches) == ([["p", "r"]], [["q"]])
    assert stats.waves == 2


def test_to_ask_nothing_costs_no_call() -> None:
    echo = Echo()
    results, stats = run_waves({"a": asks("extractor", (), ("p",))}, MemoryBoard(), one_policy(echo))
    assert results == {"a": ["P"]} and (stats.waves, echo.batches) == (1, [["p"]])


def makes(board: MemoryBoard, memory: MemoryBank | CallFailure) -> Routine[str]:
    yield Ask("extractor", (request("first"),))
    board.publish("maker", 2, memory)
    yield Ask("manager", (request("second"),))
    return "made"


def takes(session: int = 2) -> Routine[object]:
    yield Ask("extractor", (request("mine"),))
    memory = yield AwaitMemory("maker", session)
    yield Ask("manager", (request("with memory"),))
    return memory


@pytest.mark.parametrize("taker_first", [False, True])
def test_who_waits_goes_on_in_the_wave_in_which_the_memory_appears(taker_first: bool) -> None:
    board, echo, bank = MemoryBoard(), Echo(), MemoryBank.empty()
    routines: dict[str, Routine[object]] = {"maker": makes(board, bank), "taker": takes()}
    if taker_first:
        routines = dict(reversed(list(routines.items())))
    results, stats = run_waves(routines, board, one_policy(echo))
    assert results["taker"] is bank
    assert stats.waves == 2 and set(echo.batches[1]) == {"second", "with memory"}


def test_who_waits_for_a_branch_that_failed_gets_the_failure() -> None:
    board, skipped = MemoryBoard(), CallFailure(kind=FailureKind.SKIPPED, message="maker failed", attempts=0)
    results, _ = run_waves({"maker": makes(board, skipped), "taker": takes()}, board, one_policy(Echo()))
    assert results["taker"] is skipped


def test_memory_that_is_known_already_is_not_waited_for() -> None:
    board, bank = MemoryBoard(), MemoryBank.empty()
    board.publish("maker", 2, bank)
    results, stats = run_waves({"taker": takes()}, board, one_policy(Echo()))
    assert results == {"taker": bank} and stats.waves == 2


@pytest.mark.parametrize("others", [0, 1])
def test_a_wait_that_nobody_can_end_is_an_error_that_names_it(others: int) -> None:
    board = MemoryBoard()
    routines: dict[str, Routine[object]] = {"taker": takes(session=9)}
    if others:
        routines["maker"] = makes(board, MemoryBank.empty())
    with pytest.raises(RuntimeError, match="branch taker waits for the memory of maker at session 9, which no branch"):
        run_waves(routines, board, one_policy(Echo()))


def test_the_peak_is_the_speed_of_the_fullest_wave() -> None:
    stats = WaveStats([Wave(2, 10, 1.0), Wave(8, 60, 2.0), Wave(3, 50, 0.5)])
    assert stats.peak == 30.0
    # Endpoints may not tell their tokens.
    assert WaveStats([Wave(2, 0, 1.0)]).peak is None and WaveStats().peak is None


def test_nothing_to_run_costs_nothing() -> None:
    results, stats = run_waves({}, MemoryBoard(), one_policy(Echo()))
    assert results == {} and stats.waves == 0


def test_equal_greedy_requests_are_asked_once_and_sampled_ones_each_time() -> None:
    echo = Echo()
    greedy = [request("p", 0.0, 1), request("q", 0.0, 2), request("p", 0.0, 3)]
    assert texts(sample_once(echo, greedy)) == ["P", "Q", "P"]
    assert texts(sample_once(echo, [request("p", 1.0, 1), request("p", 1.0, 1)])) == ["P", "P"]
    assert echo.batches == [["p", "q"], ["p", "p"]]
    assert sample_once(echo, []) == [] and len(echo.batches) == 2

"""What is imitated: replies that say exactly what was meant, and errors at the rates that were set."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from fairmem.agents.compact import parse_compact_answer, parse_compact_decision, parse_compact_extract
from fairmem.data.village import World, answer, decide, read, simulate
from fairmem.pretrain import Demonstration, Demonstrator, Imperfection, Mixture
from fairmem.trace import ParseOutcome

PERFECT = Imperfection(miss={}, default_miss=0.0, hearsay=0.0, stale=0.0, duplicate=0.0, keep_gone=0.0)
WORLDS = [simulate(4, "train", index, 8, 0.3 + 0.1 * (index % 8), 0.5) for index in range(120)]
READ = {ParseOutcome.OK, ParseOutcome.EMPTY}


def demonstrate(world: World, bad: Imperfection, mixture: Mixture, seed: int = 0) -> list[Demonstration]:
    return list(Demonstrator(world, random.Random(seed), bad, mixture).run())


@dataclass(frozen=True)
class Decided:
    """One manager reply: the facts and entries of its prompt, and per fact (operation, position from 0 or None)."""

    facts: list[str]
    shown: list[str]
    ops: list[tuple[str, int | None]]

    def named(self, ops: Sequence[tuple[str, int | None]] | None = None) -> list[tuple[str, str | None]]:
        """`ops`, or its own, with contents for positions: two entries may say the same."""
        return [(op, None if at is None else self.shown[at]) for op, at in (self.ops if ops is None else ops)]


def decided(demonstration: Demonstration) -> Iterator[Decided]:
    for rest, reply in demonstration.branches:
        entries, facts = (demonstration.prefix + rest).split("<facts>\n")
        shown = [line.partition(" ")[2] for line in entries.splitlines()[1:]]
        told = [line.partition(" ")[2] for line in facts.splitlines()[:-1]]
        parsed = parse_compact_decision(reply, False, len(told), shown)
        assert parsed.outcome in READ and parsed.dropped == ()
        assert [index for index, *_ in parsed.items] == list(range(len(told)))
        yield Decided(told, shown, [(op, None if at is None else at - 1) for _, op, at, _ in parsed.items])


def careful(facts: Sequence[str], shown: Sequence[str]) -> list[tuple[str, int | None]]:
    """What the oracle decides, fact by fact; a second change of one entry becomes an INSERT, a second end nothing."""
    touched: set[int] = set()
    ops: list[tuple[str, int | None]] = []
    for fact in facts:
        wish = decide(fact, shown)
        op, at = wish.op, wish.position
        if at is not None and at in touched and op != "NOOP":
            op, at = ("INSERT", None) if op == "UPDATE" else ("NOOP", None)
        if op == "NOOP":
            at = None
        if at is not None:
            touched.add(at)
        ops.append((op, at))
    return ops


def extracted(demonstration: Demonstration) -> list[str]:
    """The facts of an extractor's reply; a turn that tells one thing twice has it twice."""
    ((rest, reply),) = demonstration.branches
    lines = [] if reply == "none" else reply.splitlines()
    parsed = parse_compact_extract(reply, False, demonstration.prefix.count("\n") - 2)
    assert rest == "" and [f"{turn} {fact}" for turn, fact in parsed.items] == list(dict.fromkeys(lines))
    return [line.partition(" ")[2] for line in lines]


def test_a_perfect_extractor_writes_every_delta_once_per_turn_in_order() -> None:
    for world in WORLDS[:40]:
        demonstrations = demonstrate(world, PERFECT, Mixture())
        written = [fact for d in demonstrations if d.role == "extractor" for fact in extracted(d)]
        told = dict.fromkeys((delta.turn, delta.content) for delta in world.conversation.deltas)
        assert written == [sentence for _, sentence in told]


def test_a_perfect_manager_decides_as_the_oracle_does() -> None:
    count: Counter[str] = Counter()
    for world in WORLDS[:60]:
        for demonstration in demonstrate(world, PERFECT, Mixture(drills=2, careful=True)):
            if demonstration.role == "manager":
                for reply in decided(demonstration):
                    assert reply.named() == reply.named(careful(reply.facts, reply.shown))
                    count.update(op for op, _ in reply.ops)
    assert min(count[op] for op in ("INSERT", "UPDATE", "DELETE", "NOOP")) > 50


def test_careful_drills_are_right_while_the_memory_is_kept_badly() -> None:
    wrong = 0
    for world in WORLDS[:40]:
        for demonstration in demonstrate(world, Imperfection(), Mixture(drills=2, careful=True)):
            if demonstration.role == "manager" and len(demonstration.branches) > 1:
                assert len(demonstration.branches) == 3
                first, *drills = decided(demonstration)
                wrong += first.named() != first.named(careful(first.facts, first.shown))
                assert all(drill.named() == drill.named(careful(drill.facts, drill.shown)) for drill in drills)
    assert wrong > 100


def _entries(prompt: str) -> list[tuple[str, datetime]]:
    """(content, last update) of the entries an answer prompt shows."""
    lines = re.findall(r"^(.+) \| (?:.+ > )?(\d+ \w+ \d+)$", prompt, re.MULTILINE)
    return [(content, datetime.strptime(date, "%d %B %Y")) for content, date in lines]


def test_every_answer_is_the_oracles_from_the_entries_shown_and_quotes_them() -> None:
    answered: Counter[bool] = Counter()
    for world in WORLDS:
        specs = {q.text: world.specs[q.id] for q in world.conversation.questions}
        for demonstration in demonstrate(world, Imperfection(), Mixture(questions=8)):
            if demonstration.role != "answerer":
                continue
            memory = _entries(demonstration.prefix)
            assert memory and len(memory) == demonstration.prefix.count("\n") - 1
            for rest, reply in demonstration.branches:
                asked = rest.splitlines()[0].removeprefix("<question> ")
                expected = answer(specs[asked], memory)
                assert parse_compact_answer(reply, False).items == (expected,)
                known = expected != "no information"
                answered[known] += 1
                # The marks apart, a reply is sentences of the memory, or "no information".
                assert not known or any(reply.replace("=", "").startswith(content) for content, _ in memory)
            refusals = sum(reply == "no information" for _, reply in demonstration.branches)
            assert refusals <= 2  # a quarter of the eight
    assert answered[True] > 2000 and answered[False] > 200


def _within(hits: int, of: int, rate: float) -> bool:
    """Whether `hits` of `of` fit `rate`: four standard deviations of a share."""
    return abs(hits / of - rate) <= 4 * (rate * (1 - rate) / of) ** 0.5


def test_facts_are_missed_and_hearsay_is_noted_at_the_rates_that_were_set() -> None:
    bad = Imperfection(miss={"food": 0.75, "pet": 0.5}, default_miss=0.2, hearsay=0.3)
    said: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for world in WORLDS:
        told = [delta.content for delta in world.conversation.deltas]
        said.update(s.kind for sentence in told if (s := read(sentence)) is not None)
        said["hearsay"] += len(world.hearsay)
        for demonstration in demonstrate(world, bad, Mixture()):
            for fact in extracted(demonstration) if demonstration.role == "extractor" else ():
                statement = read(fact)
                assert statement is not None
                inside = statement.speaker in world.conversation.speakers
                written[statement.kind if inside else "hearsay"] += 1
    assert min(said.values()) >= 50
    for kind, count in said.items():
        rate = 0.3 if kind == "hearsay" else 1 - bad.miss.get(kind, bad.default_miss)
        assert _within(written[kind], count, rate), (kind, written[kind], count, rate)


def test_the_manager_errs_at_the_rates_that_were_set() -> None:
    bad = Imperfection(miss={}, default_miss=0.0, hearsay=0.0, stale=0.4, duplicate=0.25, keep_gone=0.6)
    chances: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for world in WORLDS:
        for demonstration in demonstrate(world, bad, Mixture()):
            for reply in decided(demonstration) if demonstration.role == "manager" else ():
                # Only first facts: what a later one may touch depends on those before it.
                wish, done = decide(reply.facts[0], reply.shown), reply.ops[0]
                if wish.op in ("UPDATE", "DELETE") or (wish.op == "NOOP" and wish.position is not None):
                    chances[wish.op] += 1
                    errors[wish.op] += done[0] != wish.op
                    assert done[0] in (wish.op, {"UPDATE": "INSERT", "NOOP": "INSERT", "DELETE": "NOOP"}[wish.op])
                    assert done[1] is None or reply.shown[done[1]] == reply.shown[wish.position or 0]
    assert min(chances.values()) >= 100
    for op, rate in (("UPDATE", 0.4), ("NOOP", 0.25), ("DELETE", 0.6)):
        assert _within(errors[op], chances[op], rate), (op, errors[op], chances[op], rate)


def test_the_mixture_says_what_is_demonstrated() -> None:
    world = WORLDS[7]
    whole = Counter(d.role for d in demonstrate(world, PERFECT, Mixture(questions=3)))
    few = Counter(d.role for d in demonstrate(world, PERFECT, Mixture(questions=3, extractions=0.0)))
    assert whole["extractor"] > 10 and few["extractor"] == 0 and few["manager"] > 5
    for demonstration in demonstrate(world, PERFECT, Mixture(questions=3)):
        assert 1 <= len(demonstration.branches) <= (3 if demonstration.role == "answerer" else 1)


def test_the_same_random_numbers_give_the_same_demonstrations() -> None:
    mixture = Mixture(rewording=0.5, drills=2)
    first = demonstrate(WORLDS[3], Imperfection(), mixture, seed=5)
    assert first == demonstrate(WORLDS[3], Imperfection(), mixture, seed=5)
    assert first != demonstrate(WORLDS[3], Imperfection(), mixture, seed=6)


@pytest.mark.parametrize("mixture", [Mixture(), Mixture(rewording=1.0, drills=2, singles=0.3, writers=0.3)])
def test_every_prompt_of_a_demonstration_is_whole(mixture: Mixture) -> None:
    for demonstration in demonstrate(WORLDS[5], Imperfection(), mixture):
        for rest, reply in demonstration.branches:
            prompt = demonstration.prefix + rest
            tag = {"extractor": "<extract>", "manager": "<manage>", "answerer": "<answer>"} | {
                "single": "<single>",
                "writer": "<write>",
            }
            assert (
                prompt.startswith(tag[demonstration.role])
                and prompt.endswith("\n<out>\n")
                and prompt.count("<out>") == 1
            )
            assert reply and "<" not in reply


def _single(demonstration: Demonstration) -> tuple[list[str], list[str], list[str]]:
    """Entries shown, letters of the turns and lines of the reply of a single agent's or a writer's demonstration."""
    ((rest, reply),) = demonstration.branches
    assert rest == ""
    state, said = demonstration.prefix.split("<turns>\n")
    entries = [line.partition(" ")[2] for line in state.splitlines() if re.match(r"\d+ ", line)]
    return entries, [line.partition(" ")[0] for line in said.splitlines()[:-1]], reply.splitlines()


def test_a_perfect_single_agent_stores_every_new_fact_under_its_turn() -> None:
    for world in WORLDS[:40]:
        found = demonstrate(world, PERFECT, Mixture(singles=1.0))
        assert {d.role for d in found} <= {"single", "answerer"}
        memory: list[str] = []
        for demonstration in (d for d in found if d.role == "single"):
            shown, letters, _ = _single(demonstration)
            assert set(shown) <= set(memory)
            reply = parse_compact_decision(demonstration.branches[0][1], False, len(letters), shown, worded=True)
            assert reply.outcome in READ and reply.dropped == ()
            for _, op, at, wording in reply.items:
                if at is not None:
                    memory.remove(shown[at - 1])
                if op != "DELETE":
                    assert wording is not None
                    memory.append(wording)
        assert set(memory) <= {delta.content for delta in world.conversation.deltas} and len(memory) > 3


def test_a_writer_keeps_home_and_job_in_the_core_and_journeys_as_episodes() -> None:
    seen: Counter[str] = Counter()
    for world in WORLDS[:40]:
        for demonstration in demonstrate(world, PERFECT, Mixture(writers=1.0)):
            if demonstration.role != "writer":
                continue
            shown, letters, lines = _single(demonstration)
            for line in [] if lines == ["none"] else lines:
                letter, op, text = line.split(" ", 2)
                assert letter in letters
                seen[op] += 1
                if op == "CORE":
                    assert all((s := read(f"{part}.")) and s.kind in ("city", "job") for part in text[:-1].split(". "))
                elif op == "INSERT":
                    store, _, fact = text.partition(" ")
                    statement = read(fact)
                    assert statement is not None and statement.kind not in ("city", "job")
                    assert store == ("episodic" if statement.kind in ("plan", "trip") else "semantic")
                else:
                    assert text.split(" -> ")[0] in shown
    assert min(seen[op] for op in ("CORE", "INSERT", "UPDATE", "DELETE")) > 20

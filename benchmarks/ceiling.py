"""What is the most that any memory could earn with this answerer?

Fills banks with what was really said in generated conversations (no extractor), by a careful manager and by one that
inserts everything, asks the answerer, and prints F1 by category. Training cannot lift a model above it.

    python benchmarks/ceiling.py [ANSWERER] [--conversations 12] [--sessions 8] [--shown 4] [--seed 7]
"""

from __future__ import annotations

import argparse
from collections import defaultdict

from fairmem.agents import Answerer
from fairmem.data.village import SPLITS, World, decide, simulate
from fairmem.episodes import QuizJob, Quizzer, choose_questions
from fairmem.memory import Delete, HashedEmbedder, Insert, MemoryBank, Op, OpContext, Update, build_retriever
from fairmem.metrics import token_f1
from fairmem.policy import open_policy
from fairmem.types import CATEGORIES, Delta

COUNTED = tuple(name for name in CATEGORIES if name != "adversarial")


def perfect_bank(world: World, careful: bool) -> MemoryBank:
    """The bank after every gold change, decided on with all entries of the speaker in sight."""
    bank = MemoryBank.empty()
    conversation = world.conversation
    for session in conversation.sessions:
        turns = frozenset(turn.id for turn in session.turns)
        context = OpContext(session.index, session.time, conversation.speakers, turns)
        for delta in conversation.deltas:
            if delta.session == session.index:
                op = choose(bank, delta, careful)
                bank = bank if op is None else bank.apply(op, context)[0]
    return bank


def choose(bank: MemoryBank, delta: Delta, careful: bool) -> Op | None:
    """What a careful manager does with `delta`; the other one inserts."""
    if not careful:
        return Insert(delta.speaker, delta.content, delta.turn)
    mine = sorted((e for e in bank.entries if e.speaker == delta.speaker), key=lambda e: (e.updated_time, e.id))
    decision = decide(delta.content, [entry.content for entry in mine])
    if decision.op == "INSERT":
        return Insert(delta.speaker, delta.content, delta.turn)
    if decision.op == "NOOP" or decision.position is None:
        return None
    entry = mine[decision.position].id
    return Update(entry, delta.content, delta.turn) if decision.op == "UPDATE" else Delete(entry, delta.turn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answerer", nargs="?", default="bundled:answerer")
    parser.add_argument("--conversations", type=int, default=12)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--shown", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    policy = open_policy(args.answerer)
    retriever = build_retriever("hybrid", HashedEmbedder())
    quizzer = Quizzer(policy, Answerer(policy.family, retriever, args.shown, max_tokens=96), token_f1)
    for split in SPLITS:
        worlds = [simulate(args.seed, split, index, args.sessions) for index in range(args.conversations)]
        for careful in (True, False):
            jobs = [
                QuizJob(
                    w.conversation,
                    perfect_bank(w, careful),
                    args.sessions,
                    choose_questions(w.conversation, args.sessions, COUNTED, 0),
                )
                for w in worlds
            ]
            scores: dict[str, list[float]] = defaultdict(list)
            for item in (item for items in quizzer.ask(jobs, args.seed) for item in items):
                if item.score is not None:
                    scores[item.category].append(item.score)
            everything = [score for part in scores.values() for score in part]
            parts = ", ".join(f"{name} {sum(part) / len(part):.2f}" for name, part in sorted(scores.items()))
            manager = "perfect manager" if careful else "everything inserted"
            print(
                f"{split}, {manager}: F1 {sum(everything) / len(everything):.3f} ({len(everything)} questions; {parts})"
            )


if __name__ == "__main__":
    main()

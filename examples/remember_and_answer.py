"""Build a memory from a short conversation and answer questions from it, without a model and without torch.

The scripted policy follows a few rules; put `open_policy("hf:FOLDER")` or `open_policy("openai:NAME")` in its
place and nothing else changes. The episode runner used here is the one that trains and evaluates.

    python examples/remember_and_answer.py
"""

from __future__ import annotations

from datetime import datetime

from fairmem.config import Recipe
from fairmem.episodes import build_runner, evaluation_plan
from fairmem.policy import ScriptedPolicy
from fairmem.types import Conversation, Question, Session, Turn

CONVERSATION = Conversation(
    id="harbour",
    speakers=("Ilva", "Torben"),
    sessions=(
        Session(
            index=1,
            time=datetime(2025, 1, 12, 10, 5),
            turns=(
                Turn("D1:1", "Ilva", "My home is Marstrand."),
                Turn("D1:2", "Torben", "It rained all day here."),
                Turn("D1:3", "Torben", "I have two beehives."),
            ),
        ),
        Session(
            index=2,
            time=datetime(2025, 6, 20, 9, 15),
            turns=(Turn("D2:1", "Ilva", "My home is Skagen."), Turn("D2:2", "Torben", "I have two beehives.")),
        ),
    ),
    questions=(
        Question("q1", "Where is Ilva's home?", "Skagen", "knowledge_update", ("D2:1",), asked_from=2),
        Question("q2", "How many beehives does Torben have?", "two", "single_hop", ("D1:3",), asked_from=1),
    ),
)


def main() -> None:
    policy = ScriptedPolicy()
    runner = build_runner(Recipe(), {"extractor": policy, "manager": policy, "answerer": policy})
    plan = evaluation_plan(CONVERSATION, temperature=0.0, categories=("knowledge_update", "single_hop"), seed=0)
    (tree,), report = runner.run([plan], step=0, policy_version=0)

    for entry in report.banks[0, "g0"].entries:
        print(
            f"{entry.id}  {entry.content}  from {', '.join(entry.sources)}, last touched {entry.updated_time:%d %B %Y}"
        )
        for earlier in entry.history:
            print(f"   before: {earlier.content}")
    for item in tree.branches[0].quiz:
        print(f"{item.question}  answer {item.answer!r}, right is {item.gold!r}, F1 {item.score:.2f}")


if __name__ == "__main__":
    main()

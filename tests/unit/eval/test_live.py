"""What a user sees while an evaluation works."""

from __future__ import annotations

from fairmem.eval.calls import RecordedCalls
from fairmem.eval.live import LiveLines
from fairmem.policy import Message, SampleRequest, ScriptedPolicy


def test_calls_tokens_failures_and_cost_are_said_once_in_a_while_and_not_for_what_is_replayed() -> None:
    said: list[str] = []
    now = [0.0]
    live = LiveLines(said.append, (1.0, 10.0), every=10.0, clock=lambda: now[0])
    calls = RecordedCalls(ScriptedPolicy(lambda prompt, seed: "yes"), batch=1, progress=live)
    requests = [SampleRequest((Message("user", str(number)),), 8, 0.0, 0, "t") for number in range(3)]

    calls.sample(requests[:1])
    assert said == []  # nothing before ten seconds
    now[0] = 12.0
    calls.sample(requests)  # the first of these is kept already
    assert len(said) == 1
    # At the second call: 2 calls, each with its own tokens.
    prompt, reply = calls.asked_prompt_tokens, calls.asked_reply_tokens
    assert (calls.asked, calls.replayed) == (3, 1)
    assert said[0].startswith("  scripted: 2 calls in 12 s; ")
    two = (prompt * 2 // 3, reply * 2 // 3)
    assert f"{two[0]} prompt and {two[1]} reply tokens, cost {(two[0] + 10 * two[1]) / 1e6:.4f}" in said[0]
    calls.failures = 4
    now[0] = 30.0
    live(calls)
    assert ", 4 failed;" in said[1]

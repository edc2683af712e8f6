"""The compression part of the reward: a charge for memory that outgrows a share of the dialogue.

    penalty = lambda * max(0, |M| - tau * W) / W

|M| is the size of the live entries' contents and W that of all dialogue so far, both in tokens of the trained
model. Source: Memory-R2 (arXiv 2605.21768), which counts words; its tau of 0.5 to 0.7 let the bank
grow beyond the transcript itself, so ours are smaller and in real tokens.
"""

from __future__ import annotations


def compression_penalty(memory_tokens: int, dialogue_tokens: int, tau: float, weight: float) -> float:
    """The penalty, at least 0, in units of reward.

    Args:
        memory_tokens: |M|, tokens of the live entries.
        dialogue_tokens: W, tokens of the dialogue so far.
        tau: Share of the dialogue that is free.
        weight: lambda, reward lost per share of the dialogue above tau.

    Raises:
        ValueError: no dialogue, or a negative size.
    """
    if dialogue_tokens <= 0 or memory_tokens < 0:
        raise ValueError(f"memory {memory_tokens} and dialogue {dialogue_tokens} tokens; expected >= 0 and > 0")
    return weight * max(0.0, memory_tokens - tau * dialogue_tokens) / dialogue_tokens

"""What a decoding step costs when new keys and values are written in place, and when the cache is copied to grow.

    python benchmarks/decode.py
    python benchmarks/decode.py --rows 4,64 --width 600

The bundled model reads random prompts and goes on for some tokens, with the cache of transformers and with
`fairmem.policy.roomy` in turn. Processor time of one thread, so that other programs on the machine matter little; the
median over rounds, and the ratio of the two, which is what to look at. Both must give the same logits, or it stops.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from fairmem.policy import folder_of, import_torch

torch = import_torch()

from transformers import AutoModelForCausalLM  # noqa: E402

from fairmem.policy.grouped import grouped_attention  # noqa: E402
from fairmem.policy.roomy import make_room  # noqa: E402


def steps(model: Any, rows: int, width: int, count: int, roomy: bool) -> tuple[float, Any]:
    """(milliseconds of processor time per step, the logits of the last) of `count` steps after `width` positions."""
    random = torch.Generator().manual_seed(rows)
    ids = torch.randint(2, model.config.vocab_size, (rows, width + count), generator=random)
    mask = torch.ones_like(ids)
    mask[:, :3] = 0
    out = model(input_ids=ids[:, :width], attention_mask=mask[:, :width], use_cache=True, logits_to_keep=1)
    cache = out.past_key_values
    if roomy:
        make_room(cache, count)
    started = time.process_time()
    with grouped_attention(model):
        for at in range(width, width + count):
            out = model(
                input_ids=ids[:, at : at + 1],
                attention_mask=mask[:, : at + 1],
                position_ids=torch.full((rows, 1), at - 3),
                past_key_values=cache,
                use_cache=True,
            )
    return 1000 * (time.process_time() - started) / count, out.logits[:, -1]


def main() -> None:
    """Print a row per batch size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="4,16,48,128", help="rows of a batch (default: 4,16,48,128)")
    parser.add_argument("--width", type=int, default=300, help="positions before the first step (default: 300)")
    parser.add_argument("--steps", type=int, default=20, help="tokens to write (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed (default: 3)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder_of("bundled")), dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    print(f"{'rows':>6}{'copied, ms':>12}{'in place, ms':>14}{'in place / copied':>20}")
    with torch.no_grad():
        for rows in map(int, args.rows.split(",")):
            timed: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(args.rounds):
                found = {roomy: steps(model, rows, args.width, args.steps, roomy) for roomy in timed}
                if not torch.equal(found[False][1], found[True][1]):
                    raise SystemExit(f"{rows} rows: the two caches give different logits")
                for roomy, (milliseconds, _) in found.items():
                    timed[roomy].append(milliseconds)
            copied, placed = (statistics.median(timed[roomy]) for roomy in (False, True))
            print(f"{rows:>6}{copied:>12.1f}{placed:>14.1f}{placed / copied:>20.2f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# Scores a model on the test conversations of the recipe, on one GPU, and lets the judge grade its answers. Killed, the
# same command goes on: every call is kept in OUT.
#
#   MODEL=runs/memory_r2_qwen2.5_7b/model DATA=/data/locomo10.json ANSWERER_URL=http://answerer:8000/v1 \
#       OUT=evals/trained bash examples/scale/evaluate.sh
#
# Run it on the start model too: a score without the one before says little. Then: fairmem compare evals/start evals/trained
set -euo pipefail

MODEL=${MODEL:?"MODEL: the folder of a model"}
DATA=${DATA:?"DATA: locomo10.json"}
ANSWERER_URL=${ANSWERER_URL:?"ANSWERER_URL: such as http://host:8000/v1"}
OUT=${OUT:?"OUT: folder of the evaluation"}
JUDGE_URL=${JUDGE_URL:-} # such as http://judge:8001/v1; empty: nothing is judged

fairmem eval locomo --data "$DATA" --model "$MODEL" \
    --conversations conv-41,conv-49,conv-50,conv-42,conv-48,conv-30,conv-26 \
    --answerer openai:gpt-oss-120b --answerer-base-url "$ANSWERER_URL" --concurrency 64 --out "$OUT"
if [[ -n $JUDGE_URL ]]; then
    fairmem judge "$OUT" --model openai:judge --base-url "$JUDGE_URL" --concurrency 64
fi

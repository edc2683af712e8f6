#!/usr/bin/env bash
# Serves the judge of `fairmem judge`, which grades answers after training. It is not needed while training.
#
#   JUDGE=Qwen/Qwen2.5-72B-Instruct GPUS=4 PORT=8001 bash examples/scale/serve_judge.sh
#   fairmem judge evals/mine --model openai:judge --base-url http://THIS_HOST:8001/v1
set -euo pipefail

JUDGE=${JUDGE:-Qwen/Qwen2.5-72B-Instruct} # another family than the trained model, so that it does not grade itself
GPUS=${GPUS:-4}
PORT=${PORT:-8001}

exec vllm serve "$JUDGE" \
    --served-model-name judge \
    --host 0.0.0.0 --port "$PORT" \
    --tensor-parallel-size "$GPUS" \
    --max-model-len "${CONTEXT:-8192}" \
    --gpu-memory-utilization 0.9

#!/usr/bin/env bash
# Serves the frozen answerer: the model whose F1 is the reward. On GPUs that do not train.
#
#   ANSWERER=openai/gpt-oss-120b GPUS=4 PORT=8000 bash examples/scale/serve_answerer.sh
#
# In an environment of its own with vLLM; the recipe finds it at answerer.base_url=http://THIS_HOST:8000/v1.
set -euo pipefail

ANSWERER=${ANSWERER:-openai/gpt-oss-120b} # a folder, or a name that vLLM may download
NAME=${NAME:-gpt-oss-120b}                # as in the recipe: answerer.path = "openai:NAME"
GPUS=${GPUS:-4}                           # of one copy of the model
COPIES=${COPIES:-1}
PORT=${PORT:-8000}

# Prompts are about 2,600 tokens with 60 entries shown; replies are cut at agents.answerer_max_tokens.
exec vllm serve "$ANSWERER" \
    --served-model-name "$NAME" \
    --host 0.0.0.0 --port "$PORT" \
    --tensor-parallel-size "$GPUS" --data-parallel-size "$COPIES" \
    --max-model-len "${CONTEXT:-16384}" \
    --gpu-memory-utilization 0.9 \
    --enable-prefix-caching

#!/usr/bin/env bash
# One node: the answerer on some of its GPUs, training on the others. For a 3 B to 7 B model and a small answerer; a
# 120 B answerer is better served from another node (ANSWERER_URL, as in curriculum.sh).
#
#   MODEL=/models/Qwen2.5-3B-Instruct DATA=/data/locomo10.json ANSWERER=/models/gpt-oss-20b \
#       bash examples/scale/one_node.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

export RECIPE=${RECIPE:-memory_r2_qwen2.5_3b}
MODEL=${MODEL:?"MODEL: the folder of the start model"}
DATA=${DATA:?"DATA: locomo10.json"}
ANSWERER=${ANSWERER:?"ANSWERER: the folder of the answerer"}
ALL=${ALL:-8}                 # GPUs of the node
FOR_ANSWERER=${FOR_ANSWERER:-2}
PORT=${PORT:-8000}
KIND=${KIND:-H100}
SERVER_BIN=${SERVER_BIN:-}    # bin folder of the environment with vLLM for the answerer; empty: this one

training=$((ALL - FOR_ANSWERER))
last=$((ALL - 1))
first=$training
answerer_gpus=$(seq -s, "$first" "$last")
training_gpus=$(seq -s, 0 $((training - 1)))

# Both end with 1 if the run could not work, before a GPU hour is spent.
fairmem plan "$RECIPE" "data.path=$DATA" --gpus "${training}x$KIND" --per-node "$training" --engine verl \
    --engine-option actor_rollout_ref.rollout.tensor_model_parallel_size=1

PATH=${SERVER_BIN:+$SERVER_BIN:}$PATH CUDA_VISIBLE_DEVICES=$answerer_gpus \
    ANSWERER=$ANSWERER GPUS=$FOR_ANSWERER PORT=$PORT bash "$here/serve_answerer.sh" >answerer.log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

bash "$here/wait_for.sh" "http://localhost:$PORT/v1"
CUDA_VISIBLE_DEVICES=$training_gpus GPUS=$training MODEL=$MODEL DATA=$DATA \
    ANSWERER_URL=http://localhost:$PORT/v1 bash "$here/curriculum.sh"

#!/usr/bin/env bash
# The curriculum 8 -> 16 -> 32 on verl: a recipe with its stages, each from the model of the one before.
# Repeat the same command after a kill: it goes on in the stage that was under way, from its newest checkpoint.
#
#   MODEL=/models/Qwen2.5-7B-Instruct DATA=/data/locomo10.json ANSWERER_URL=http://answerer:8000/v1 \
#       bash examples/scale/curriculum.sh [key=value ...]
#
# More recipe values may follow. DRY_RUN=1 prints the command.
set -euo pipefail

RECIPE=${RECIPE:-memory_r2_qwen2.5_7b}
MODEL=${MODEL:?"MODEL: the folder of the start model"}
DATA=${DATA:?"DATA: locomo10.json"}
ANSWERER_URL=${ANSWERER_URL:?"ANSWERER_URL: such as http://host:8000/v1"}
OUT=${OUT:-runs}       # on a file system that every node sees
NAME=${NAME:-$RECIPE}
NODES=${NODES:-1}
GPUS=${GPUS:-8}        # per node
TENSOR=${TENSOR:-1}    # GPUs of one vLLM server; 1 gives the most servers, where the model fits
ADDRESS=${ADDRESS:-}   # of a Ray cluster that is running, such as auto; empty: verl starts its own on this node

command=(fairmem train "$RECIPE"
    "model.path=$MODEL" "data.path=$DATA" "answerer.base_url=$ANSWERER_URL"
    # Scores around training would come from one GPU of this node: evaluate.sh does it with servers. To have the
    # validation conversation scored between stages all the same: eval.every=10 'data.validation=["conv-44"]'
    eval.every=0 'data.validation=[]' 'data.test=[]' "$@"
    --name "$NAME" --out "$OUT" --engine verl
    --engine-option "trainer.nnodes=$NODES"
    --engine-option "trainer.n_gpus_per_node=$GPUS"
    --engine-option "actor_rollout_ref.rollout.tensor_model_parallel_size=$TENSOR")
if [[ -n $ADDRESS ]]; then
    command+=(--engine-option "ray_kwargs.ray_init.address=$ADDRESS")
fi
if [[ -f $OUT/$NAME/recipe.toml ]]; then
    command+=(--resume)
fi
if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "${command[@]}"
    echo
    exit
fi
"${command[@]}"
echo "curriculum: the trained model is $OUT/$NAME/model; score it with evaluate.sh" >&2

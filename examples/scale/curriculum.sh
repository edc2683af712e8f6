#!/usr/bin/env bash
# The curriculum 8 -> 16 -> 32 on verl, which trains one stage per run: each run starts from the model of the one before.
# Repeat the same command after a kill: finished stages are passed over, a started one goes on from its checkpoint.
#
#   MODEL=/models/Qwen2.5-7B-Instruct DATA=/data/locomo10.json ANSWERER_URL=http://answerer:8000/v1 \
#       bash examples/scale/curriculum.sh
#
# DRY_RUN=1 prints the commands.
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

# sessions, steps, tau, lambda, optimizer steps per pass: those of the recipe's stages
STAGES=("8 10 0.5 0.2 1" "16 5 0.7 0.2 2" "32 5 0.7 0.3 3")

run() {
    if [[ -n ${DRY_RUN:-} ]]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

model=$MODEL
for stage in "${STAGES[@]}"; do
    read -r sessions steps tau lambda minibatches <<<"$stage"
    name=$NAME-$sessions
    folder=$OUT/$name
    if [[ -f $folder/model/config.json ]]; then
        echo "curriculum: $folder is finished" >&2
        model=$folder/model
        continue
    fi
    command=(fairmem train "$RECIPE"
        "model.path=$model" "data.path=$DATA" "answerer.base_url=$ANSWERER_URL"
        "stages=[{sessions = $sessions, steps = $steps, compression_tau = $tau, compression_lambda = $lambda, minibatches = $minibatches}]"
        # verl cannot validate in between; before and after would run on one GPU of this node, if it has one (evaluate.sh)
        eval.every=0 curriculum.patience=0 'data.validation=[]' 'data.test=[]'
        --name "$name" --out "$OUT" --engine verl
        --engine-option "trainer.nnodes=$NODES"
        --engine-option "trainer.n_gpus_per_node=$GPUS"
        --engine-option "actor_rollout_ref.rollout.tensor_model_parallel_size=$TENSOR")
    if [[ -n $ADDRESS ]]; then
        command+=(--engine-option "ray_kwargs.ray_init.address=$ADDRESS")
    fi
    if [[ -f $folder/recipe.toml ]]; then
        command+=(--resume)
    fi
    run "${command[@]}"
    model=$folder/model
done
echo "curriculum: the trained model is $model; score it with evaluate.sh" >&2

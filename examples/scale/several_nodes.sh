#!/usr/bin/env bash
# Several nodes without a scheduler: start Ray on each, then train from the first. OUT has to be on a file system that
# all nodes see, and fairmem in the same environment and path on all of them.
#
#   first node:    bash examples/scale/several_nodes.sh head
#   every other:   HEAD=10.0.0.1 bash examples/scale/several_nodes.sh worker
#   first node:    NODES=2 MODEL=... DATA=... ANSWERER_URL=... bash examples/scale/several_nodes.sh train
#   at the end:    bash examples/scale/several_nodes.sh stop      (on each)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

WHAT=${1:?"usage: several_nodes.sh head|worker|train|stop"}
GPUS=${GPUS:-8}
PORT=${PORT:-6379}

case $WHAT in
head) ray start --head --port "$PORT" --num-gpus "$GPUS" ;;
worker) ray start --address "${HEAD:?"HEAD: address of the first node"}:$PORT" --num-gpus "$GPUS" ;;
train)
    wanted=$((${NODES:?"NODES: how many there are"} * GPUS))
    for _ in $(seq 60); do # workers take a while to join
        joined=$(python -c 'import ray; ray.init(address="auto", logging_level="ERROR"); print(int(ray.cluster_resources().get("GPU", 0)))')
        ((joined >= wanted)) && break
        echo "several_nodes: $joined of $wanted GPUs have joined" >&2
        sleep 10
    done
    if ((joined < wanted)); then
        echo "several_nodes: only $joined of $wanted GPUs joined" >&2
        exit 1
    fi
    ADDRESS=auto bash "$here/curriculum.sh"
    ;;
stop) ray stop ;;
*)
    echo "several_nodes: '$WHAT' is not known; expected head, worker, train or stop" >&2
    exit 2
    ;;
esac

#!/usr/bin/env bash
# Waits until an OpenAI-compatible server answers; ends with 1 if it does not within SECONDS_MAX.
#
#   bash examples/scale/wait_for.sh http://answerer:8000/v1
set -euo pipefail

URL=${1:?"usage: wait_for.sh BASE_URL"}
SECONDS_MAX=${SECONDS_MAX:-1800} # a 120 B model takes minutes to load

until curl --silent --fail --max-time 5 "${URL%/}/models" >/dev/null; do
    if ((SECONDS >= SECONDS_MAX)); then
        echo "wait_for: $URL did not answer within $SECONDS_MAX seconds" >&2
        exit 1
    fi
    sleep 5
done
echo "wait_for: $URL answers after $SECONDS seconds"

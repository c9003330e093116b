#!/usr/bin/env bash
# The happy path: clean, rebuild the cluster on this machine, prepare, start the API, submit PPO, GRPO and SFT over the API, wait for all to succeed.
# Prints a table and exits by it. docs/operating.md lists what it reads: MVP_INTERNAL_TOKEN, RESET_DB, VERLPOOL_ROOT, …
set -euo pipefail
exec node "$(dirname "$0")/bootstrap.mjs" scripts/cases/run-all.ts "$@"

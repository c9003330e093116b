#!/usr/bin/env bash
# The happy path, then: auth, isolation, bad input, shortage, cancel in each state, head restart, worker loss.
# Prints a table and exits by it. docs/operating.md lists what it reads: MVP_INTERNAL_TOKEN, RESET_DB, VERLPOOL_ROOT, …
set -euo pipefail
exec node "$(dirname "$0")/bootstrap.mjs" scripts/cases/run-e2e.ts "$@"

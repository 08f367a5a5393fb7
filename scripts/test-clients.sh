#!/usr/bin/env bash
# Real clients against a running server: scripts/test-clients.sh
# Installs them by name and version into target/clients, starts the scripted server, and runs each.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p ozone-server --example scripted
target=${CARGO_TARGET_DIR:-target}
venv=$target/clients/python
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet openai==3.54.0 websockets pydantic
fi
log=$(mktemp)
"$target/release/examples/scripted" 0 scripts/clients/script.json >"$log" &
server=$!
trap 'kill $server 2>/dev/null; rm -f "$log"' EXIT
for _ in $(seq 100); do
    grep -q '^listening on' "$log" && break
    kill -0 $server
    sleep 0.1
done
export OPENAI_BASE_URL="http://$(sed -n 's/^listening on //p' "$log")/v1" OPENAI_API_KEY=unused
"$venv/bin/python" scripts/clients/openai_python.py

#!/usr/bin/env bash
# Real clients against a running server: scripts/test-clients.sh [NAME…], as `codex agents_node`.
# Installs them by name and version into target/clients, starts the scripted server and a recorder
# before it that checks the rules of streams, and runs each client. A client that cannot be
# installed here is left out, with the reason; one that runs and fails is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
home=$target/clients
scripts=scripts/clients
mkdir -p "$home"
say() { printf 'clients: %s\n' "$*"; }

# Prints nothing when $1 is as it was when the client was installed.
is_new() { ! cmp -s "$1" "$home/.installed-$2"; }
installed() { cp "$1" "$home/.installed-$2"; }

# The first line that says what failed.
why() { grep -im 1 error "$home/$1" || head -n 1 "$home/$1"; echo "(all of it is in $home/$1)"; }

install_python() {
    command -v python3 >/dev/null || { echo "there is no python3"; return 1; }
    is_new $scripts/requirements.txt python || return 0
    rm -rf "$home/python"
    python3 -m venv "$home/python" >"$home/pip.log" 2>&1 || { why pip.log; return 1; }
    "$home/python/bin/pip" install --quiet --disable-pip-version-check --retries 1 -r $scripts/requirements.txt \
        >"$home/pip.log" 2>&1 || { why pip.log; return 1; }
    installed $scripts/requirements.txt python
}

install_node() {
    command -v node >/dev/null || { echo "there is no node"; return 1; }
    command -v npm >/dev/null || { echo "there is no npm"; return 1; }
    local major
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || { echo "node $major is too old; they need 20 or newer"; return 1; }
    is_new $scripts/package-lock.json node || return 0
    cp $scripts/package.json $scripts/package-lock.json "$home/"
    (cd "$home" && npm ci --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 --loglevel=error) >"$home/npm.log" 2>&1 ||
        { why npm.log; return 1; }
    installed $scripts/package-lock.json node
}

# Both at once: they wait for the network, and the build for the processor. (`--workspace`: with the
# features of `make test`, which has built both.)
install_python >"$home/.why-python" & python_pid=$!
install_node >"$home/.why-node" & node_pid=$!
cargo build --release --locked --quiet --workspace --example scripted --example recorder
has_python=yes has_node=yes
wait $python_pid || { has_python=; say "left out openai, openai-agents and LangChain for Python, and Codex: $(cat "$home/.why-python")"; }
wait $node_pid || { has_node=; say "left out openai, agents and the AI SDK for Node, and Codex: $(cat "$home/.why-node")"; }

server= recorder=
stop() { [ -z "$1" ] || kill -INT "$1" 2>/dev/null || true; }
trap 'stop "$recorder"; stop "$server"' EXIT
# The address that a server prints at its start.
address() {
    for _ in $(seq 200); do
        ! sed -n 's/^listening on //p' "$1" | grep . || return 0
        sleep 0.05
    done
    say "no server: $(cat "$1")" >&2
    return 1
}
: >"$home/server.log" >"$home/recorder.log"
"$target/release/examples/scripted" 0 $scripts/script.json >"$home/server.log" 2>&1 & server=$!
upstream=$(address "$home/server.log")
"$target/release/examples/recorder" "http://$upstream" >"$home/recorder.log" 2>&1 & recorder=$!
proxy=$(address "$home/recorder.log")
export OPENAI_BASE_URL="http://$proxy/v1" OPENAI_API_KEY=unused
# Loopback needs no proxy, and nobody is told of these runs.
export NO_PROXY=127.0.0.1 OPENAI_AGENTS_DISABLE_TRACING=1 LANGSMITH_TRACING=false
export PYTHONDONTWRITEBYTECODE=1 NODE_NO_WARNINGS=1

names=() pids=()
# begin NAME COMMAND…: runs a client beside the others, if it was asked for.
wanted=" $* "
begin() {
    [ "$wanted" = "  " ] || [[ $wanted == *" $1 "* ]] || return 0
    "${@:2}" >"$home/$1.log" 2>&1 &
    names+=("$1") pids+=($!)
}
if [ -n "$has_node" ]; then
    cp $scripts/*.mjs "$home/"
    [ -z "$has_python" ] ||
        begin codex "$home/python/bin/python" $scripts/codex.py "$home/node_modules/.bin/codex"
    begin openai_node node "$home/openai_node.mjs"
    begin agents_node node "$home/agents_node.mjs"
    begin ai_sdk node "$home/ai_sdk.mjs"
fi
! command -v python3 >/dev/null || begin broken_streams python3 $scripts/broken_streams.py "$target/release/examples"
if [ -n "$has_python" ]; then
    for name in openai_python agents_python langchain_python; do
        begin $name "$home/python/bin/python" $scripts/$name.py
    done
fi

failed=0
for i in "${!names[@]}"; do
    if wait "${pids[$i]}"; then
        say "${names[$i]}: $(grep -c '^ok ' "$home/${names[$i]}.log") scenarios passed"
    else
        failed=1
        say "${names[$i]} FAILED:"
        tail -n 40 "$home/${names[$i]}.log" | sed 's/^/    /'
    fi
done
kill -INT $recorder
wait $recorder || failed=1
recorder=
sed 1d "$home/recorder.log"
exit $failed

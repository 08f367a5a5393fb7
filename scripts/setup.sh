#!/usr/bin/env bash
# Installs what a build and a run need and this machine lacks: system packages (with apt-get, as
# root or through sudo) and the Python packages of the kernel (in .venv). Does nothing, quickly,
# when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v cargo >/dev/null || die "no Rust toolchain; install it from https://rustup.rs, then try again"
command -v python3 >/dev/null || die "no python3; install it (apt-get install python3), then try again"

# What a package brings, and how to see that it is there.
missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v cmake >/dev/null || missing+=(cmake)
command -v bwrap >/dev/null || missing+=(bubblewrap)
command -v tesseract >/dev/null || missing+=(tesseract-ocr)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
case "$(ldconfig -p)${LIBCLANG_PATH:+ libclang.so}" in
    *libclang.so* | *libclang-[0-9]*.so*) ;;
    *) missing+=(libclang1-14) ;;
esac
# bindgen needs clang's own headers beside the library.
if ! compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stdbool.h' >/dev/null &&
    ! compgen -G '/usr/lib/clang/*/include/stdbool.h' >/dev/null; then
    missing+=(libclang-common-14-dev)
fi

if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them with your package manager, then try again"
    sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "missing: ${missing[*]}; run as root, or: apt-get install ${missing[*]}"
        sudo=(sudo)
    fi
    say "installing ${missing[*]}"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

stamp=.venv/.requirements
if ! cmp -s requirements.txt "$stamp" || ! .venv/bin/python3 -c '' 2>/dev/null; then
    say "installing Python packages into .venv"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt >&2
    # Compiled once here, so that the first kernel does not compile them in its read-only sandbox.
    .venv/bin/python3 -m compileall -q .venv/lib >/dev/null 2>&1 || true
    cp requirements.txt "$stamp"
fi

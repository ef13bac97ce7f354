#!/bin/sh
# Make .venv and install vlit into it with locked versions. Usage: scripts/setup.sh [EXTRA,...]
# Needs only Python 3.11 or newer. uv does the work (seconds); pip takes over where uv cannot.
set -eu
cd "$(dirname "$0")/.."
spec=".${1:+[$1]}"

fail() {
  echo "error: $1" >&2
  echo "  do: $2" >&2
  exit 1
}

recent() {
  command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13 python3; do
    if recent "$candidate"; then python="$candidate"; break; fi
  done
fi
recent "${python:-none}" || fail "vlit needs Python 3.11 or newer; ${PYTHON:-none} was found" \
  "install one, or name it: make demo PYTHON=/path/to/python3.11"

# A set-up that was interrupted may leave half a package that looks whole: begin again.
unfinished=.venv/.unfinished
if [ -e "$unfinished" ]; then rm -rf .venv; fi
make_venv=
[ -x .venv/bin/python ] || make_venv=1
mkdir -p .venv
touch "$unfinished"
if [ -n "$make_venv" ]; then
  # Debian's Python has neither venv's pip nor, often, a pip of its own.
  "$python" -m venv .venv >/dev/null 2>&1 ||
    { "$python" -m venv --without-pip .venv && "$python" -m pip --python .venv/bin/python install --quiet pip; } \
      >/dev/null 2>&1 ||
    uv venv --quiet --seed --allow-existing --python "$python" .venv 2>/dev/null ||
    fail "$python cannot make a virtual environment" \
      "install what it lacks (Debian, Ubuntu: apt install python3-venv), or uv"
fi

locked="$PWD/constraints.txt"
python="$PWD/.venv/bin/python"
export UV_COMPILE_BYTECODE=1            # compiled bytecode: imports are 2-3 times faster at the first start
export UV_LINK_MODE=copy
export PIP_DISABLE_PIP_VERSION_CHECK=1
# uv does not read pip's configuration: hand a local wheel folder on where there is one.
links="$("$python" -m pip config get global.find-links 2>/dev/null || true)"
if [ -n "$links" ]; then export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"; fi
case ",${1:-}," in *,dev,* | *,tune,* | *,assess,*)
  # torch for Linux brings gigabytes of CUDA; without an NVIDIA GPU its CPU build does, from disk or from PyTorch's index.
  if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && ! ls "${links:-.}"/torch-*.whl >/dev/null 2>&1; then
    echo "no NVIDIA GPU here: torch is taken in its CPU build" >&2
    export UV_TORCH_BACKEND="${UV_TORCH_BACKEND:-cpu}"
  fi ;;
esac

uv="$PWD/.venv/bin/uv"
[ -x "$uv" ] || "$python" -m pip install --quiet uv -c "$locked" || true
[ -x "$uv" ] || uv="$(command -v uv || true)"
if [ -z "$uv" ] || ! "$uv" pip install --quiet --python "$python" -e "$spec" -c "$locked" -b "$locked"; then
  echo "uv cannot do it here; pip does the same, more slowly" >&2
  PIP_CONSTRAINT="$locked" "$python" -m pip install --quiet -e "$spec"
fi
rm "$unfinished"

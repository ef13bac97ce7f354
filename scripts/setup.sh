#!/usr/bin/env bash
# Make .venv and install vlit into it with locked versions. Usage: scripts/setup.sh EXTRA[,EXTRA]
# Needs only Python 3.11 or newer. uv does the work (seconds); pip takes over where uv cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
extras="${1:-}"
spec="."
[ -n "$extras" ] && spec=".[$extras]"

python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python="$candidate"; break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "vlit needs Python 3.11 or newer; none was found. Install one, or name it: make demo PYTHON=/path/to/python3.11" >&2
  exit 1
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
export UV_COMPILE_BYTECODE=1            # compiled bytecode: imports are 2-3 times faster at the first start
export UV_LINK_MODE=copy
# uv does not read pip's configuration: hand a local wheel folder on where there is one.
links="$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)"
[ -n "$links" ] && export UV_FIND_LINKS="${UV_FIND_LINKS:-$links}"

if ! [ -x .venv/bin/uv ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check uv -c constraints.txt || true
fi
if [ -x .venv/bin/uv ]; then
  .venv/bin/uv pip install --quiet --python .venv/bin/python -e "$spec" -c constraints.txt
else
  echo "uv is not to be had here; pip does the same, more slowly" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e "$spec" -c constraints.txt
fi

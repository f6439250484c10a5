#!/usr/bin/env bash
# Makes .venv from pyproject.toml against requirements.lock. Whole or not there: a stamp is written last, and an
# interrupted install is completed by the next one. GPU=1 takes the CUDA build of torch, NLP=1 adds transformers.
set -euo pipefail
cd "$(dirname "$0")/.."

extras="serve,train,dev${NLP:+,nlp}"
stamp=".venv/.installed-$(cat pyproject.toml requirements.lock infra/install.sh | sha256sum | cut -c1-16)-${extras//,/-}${GPU:+-gpu}"
[ -e "$stamp" ] && exit 0
if [ -z "${NLP:-}" ] && [ -e "$stamp-nlp" ]; then exit 0; fi

find_python() {
  for name in python3.11 python3 python; do
    if command -v "$name" >/dev/null && [ "$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ]; then
      command -v "$name"; return
    fi
  done
}
python=$(find_python)
if [ -z "$python" ]; then
  echo "oddsmith needs Python 3.11 and found $(python3 --version 2>/dev/null || echo none); install it (Debian: apt install python3.11-venv) and try again" >&2
  exit 1
fi
free_gb=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
if [ "$free_gb" -lt 6 ]; then
  echo "the installation needs 6 GB of disk in $(pwd), ${free_gb} GB are free; make room and try again" >&2
  exit 1
fi
echo "Installing into .venv: a download of about 1.3 GB (GPU=1: 4 GB), 5 GB of disk, 2 to 6 minutes. Nothing outside this folder is touched."

[ -x .venv/bin/python ] && [ "$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ] || { rm -rf .venv; "$python" -m venv .venv; }
rm -f .venv/.installed-*
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' requirements.lock)"

# uv does not read pip's configuration: pass on where pip looks, so that both find the same packages.
options=()
for place in $("$python" -m pip config get global.find-links 2>/dev/null || true) ${PIP_FIND_LINKS:-}; do options+=(--find-links "$place"); done
index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
[ -n "$index" ] && options+=(--default-index "$index")
if [ "${#options[@]}" -eq 0 ] && [ -z "${GPU:-}" ]; then
  options+=(--torch-backend cpu) # the default build of torch brings 3 GB of CUDA along
fi
unset PYTHONDONTWRITEBYTECODE
.venv/bin/uv pip install --python .venv/bin/python --compile-bytecode "${options[@]}" --constraint requirements.lock --editable ".[$extras]"
touch "$stamp"

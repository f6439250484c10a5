#!/usr/bin/env bash
# Makes .venv from requirements.lock, every file checked against its hash. Whole or not there: a stamp is written last,
# and an interrupted install is completed by the next one. PYTHON=python3.12 names the Python, GPU=1 adds CUDA for
# TensorFlow (torch trains on the CPU in any case), NLP=1 adds transformers, LEAGUE=1 Prophet and a foundation model.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${ONLY:-}" in
  "") extras="serve,train,dev,docs${GPU:+,gpu}${NLP:+,nlp}${LEAGUE:+,league}" size="a download of about 1.3 GB (GPU=1: 3.5 GB), 5.7 GB of disk, 2 to 6 minutes" needed_gb=6 ;;
  serve) extras=serve size="0.6 GB of disk, about a minute: the bot alone, without nights and training" needed_gb=1 ;;
  *) echo "install: ONLY was $ONLY; it is serve (the bot alone) or not set" >&2; exit 2 ;;
esac
sources=(pyproject.toml requirements.lock infra/install.sh infra/locked.py infra/find_python.sh)
stamp=".venv/.installed-$(cat "${sources[@]}" | sha256sum | cut -c1-16)-${extras//,/-}"
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
if [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of .venv/bin/python)" ]; then
  [ -e "$stamp" ] && exit 0
  # An environment with more extras than were asked for serves too.
  for more in "${stamp/%-serve/-serve-train-dev-docs}" "$stamp-nlp" "$stamp-league" "$stamp-nlp-league" "${stamp/%-league/-nlp-league}"; do
    if [ -e "$more" ]; then exit 0; fi
  done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# An environment that fits is completed, whichever Python comes first on PATH today.
if [ -z "${PYTHON:-}" ] && PYTHON=.venv/bin/python bash infra/find_python.sh >/dev/null 2>&1; then
  python=.venv/bin/python
elif ! python=$(bash infra/find_python.sh 2>"$work/none"); then
  cat "$work/none" >&2
  [ -z "${PYTHON:-}" ] || exit 1
  python=
fi
free_gb=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
if [ "$free_gb" -lt "$needed_gb" ]; then
  echo "the installation needs $needed_gb GB of disk in $(pwd), ${free_gb} GB are free; make room and try again" >&2
  exit 1
fi

# The pin of uv, for pip.
awk '/^[a-z]/ {on = /^uv==/} on' requirements.lock > "$work/uv.txt"
pip_uv() { "$1" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$work/uv.txt"; }
# uv brings a Python of its own where the machine has none that fits; any Python 3 can install uv.
managed_python() {
  local uv
  if ! uv=$(command -v uv); then
    if ! { python3 -m venv "$work/uv" && pip_uv "$work/uv/bin/python"; } >"$work/said" 2>&1; then
      echo "install Python 3.11, 3.12 or 3.13 with venv (Debian, Ubuntu: apt install python3-venv), or uv, which brings its own Python, and try again" >&2
      return 1
    fi
    uv="$work/uv/bin/uv"
  fi
  echo "uv downloads Python 3.13 for .venv"
  "$uv" venv --quiet --seed --managed-python --python 3.13 .venv
}
if [ "$python" != .venv/bin/python ]; then
  rm -rf .venv
  if [ -n "$python" ]; then "$python" -m venv .venv; else managed_python; fi
fi
echo "Installing for Python $(version_of .venv/bin/python) into .venv: $size. Nothing outside this folder is touched."
rm -f .venv/.installed-*
pip_uv .venv/bin/python

# uv does not read pip's configuration: pass on where pip looks, so that both find the same packages.
options=()
for place in $(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true) ${PIP_FIND_LINKS:-}; do options+=(--find-links "$place"); done
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
[ -n "$index" ] && options+=(--default-index "$index")
install() { .venv/bin/uv pip install --python .venv/bin/python "${options[@]}" "$@"; }

# The default build of torch brings 3 GB of CUDA along, which nothing here uses: the networks of the agents are small and
# train on the CPU. The CPU build lies in an index of its own, or where pip looks.
torch=$(sed -nE 's/^torch==([0-9.]+).*/\1/p' requirements.lock)
build=()
if [ "${#options[@]}" -eq 0 ]; then
  options=(--torch-backend cpu)
  build=(--cpu)
elif install --quiet --dry-run --no-deps "torch==$torch+cpu" 2>/dev/null; then
  build=(--cpu)
else
  echo "The package index that pip is configured for has no CPU build of torch $torch for Python $(version_of .venv/bin/python): the build with CUDA is installed, 3 GB more to download and 4 GB more on disk."
fi
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python infra/locked.py ${extras//,/ } "${build[@]}" > "$work/roots.txt"
.venv/bin/python infra/locked.py "${build[@]}" > "$work/lock.txt"
# uv lists every package that it brings, some 300 lines: they are shown when it fails.
if ! install --compile-bytecode --require-hashes --requirement "$work/roots.txt" --constraint "$work/lock.txt" --build-constraint "$work/lock.txt" >"$work/said" 2>&1; then
  cat "$work/said" >&2
  exit 1
fi
echo "installed $(grep -c '^ + ' "$work/said" || true) packages, $(du -sh .venv | cut -f1) in .venv"
# The project itself, built with the setuptools of the lock.
install --quiet --no-deps --no-build-isolation --editable .
touch "$stamp"

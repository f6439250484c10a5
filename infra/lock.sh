#!/usr/bin/env bash
# Writes requirements.lock anew: every extra, exact versions, the CPU build of torch and no package index by name.
set -euo pipefail
cd "$(dirname "$0")/.."
options=()
for place in $(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true) ${PIP_FIND_LINKS:-}; do options+=(--find-links "$place"); done
[ "${#options[@]}" -eq 0 ] && options+=(--torch-backend cpu)
.venv/bin/uv pip compile pyproject.toml --all-extras --no-header --no-annotate --no-emit-find-links --no-emit-index-url \
  --quiet "${options[@]}" --output-file requirements.lock.new
sed -E 's/^(torch==[0-9.]+)\+cpu/\1/' requirements.lock.new > requirements.lock
rm requirements.lock.new

#!/usr/bin/env bash
# Writes requirements.lock anew: every extra, every supported Python, exact versions with the hashes of every file, no
# package index by name. KEEP=1 keeps the versions that still fit. PyPI knows no CPU build of torch: the sums of its
# wheels come from infra/torch-cpu.sha256, which a new version of torch needs anew.
set -euo pipefail
cd "$(dirname "$0")/.."
options=()
for setting in global.index-url :env:.index-url; do
  index=$(.venv/bin/python -m pip config get "$setting" 2>/dev/null || true)
  [ -n "$index" ] && options=(--default-index "$index")
done
new=$(mktemp)
trap 'rm -f "$new"' EXIT
[ -n "${KEEP:-}" ] && cp requirements.lock "$new"
.venv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-header --no-annotate --no-emit-find-links --no-emit-index-url --quiet "${options[@]}" --output-file "$new"

torch=$(sed -nE 's/^torch==([0-9.]+).*/\1/p' "$new")
sums=$(sed -nE "s/^([0-9a-f]{64})  torch-$torch\+cpu-.*/    --hash=sha256:\1 \\\\/p" infra/torch-cpu.sha256)
if [ -z "$sums" ]; then
  echo "infra/torch-cpu.sha256 has no wheel of torch $torch: copy their sums from https://download.pytorch.org/whl/cpu/torch/ and try again" >&2
  exit 1
fi
# A kept lock holds the sums already: a line that was printed before is left out.
{ sed -n '1,/^torch==/p' "$new"; echo "$sums"; sed '1,/^torch==/d' "$new"; } | awk '!/--hash/ || !seen[$0]++' > requirements.lock

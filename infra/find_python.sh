#!/usr/bin/env bash
# Prints the Python to make .venv with; exit status 1 and one line when there is none. PYTHON=... names one. Else the
# machine's own python3 is taken if oddsmith runs on it, else the newest of python3.13, python3.12 and python3.11.
set -euo pipefail

versions=(3.13 3.12 3.11)
# A release of CPython with a venv that brings pip. Ubuntu 22.04's python3.11 is a release candidate: pip refuses it.
probe='
import sys
found = "%d.%d" % sys.version_info[:2]
if found not in sys.argv[1:] or sys.implementation.name != "cpython":
    kind = sys.implementation.name
    print("is Python", found + (kind != "cpython") * (" (%s)" % kind)); sys.exit()
if sys.version_info[3] != "final":
    print("is a pre-release of Python", found); sys.exit()
try:
    import ensurepip, venv
except ImportError:
    print("lacks venv (Debian, Ubuntu: apt install python%s-venv)" % found); sys.exit()
print("fits")'

said=()
fits() {
  local path answer
  path=$(command -v "$1") || { said+=("$1 was not found"); return 1; }
  answer=$("$path" -c "$probe" "${versions[@]}" 2>/dev/null) || answer="does not run"
  [ "$answer" = fits ] || { said+=("$1 $answer"); return 1; }
  echo "$path"
}

if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); else candidates=(python3 python "${versions[@]/#/python}"); fi
for name in "${candidates[@]}"; do fits "$name" && exit 0; done
echo "oddsmith needs one of Python ${versions[*]}: $(printf '%s; ' "${said[@]}" | sed 's/; $//')" >&2
exit 1

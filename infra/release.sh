#!/usr/bin/env bash
# Puts the committed code into the bucket for machines to install: release.sh s3://BUCKET [COMMIT]
set -euo pipefail
cd "$(dirname "$0")/.."
store=${1:?release.sh s3://BUCKET [COMMIT]; the bucket is an output of terraform}
commit=$(git rev-parse --short "${2:-HEAD}")
archive=$(mktemp --suffix .tar.gz)
trap 'rm -f "$archive"' EXIT
git archive --format=tar.gz --output="$archive" "$commit"
python=${PYTHON:-.venv/bin/python}
for name in "oddsmith-$commit.tar.gz" oddsmith.tar.gz; do
  "$python" - "$archive" "$store" "$name" <<'PYTHON'
import sys
from urllib.parse import urlsplit

import boto3

archive, store, name = sys.argv[1:]
place = urlsplit(store)
if place.scheme != "s3" or not place.netloc:
    sys.exit(f"release.sh: the store was {store!r}; give s3://BUCKET")
boto3.client("s3").upload_file(archive, place.netloc, f"{place.path.strip('/')}/releases/{name}".lstrip("/"))
PYTHON
done
echo "release $commit is in $store/releases/: new machines install it; on a running one: sudo bash /opt/oddsmith/infra/aws/update.sh"

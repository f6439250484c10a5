#!/usr/bin/env bash
# Brings the newest release of the bucket onto a running machine. var/, data and models stay. The bot cancels its resting orders,
# stops, and reconciles with the venue when it starts again.
set -euo pipefail
set -a
# shellcheck disable=SC1091
. /etc/oddsmith/environment
set +a
home=/opt/oddsmith
archive=$(mktemp --suffix .tar.gz)
trap 'rm -f "$archive"' EXIT
aws s3 cp "$ODDSMITH_STORE_URL/releases/oddsmith.tar.gz" "$archive"
mapfile -t units < <(systemctl list-units --type=service --state=active --plain --no-legend 'oddsmith-*' | awk '{print $1}')
systemctl stop "${units[@]}"
tar -xzf "$archive" -C "$home"
chown -R oddsmith: "$home"
runuser -u oddsmith -- env HOME="$home" GPU="$(command -v nvidia-smi >/dev/null && echo 1)" make -C "$home" install
install -m 644 "$home"/infra/units/oddsmith-* "$home"/infra/aws/units/oddsmith-* /etc/systemd/system/
bash "$home"/infra/prefect_login.sh
systemctl daemon-reload
systemctl start "${units[@]}"

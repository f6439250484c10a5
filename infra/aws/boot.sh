#!/usr/bin/env bash
# Makes a fresh Ubuntu machine a trading or a training machine. Run by the first boot, harmless when run again.
#   boot.sh trading|training
set -euo pipefail
role=${1:?boot.sh trading or boot.sh training}
case "$role" in trading | training) ;; *) echo "boot.sh: the role was $role; it is trading or training" >&2; exit 2 ;; esac
home=/opt/oddsmith
set -a
# shellcheck disable=SC1091
. /etc/oddsmith/environment
set +a

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv make git curl postgresql-client
id oddsmith >/dev/null 2>&1 || useradd --system --home-dir "$home" --shell /usr/sbin/nologin oddsmith

if [ "$role" = trading ]; then
  # The volume for var/ arrives after the machine; NVMe machines rename it. It is formatted once, when it is empty.
  disk=""
  for _ in $(seq 60); do
    disk=$(lsblk -dpno NAME,MOUNTPOINT,TYPE | awk '$2 == "disk" {print $1}' | while read -r name; do
      lsblk -no MOUNTPOINT "$name" | grep -q . || echo "$name"
    done | tail -1)
    [ -n "$disk" ] && break
    sleep 5
  done
  [ -n "$disk" ] || { echo "boot.sh: the volume for $home/var did not appear within 5 minutes" >&2; exit 1; }
  blkid "$disk" >/dev/null || mkfs.ext4 -q -L oddsmith-var "$disk"
  mkdir -p "$home/var"
  grep -q oddsmith-var /etc/fstab || echo "LABEL=oddsmith-var $home/var ext4 defaults,nofail 0 2" >> /etc/fstab
  mountpoint -q "$home/var" || mount "$home/var"
fi
chown -R oddsmith: "$home"
if [ "$role" = trading ]; then
  chmod 700 "$home/var"
  bash "$home/infra/prefect_login.sh"
fi

gpu=""
command -v nvidia-smi >/dev/null && gpu=1
runuser -u oddsmith -- env HOME="$home" GPU="$gpu" make -C "$home" install
# The release is an archive, no git repository: DVC has to know.
runuser -u oddsmith -- env HOME="$home" "$home/.venv/bin/dvc" --cd "$home" config --local core.no_scm true
runuser -u oddsmith -- env HOME="$home" "$home/.venv/bin/dvc" --cd "$home" remote add --local --force --default store "$ODDSMITH_STORE_URL/dvc"

install -m 644 "$home"/infra/units/oddsmith-* "$home"/infra/aws/units/oddsmith-* /etc/systemd/system/
systemctl daemon-reload
units=(oddsmith-logs)
if [ "$role" = trading ]; then
  bash "$home/infra/monitoring/install.sh"
  units+=(oddsmith-prefect oddsmith-mlflow oddsmith-flows oddsmith-service oddsmith-backup.timer oddsmith-prometheus oddsmith-alertmanager oddsmith-grafana)
else
  units+=(oddsmith-training)
fi
systemctl enable --now "${units[@]}"
echo "boot.sh: this is a $role machine now: ${units[*]}"

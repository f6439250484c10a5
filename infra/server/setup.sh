#!/usr/bin/env bash
# Makes one Debian or Ubuntu machine a trading machine: everything as systemd units, on loopback. Harmless when run
# again: it brings the code of this clone, installs what changed, and starts what stopped.
#   sudo bash infra/server/setup.sh             bot, flows, Prefect, MLflow, nightly backup
#   sudo bash infra/server/setup.sh monitoring  the same, with Prometheus, Alertmanager and Grafana
#   sudo bash infra/server/setup.sh trial       the same as the first, on the local exchange
set -euo pipefail
what=${1:-}
case "$what" in "" | monitoring | trial) ;; *) echo "setup.sh: the argument was $what; it is monitoring, trial or nothing" >&2; exit 2 ;; esac
[ "$(id -u)" = 0 ] || { echo "setup.sh: it creates a user and units; run it with sudo" >&2; exit 1; }
source=$(cd "$(dirname "$0")/../.." && pwd)
home=/opt/oddsmith

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-venv make git curl openssl postgresql
id oddsmith >/dev/null 2>&1 || useradd --system --home-dir "$home" --shell /usr/sbin/nologin oddsmith

# The committed code and nothing else; var/, data/ and models/ of a machine that runs already stay as they are.
mkdir -p "$home/var" /etc/oddsmith
git -c safe.directory="$source" -C "$source" archive HEAD | tar -x -C "$home"
chown -R oddsmith: "$home"
chmod 700 "$home/var"

[ -e /etc/oddsmith/environment ] || install -m 644 "$home/infra/server/environment" /etc/oddsmith/environment
[ "$what" != trial ] || sed -i 's/^ODDSMITH_MODE=.*/ODDSMITH_MODE=simulated/' /etc/oddsmith/environment
for file in secrets feeds; do
  [ -e "/etc/oddsmith/$file" ] || install -m 600 /dev/null "/etc/oddsmith/$file"
done
bash "$home/infra/prefect_login.sh"

# A role of the same name: PostgreSQL lets the system's user in over the socket (peer), without a password.
systemctl enable --now postgresql
runuser -u postgres -- psql -qtAc "SELECT 1 FROM pg_roles WHERE rolname = 'oddsmith'" | grep -q 1 || runuser -u postgres -- createuser oddsmith
runuser -u postgres -- psql -qtAc "SELECT 1 FROM pg_database WHERE datname = 'oddsmith'" | grep -q 1 || runuser -u postgres -- createdb --owner oddsmith oddsmith

runuser -u oddsmith -- env HOME="$home" make -C "$home" install
# The code is an archive, no git repository: DVC has to know.
runuser -u oddsmith -- env HOME="$home" "$home/.venv/bin/dvc" --cd "$home" config --local core.no_scm true

install -m 644 "$home"/infra/units/oddsmith-* /etc/systemd/system/
systemctl daemon-reload
units=(oddsmith-prefect oddsmith-mlflow oddsmith-flows oddsmith-service oddsmith-backup.timer)
if [ "$what" = trial ]; then units=(oddsmith-simulator "${units[@]}"); fi
if [ "$what" = monitoring ]; then
  bash "$home/infra/monitoring/install.sh"
  units+=(oddsmith-prometheus oddsmith-alertmanager oddsmith-grafana)
fi
systemctl enable "${units[@]}"
systemctl restart "${units[@]}"
echo "setup.sh: ${units[*]} run. The dashboard is on http://127.0.0.1:3000, Prefect on 4200, MLflow on 5000${what:+ ($what)}."
echo "setup.sh: mode and addresses are in /etc/oddsmith/environment, keys in /etc/oddsmith/secrets; restart the units after a change."

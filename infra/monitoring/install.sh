#!/usr/bin/env bash
# Installs Prometheus, Alertmanager and Grafana on Debian or Ubuntu for the units oddsmith-prometheus, -alertmanager and
# -grafana. The services that the packages bring are turned off: theirs read other files.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
if ! command -v grafana >/dev/null; then
  # Grafana is in no archive of Debian or Ubuntu; its makers have one.
  install -d -m 755 /etc/apt/keyrings
  curl -fsSL https://apt.grafana.com/gpg.key -o /etc/apt/keyrings/grafana.asc
  echo "deb [signed-by=/etc/apt/keyrings/grafana.asc] https://apt.grafana.com stable main" > /etc/apt/sources.list.d/grafana.list
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager grafana
systemctl disable --now prometheus prometheus-alertmanager grafana-server 2>/dev/null || true

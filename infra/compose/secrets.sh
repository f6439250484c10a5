#!/usr/bin/env bash
# Makes the files in infra/compose/secrets/ that are not there yet; nobody else reads them:
#   database.env   the password of the journal's database      prefect.env    the login of the Prefect UI
#   grafana.env    the password of Grafana's admin             trading.env    yours: ODDSMITH_LIVE, ODDSMITH_PRIVATE_KEY ...
#   pagerduty_key  yours: who is paged
#   messages.env   yours: ODDSMITH_MESSAGES, who is told     service.env    the token of routes that change
#   proxy.env      yours: site, login and its password's hash
set -euo pipefail
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"
made() { [ -e "$1" ] || { cat > "$1.partial" && mv "$1.partial" "$1"; }; }
login="oddsmith:$(openssl rand -hex 32)"
made database.env <<< "POSTGRES_PASSWORD=$(openssl rand -hex 32)"
made prefect.env <<< "PREFECT_SERVER_API_AUTH_STRING=$login
PREFECT_API_AUTH_STRING=$login"
made grafana.env <<< "GF_SECURITY_ADMIN_PASSWORD=$(openssl rand -hex 16)"
made service.env <<< "ODDSMITH_SERVICE_TOKEN=$(openssl rand -hex 32)"
made proxy.env <<< "ODDSMITH_PROXY_SITE=
ODDSMITH_PROXY_USER=
ODDSMITH_PROXY_HASH="
made trading.env < /dev/null
made messages.env <<< "ODDSMITH_MESSAGES="
made pagerduty_key < /dev/null
# Alertmanager runs as a user of its own inside its container; the folder keeps everybody else out.
chmod 644 pagerduty_key
echo "secrets are in $PWD"

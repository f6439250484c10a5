#!/usr/bin/env bash
# Puts the dashboard of this machine behind a login, over TLS. Run it after infra/server/setup.sh; harmless when run again.
#   sudo bash infra/proxy/install.sh bot.example.org NAME      it asks for the password of NAME
set -euo pipefail
[ $# = 2 ] || { echo "install.sh: give the address that people open and the name of the login, as in: install.sh bot.example.org ann" >&2; exit 2; }
site=$1 name=$2
[ "$(id -u)" = 0 ] || { echo "install.sh: it installs a unit; run it with sudo" >&2; exit 1; }
[ -e /etc/oddsmith/environment ] || { echo "install.sh: /etc/oddsmith/environment is missing; run infra/server/setup.sh first" >&2; exit 1; }
home=/opt/oddsmith

export DEBIAN_FRONTEND=noninteractive
command -v caddy >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends caddy; }
systemctl disable --now caddy 2>/dev/null || true # the package's own site; the unit below serves ours
hash=$(caddy hash-password)

# The bot asks for this token; the proxy adds it for everybody who passed the login.
token=$(sed -n 's/^ODDSMITH_SERVICE_TOKEN=//p' /etc/oddsmith/secrets)
if [ -z "$token" ]; then
  token=$(openssl rand -hex 32)
  echo "ODDSMITH_SERVICE_TOKEN=$token" >> /etc/oddsmith/secrets
fi
umask 077
cat > /etc/oddsmith/proxy.partial <<SETTINGS
ODDSMITH_PROXY_SITE=$site
ODDSMITH_PROXY_USER=$name
ODDSMITH_PROXY_HASH='$hash'
ODDSMITH_SERVICE_TOKEN=$token
SETTINGS
mv /etc/oddsmith/proxy.partial /etc/oddsmith/proxy
sed -i "s|^ODDSMITH_ALLOWED_HOSTS=.*|ODDSMITH_ALLOWED_HOSTS=$site|; s|^ODDSMITH_PAGE_URL=.*||" /etc/oddsmith/environment
echo "ODDSMITH_PAGE_URL=https://$site" >> /etc/oddsmith/environment

install -m 644 "$home"/infra/units/oddsmith-proxy.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable oddsmith-proxy
systemctl restart oddsmith-service oddsmith-proxy
echo "install.sh: https://$site asks for the password of $name; ports 80 and 443 have to reach this machine for the certificate."

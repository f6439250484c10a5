#!/usr/bin/env bash
# The login of this machine's Prefect server, made once; systemd reads it as root and nobody else can.
set -euo pipefail
file=/etc/oddsmith/prefect
if [ ! -s "$file" ]; then
  umask 077
  login="oddsmith:$(openssl rand -hex 32)"
  {
    echo "PREFECT_SERVER_API_AUTH_STRING=$login"
    echo "PREFECT_API_AUTH_STRING=$login"
    echo "PREFECT_SERVER_CORS_ALLOWED_ORIGINS=http://127.0.0.1:4200,http://localhost:4200"
    echo "PREFECT_SERVER_CSRF_PROTECTION_ENABLED=true"
    echo "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED=true"
  } > "$file"
fi
chmod 600 "$file"

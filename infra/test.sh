#!/usr/bin/env bash
# The infrastructure without an account: formatting, validation, tests against a mocked provider, then apply, second plan and
# destroy against a local emulator (moto). Ends with status 0 and the reason when Terraform or its AWS provider is not here.
#
#   TERRAFORM        the binary (default: terraform on PATH)
#   TF_PLUGIN_DIR    folder that holds registry.terraform.io/hashicorp/aws (default: searched below /opt, /usr/share, ~/.terraform.d;
#                    "none" asks the registry as Terraform does by itself)
#   QUICK=1          leaves the emulator out
set -euo pipefail
cd "$(dirname "$0")/.."
terraform=${TERRAFORM:-terraform}

skip() { echo "infra-test skipped: $*"; exit 0; }
step() { echo "== $*"; }
command -v "$terraform" >/dev/null || skip "no $terraform on PATH; install Terraform 1.8 or newer, or set TERRAFORM to its path"

find_plugins() {
  if [ -n "${TF_PLUGIN_DIR:-}" ]; then
    echo "${TF_PLUGIN_DIR#none}"
    return
  fi
  local binary
  binary=$(find /opt /usr/share /usr/local/share "$HOME/.terraform.d" -name 'terraform-provider-aws*' -path '*registry.terraform.io/hashicorp/aws/*' 2>/dev/null | head -1 || true)
  echo "${binary%%/registry.terraform.io/*}"
}

work=$(mktemp -d)
emulator=""
finish() {
  local status=$?
  if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; wait "$emulator" 2>/dev/null || true; fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

# A CLI configuration that does not exist makes every call warn.
if [ -n "${TF_CLI_CONFIG_FILE:-}" ] && [ ! -e "$TF_CLI_CONFIG_FILE" ]; then unset TF_CLI_CONFIG_FILE; fi
export TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1
# Terraform works on a copy: nothing it writes lies in the repository afterwards.
cp -r infra/terraform "$work/terraform"
rm -rf "$work/terraform/.terraform"*
run() { "$terraform" -chdir="$work/terraform" "$@"; }

step "terraform fmt"
run fmt -check -recursive -diff

step "terraform init"
plugins=$(find_plugins)
if ! run init -no-color ${plugins:+-plugin-dir="$plugins"} >"$work/init.log" 2>&1; then
  if grep -Eqi 'failed to query|could not connect|no such host|connection refused|timeout' "$work/init.log" && [ -z "$plugins" ]; then
    skip "no AWS provider on this machine and its registry does not answer; set TF_PLUGIN_DIR to the folder that holds registry.terraform.io/hashicorp/aws"
  fi
  cat "$work/init.log" >&2
  exit 1
fi

step "terraform validate"
run validate -no-color

step "terraform test (mocked provider)"
run test -no-color

[ "${QUICK:-}" = 1 ] && { echo "infra-test: QUICK=1 leaves the emulator out"; exit 0; }
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import moto.server' 2>/dev/null || skip "$python has no moto server; run make install for apply and destroy"

step "apply, second plan and destroy against the emulator"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
MOTO_IAM_LOAD_MANAGED_POLICIES=true "$python" infra/emulator.py -H 127.0.0.1 -p "$port" >"$work/moto.log" 2>&1 &
emulator=$!
for _ in $(seq 150); do
  curl -sf -o /dev/null "http://127.0.0.1:$port/moto-api/" && break
  kill -0 "$emulator" 2>/dev/null || { echo "infra-test: the emulator ended: $(tail -1 "$work/moto.log")" >&2; exit 1; }
  sleep 0.2
done
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=eu-west-1 AWS_EC2_METADATA_DISABLED=true
unset AWS_PROFILE AWS_SESSION_TOKEN
export AWS_MAX_ATTEMPTS=3 # what the emulator cannot do fails at once
options=(-no-color -compact-warnings -var region=eu-west-1 -var "endpoint_url=http://127.0.0.1:$port" -var deletion_protection=false -var alarm_email=someone@example.org
  -var trading_ami=ami-12c6146b -var training_ami=ami-12c6146b)
started=$SECONDS
run apply -auto-approve "${options[@]}" | grep -E '^(Apply|Error|│|Outputs|[a-z_]+ = )' || { echo "infra-test: apply failed" >&2; exit 1; }
echo "applied in $((SECONDS - started)) s: $(run state list | grep -vc '^data\.') resources"

status=0
run plan -detailed-exitcode "${options[@]}" >"$work/plan.log" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
  cat "$work/plan.log" >&2
  echo "infra-test: a second plan wants changes (status $status)" >&2
  exit 1
fi
echo "second plan: no changes"

started=$SECONDS
run destroy -auto-approve "${options[@]}" | grep -E '^(Destroy|Error|│)'
left=$(run state list | wc -l)
[ "$left" -eq 0 ] || { echo "infra-test: $left resources survived destroy" >&2; exit 1; }
echo "destroyed in $((SECONDS - started)) s; nothing is left"

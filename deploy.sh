#!/usr/bin/env bash
# Puts teslafast on Fly.io: makes what is missing, deploys, waits until it is well, and lets the doctor look at it from here.
# Run it as often as you like: what is there is kept. Certificates are made in certs/ (never in git, never in the image).
set -euo pipefail

usage() {
    cat >&2 <<'END'
usage: ./deploy.sh [--dry-run] [--renew] APP HOSTNAME [REGION]

  APP        name of the Fly app, new or yours; dashboards reach it at https://APP.fly.dev too
  HOSTNAME   what vehicles and dashboards will call it, for example telemetry.example.com
  REGION     where a new app runs (default: fra)

  --dry-run  print what would be done, and do nothing
  --renew    send the certificates in certs/ again, although the app has some

  variables  TESLA_VIN (vehicles that may connect), CERTS (default: certs), FLY and TESLAFAST (the commands to use)
END
    exit 2
}

dry_run='' renew='' words=()
for word in "$@"; do
    case $word in
        --dry-run) dry_run=yes ;;
        --renew) renew=yes ;;
        -*) usage ;;
        *) words+=("$word") ;;
    esac
done
[[ ${#words[@]} -ge 2 && ${#words[@]} -le 3 ]] || usage
app=${words[0]} hostname=${words[1]} region=${words[2]:-}
fly=${FLY:-fly} teslafast=${TESLAFAST:-teslafast} certs=${CERTS:-certs}
cd "$(dirname "${BASH_SOURCE[0]}")"
[[ -n ${TESLAFAST:-} || ! -x .venv/bin/teslafast ]] || teslafast=.venv/bin/teslafast

say() { printf '%s\n' "$*"; }
fail() { printf 'deploy.sh: %s\n' "$*" >&2; exit 1; }
doing() { say "${dry_run:+would }$1"; }

# Shown first; only carried out without --dry-run.
run() {
    doing "run: $*"
    [[ -n $dry_run ]] || "$@"
}

command -v "$fly" >/dev/null || fail "$fly is not installed: see https://fly.io/docs/flyctl/install/"
command -v "$teslafast" >/dev/null || fail "$teslafast is not installed: pip install . (or make install)"
"$fly" auth whoami >/dev/null 2>&1 || fail "not logged in to Fly.io: $fly auth login"

# ---- certificates, on this machine

[[ -e $certs/server.pem ]] || run "$teslafast" certs init "$certs" --hostname "$hostname"
[[ -e $certs/tesla_ca.pem ]] || run "$teslafast" certs tesla-ca "$certs/tesla_ca.pem"

# ---- app, volume, address

if "$fly" status --app "$app" >/dev/null 2>&1; then
    known=yes
else
    known='' region=${region:-fra}
    run "$fly" apps create "$app"
fi

# What a list of the app holds; nothing for an app that is still to be made.
list() { [[ -z $known ]] || "$fly" "$@" --app "$app" --json; }

volumes=$(list volumes list)
grep -Eiq '"name": *"journal"' <<<"$volumes" ||
    run "$fly" volumes create journal --app "$app" --region "${region:-fra}" --size 1 --count 1 --yes

# Raw TCP wants an address of its own: the shared one knows only HTTP and TLS that Fly ends.
addresses=$(list ips list)
grep -Eiq '"type": *"v4"' <<<"$addresses" || run "$fly" ips allocate-v4 --app "$app" --yes

# ---- secrets: through stdin, so that no process list shows them; staged, so that one deploy takes them all

secrets=$(list secrets list)
missing() { [[ -z $known ]] || ! grep -Eiq "\"name\": *\"$1\"" <<<"$secrets"; }
in_base64() { base64 <"$1" | tr -d '\n'; }
stage() {
    doing "stage the secret $1"
    [[ -n $dry_run ]] || printf '%s=%s\n' "$1" "$2" | "$fly" secrets import --stage --app "$app" >/dev/null
}

for pair in SERVER_PEM:server.pem SERVER_KEY:server.key TESLA_CA_PEM:tesla_ca.pem; do
    name=${pair%%:*} file=$certs/${pair#*:}
    if [[ -n $renew ]] || missing "$name"; then
        stage "$name" "$([[ -n $dry_run && ! -e $file ]] || in_base64 "$file")"
    fi
done
if missing JWT_SECRET; then
    stage JWT_SECRET "$(openssl rand -hex 32)"
fi
if [[ -n ${TESLA_VIN:-} ]]; then
    stage TESLA_VIN "$TESLA_VIN"
fi

# ---- deploy, wait, look

# One Machine: its log is the only one, and every vehicle and dashboard must find the same.
run "$fly" deploy --app "$app" --ha=false ${region:+--primary-region "$region"}
if [[ -n $dry_run ]]; then
    say "would wait for https://$app.fly.dev/health, and run: $teslafast doctor https://$hostname:8443"
    exit 0
fi

"$fly" certs show "$hostname" --app "$app" >/dev/null 2>&1 || run "$fly" certs add "$hostname" --app "$app"

dashboards=${DASHBOARDS_URL:-https://$app.fly.dev}
for ((left = ${PATIENCE_S:-120}; ; left -= 2)); do
    "$teslafast" health "$dashboards" && break
    ((left > 0)) || fail "$dashboards is not well: see $fly logs --app $app"
    sleep 2
done

own_v4() { tr -d ' \n' | grep -Eio '\{[^}]*"type":"v4"[^}]*\}' | grep -Eio '"address":"[^"]*"' | cut -d'"' -f4; }
address=$("$fly" ips list --app "$app" --json | own_v4) || fail "the app has no IPv4 address of its own: $fly ips list --app $app"
say "DNS: $hostname must be an A record of $address"

# A token made there, where the secret is, and read from stdin here.
"$fly" ssh console --app "$app" --quiet --command '/opt/teslafast/bin/teslafast token --sub deploy --ttl 5m' | tr -d '\r' |
    "$teslafast" doctor "${VEHICLES_URL:-https://$hostname:8443}" --address "$address" --dashboards "$dashboards" --ca "$certs/ca.pem" --token -

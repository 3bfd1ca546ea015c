#!/usr/bin/env bash
# Puts teslafast on Fly.io: makes what is missing, deploys, waits until it is well, and lets the doctor look at it from here.
# Run it as often as you like: what is there is kept. Certificates are made in certs/ (never in git, never in the image).
# `teslafast setup` makes the same app, with the app's public key, and configures the car.
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

# ---- app, volume, address, secrets, deploy: what `teslafast setup` does, too (teslafast/setup/fly_deployment.py)

FLY=$fly "$teslafast" deploy-fly "$app" "$hostname" "$region" --certs "$certs" ${dry_run:+--dry-run} ${renew:+--renew}
if [[ -n $dry_run ]]; then
    say "would wait for https://$app.fly.dev/health, and run: $teslafast doctor https://$hostname:8443"
    exit 0
fi

# ---- wait, look

dashboards=${DASHBOARDS_URL:-https://$app.fly.dev}
for ((left = ${PATIENCE_S:-120}; ; left -= 2)); do
    "$teslafast" health "$dashboards" && break
    ((left > 0)) || fail "$dashboards is not well: see $fly logs --app $app"
    sleep 2
done

address=$(FLY=$fly "$teslafast" deploy-fly --address "$app")

# A token made there, where the secret is, and read from stdin here.
"$fly" ssh console --app "$app" --quiet --command '/opt/teslafast/bin/teslafast token --sub deploy --ttl 5m' | tr -d '\r' |
    "$teslafast" doctor "${VEHICLES_URL:-https://$hostname:8443}" --address "$address" --dashboards "$dashboards" --ca "$certs/ca.pem" --token -

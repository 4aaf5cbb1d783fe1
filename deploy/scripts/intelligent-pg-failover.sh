#!/usr/bin/env bash
# Moves a protection group to another cluster by a Failover object, and follows it until it is over. Everything is done by pgctl (PGCTL
# names another one); this only knows the shorter spelling of the target.
# One file under two names: as intelligent-pg-failover-crd.sh it also says what it looks at and creates, as
# intelligent-pg-failover.sh only what matters on the way: warnings, phases, the end.
set -euo pipefail

usage() {
  cat >&2 <<USAGE
Usage: ${0##*/} <protection-group> --to-<cluster> [--force]
           [--type planned|unplanned] [--confirm-source-down] [--namespace <namespace>]
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a cluster cannot be reached,
4 another failover of the group is in progress, 5 something must be put right first.
USAGE
  exit 2
}

arguments=()
target=""
for argument in "$@"; do
  case $argument in
    --to-?*)
      [[ -z $target ]] || usage
      target=${argument#--to-}
      ;;
    -h | --help) usage ;;
    *) arguments+=("$argument") ;;
  esac
done
[[ -n $target && ${#arguments[@]} -gt 0 && ${arguments[0]} != -* ]] || usage

case ${0##*/} in
  *-crd.sh) transcript=crd ;;
  *) transcript=direct ;;
esac

pgctl=${PGCTL:-pgctl}
if ! command -v "$pgctl" >/dev/null; then
  echo "[ERROR] $pgctl is not installed, or not on the PATH" >&2
  exit 127
fi
exec "$pgctl" failover "${arguments[@]}" --to "$target" --transcript "$transcript"

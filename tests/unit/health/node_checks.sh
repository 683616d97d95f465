#!/bin/bash
# Behaves like LBNL Node Health Check where a caller can tell, and shares no code with it: lines "HOST || CHECK ARGUMENTS" of which the first
# that fails ends it with status 1; a configuration that is not there is status 0; a mistake in its own command line is 10.
# HOST is a pattern of the shell (*, n[0-3]*), /a regular expression/, or either behind a "!".
set -u
config=/etc/node_checks.conf
while getopts c: option; do
  case $option in
    c) config=$OPTARG ;;
    *) exit 10 ;;
  esac
done
[ -e "$config" ] || exit 0
host=${GRIT_NODE:-$(uname -n)}

die() {
  echo "ERROR:  node_checks:  Health check failed:  ${FUNCNAME[1]}:  $*"
  exit 1
}

check_eth() { grep -q "^ *$1:" /proc/net/dev || die "Ethernet interface $1 not found."; }
check_file() { [ -e "$1" ] || die "$1 does not exist."; }
check_memory_kib() { [ "$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)" -ge "$1" ] || die "less than $1 kB are available."; }

is_for_this_host() {
  local target=$1
  case $target in
    !*) ! is_for_this_host "${target#!}" ;;
    /*/) [[ $host =~ ${target:1:-1} ]] ;;
    *) [[ $host == $target ]] ;;
  esac
}

while IFS= read -r line; do
  [[ $line =~ ^[[:blank:]]*(#|$) ]] && continue
  [[ $line =~ ^[[:blank:]]*([^[:blank:]]+)[[:blank:]]*\|\|[[:blank:]]*(.*)$ ]] || continue
  target=${BASH_REMATCH[1]} check=${BASH_REMATCH[2]}
  is_for_this_host "$target" && eval "$check"
done <"$config"
exit 0

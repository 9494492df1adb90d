#!/usr/bin/env bash
# Runs a command inside a fresh test bed, and ends the bed with it.
#
#   with-bed.sh COMMAND [ARGUMENT...]
#
# Builds what is missing first (the network is not reachable from inside), then starts the bed in namespaces of its
# own: several beds run side by side with the same ports. The command finds KUBECONFIG, CERTLET_TESTBED (the bed's
# directory) and the bed's programs on PATH. Its exit status is ours. Whatever happens, also Ctrl-C, a failing command
# and SIGKILL of this script, no process stays behind. On failure the logs are kept and the last line says where.
#
# Environment: see up.sh. CERTLET_TESTBED_NODE=1 also installs what node.sh needs, which the inside cannot.
# CERTLET_AUDITS names a directory that gets, when the bed ends, what certlet asked the API server for (*.log), what it said (*.said, see
# said.sh), and a file *.node if the bed had a node.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || { echo "usage: with-bed.sh COMMAND [ARGUMENT...]" >&2; exit 2; }

"$here/packages.sh" ${CERTLET_TESTBED_NODE:+--node}
"$here/build.sh"
# shellcheck source=tests/testbed/isolate.sh
. "$here/isolate.sh"
isolate_find

# What a bed that was killed with SIGKILL left behind; a living one holds its lock.
for stale in "${TMPDIR:-/tmp}"/certlet-bed.??????; do
  [ -O "$stale/lock" ] || continue
  (flock -n 7 && rm -rf "$stale") 7<"$stale/lock" || true
done

# It gets its name when it holds its lock: one that begins at the same moment would take it for a dead one.
bed=$(mktemp -d "${TMPDIR:-/tmp}/certlet-new-bed.XXXXXX")
exec 7>"$bed/lock"
flock 7
mv -T "$bed" "${bed/certlet-new-bed/certlet-bed}"
bed=${bed/certlet-new-bed/certlet-bed}
mkfifo "$bed/lifeline"
exec 8<>"$bed/lifeline" # the bed ends when nobody holds the writing end any more

child=
cleanup() {
  local status=$?
  trap - EXIT INT TERM HUP
  # Tests that could not run here say so for everybody to see.
  cat "$bed/logs/skipped.txt" 2>/dev/null || true
  [ -z "$child" ] || { kill -KILL "$child" 2>/dev/null; wait "$child" 2>/dev/null; } || true
  # After a signal nobody asks for logs.
  if [ "$status" != 0 ] && [ "$status" -lt 129 ] && [ -d "$bed/logs" ]; then
    kept=$(mktemp -d "${TMPDIR:-/tmp}/certlet-bed-logs.XXXXXX")
    cp -r "$bed/logs/." "$kept/" || true
    echo "testbed: the command ended with status $status; the logs of the bed are kept in $kept" >&2
  fi
  # A bed that never came up has none.
  if [ -n "${CERTLET_AUDITS:-}" ] && [ -f "$bed/audit.log" ]; then
    grep -F '"userAgent":"certlet/' "$bed/audit.log" >"$CERTLET_AUDITS/${bed##*/}.log" || true
    [ ! -d "$bed/said" ] || cp -r "$bed/said" "$CERTLET_AUDITS/${bed##*/}.said" || true
    [ ! -f "$bed/run/kubelet.pid" ] || touch "$CERTLET_AUDITS/${bed##*/}.node"
  fi
  # A node makes control groups, which no namespace takes away.
  find /sys/fs/cgroup -depth -type d -path "*/${bed##*/}*" -exec rmdir {} + 2>/dev/null || true
  rm -rf "$bed"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

"${isolate[@]}" "$here/inside.sh" "$bed" "$@" 7>&- 8>&- 9<"$bed/lifeline" <&0 &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"

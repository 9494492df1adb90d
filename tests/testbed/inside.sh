#!/usr/bin/env bash
# The first process inside the namespaces: brings the network up, starts the bed, runs the command.
# inside.sh DIR COMMAND... ; descriptor 9 is the lifeline that with-bed.sh or testbed.sh holds.
#
# As process 1 of a PID namespace its end is the end of everything in it; nothing needs to be stopped by hand.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bed=$1; shift

(cat <&9 >/dev/null; kill -KILL -1) & # whoever started us is gone
exec 9<&-

# The API refuses EndpointSlice addresses in 127.0.0.0/8. 1: Traefik, 2: haproxy-ingress, the rest is for tests. 13 is that of envoy.sh.
ip link set lo up
for last in 1 2 3 4 5 6 7 8 9 10 11 12; do ip addr add "10.99.0.$last/32" dev lo; done

# haproxy-ingress cannot live below a path with a dot in it; this mount ends with the namespace.
mount -t tmpfs haproxy /mnt || exit 1

# Names of the bed's own: a test adds the hosts that it stands in for.
cp /etc/hosts "$bed/hosts" || exit 1
mount --bind "$bed/hosts" /etc/hosts || exit 1

"$here/up.sh" "$bed" || exit 1
# shellcheck source=/dev/null
. "$bed/env"
# An asynchronous command of a script ignores SIGINT; `env` gives it back its default.
env --default-signal=INT,QUIT "$@" <&0 &
wait $!
status=$?
[ -z "${CERTLET_AUDITS:-}" ] || "$here/said.sh" "$bed"
exit "$status"

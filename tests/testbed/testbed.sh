#!/usr/bin/env bash
# A test bed that stays.
#
#   testbed.sh up      starts it (in .testbed/ of the project) and prints how to use it
#   testbed.sh down    ends it and removes everything
#
# As root the API server, the ingress controllers and Pebble are reachable from the machine through a veth pair.
# Otherwise `.testbed/enter COMMAND` runs a command inside.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
home=$project/.testbed
bed=$home/bed

running() { # prints the process that holds the namespaces, if it is ours
  local pid
  pid=$(cat "$home/pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$bed" || return 1
  echo "$pid"
}

usage_text() {
  if [ -f "$home/kubeconfig" ]; then
    echo "The test bed is running. Use it with:"
    echo "  export KUBECONFIG=$home/kubeconfig"
    command -v kubectl >/dev/null || echo "  export PATH=$("$here/build.sh" --print-path):\$PATH      # kubectl"
  else
    echo "The test bed is running, in a network namespace that only this user can enter:"
    echo "  $home/enter kubectl get namespaces"
  fi
  echo "Inside its namespaces, with KUBECONFIG and PATH set: $home/enter COMMAND"
  echo "ACME directory: https://10.99.0.1:14000/dir   its CA: $bed/pki/acme-ca.crt"
  echo "Ingress: 10.99.0.1 (classes traefik, nginx), 10.99.0.2 (class haproxy)   logs: $bed/logs"
  echo "End it with: make testbed-down"
}

down() {
  local pid
  if pid=$(running); then
    kill -KILL "$pid" # unshare --kill-child: all that runs inside dies with it
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    echo "testbed: ended"
  else
    echo "testbed: none is running here"
  fi
  rm -rf "$home"
}

link_to_host() { # link_to_host PID NET: a veth pair and routes, so that the machine reaches the bed (root only)
  local pid=$1 net=$2 name="bed$2" address
  ip link add "$name" type veth peer name uplink netns "$pid" || return 1
  ip addr add "10.99.$net.1/30" dev "$name"
  ip link set "$name" up
  nsenter --target "$pid" --net sh -c \
    "ip addr add 10.99.$net.2/30 dev uplink && ip link set uplink up && ip route add default via 10.99.$net.1"
  for address in 10.99.0.1 10.99.0.2; do
    ip route add "$address/32" via "10.99.$net.2" 2>/dev/null ||
      echo "testbed: $address already leads elsewhere (another bed?); reach the ingress with $home/enter" >&2
  done
  sed "s#https://127.0.0.1:6443#https://10.99.$net.2:6443#" "$bed/kubeconfig" >"$home/kubeconfig"
}

up() {
  if running >/dev/null; then usage_text; return; fi
  "$here/packages.sh"
  "$here/build.sh"
  # shellcheck source=tests/testbed/isolate.sh
  . "$here/isolate.sh"
  isolate_find
  rm -rf "$home"
  mkdir -p "$bed"
  mkfifo "$home/lifeline"
  # The bed outlives this script: it holds the writing end of its lifeline itself.
  local net=$((16 + 0x$(printf %s "$home" | sha256sum | cut -c1-4) % 200))
  # shellcheck disable=SC2016 # expanded inside
  CERTLET_TESTBED_ADDRESS=10.99.$net.2 setsid "${isolate[@]}" "$here/inside.sh" "$bed" \
    sh -c 'touch "$CERTLET_TESTBED/ready"; exec sleep infinity' 9<>"$home/lifeline" </dev/null >"$home/up.log" 2>&1 &
  local holder=$!
  echo "$holder" >"$home/pid"
  trap 'down; exit 130' INT TERM # half a bed is of no use
  until [ -e "$bed/ready" ]; do
    if ! kill -0 "$holder" 2>/dev/null; then
      cat "$home/up.log" >&2
      echo "testbed: it did not start; logs: $bed/logs" >&2
      exit 1
    fi
    sleep 0.1
  done
  trap - INT TERM
  local inner
  inner=$(ps -o pid= --ppid "$holder" | tr -d ' ')
  local user=--user
  if [ "$(id -u)" = 0 ]; then user=; fi
  cat >"$home/enter" <<EOF
#!/bin/sh
# Runs a command inside the test bed.
exec nsenter --target $inner ${user:+--user --preserve-credentials} --net --mount --pid --wd="\$PWD" -- \\
  sh -c '. "\$0/env"; exec "\$@"' $bed "\$@"
EOF
  chmod +x "$home/enter"
  [ -n "$user" ] || link_to_host "$inner" "$net" || echo "testbed: no veth pair here; use $home/enter" >&2
  usage_text
}

case ${1:-} in
  up) up ;;
  down) down ;;
  *) echo "usage: testbed.sh up|down" >&2; exit 2 ;;
esac

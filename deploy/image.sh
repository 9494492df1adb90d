#!/usr/bin/env bash
# Makes container images without docker: a docker-archive that holds one program and nothing else.
#
#   image.sh [OUT.tar]                       builds certlet, static, and writes it (target/certlet-image.tar, image certlet:VERSION)
#   image.sh --certlet OUT.tar NAME:TAG PROGRAM
#                                            packs a certlet that is built, for any architecture, with labels and licences
#   image.sh OUT.tar NAME:TAG PROGRAM        packs any static program
#   image.sh --with-libraries OUT.tar NAME:TAG PROGRAM
#                                            packs a program together with the shared libraries that it needs: for tests,
#                                            which have a build that is not static
#
# Load it with `docker load -i`, `podman load -i`, `ctr -n k8s.io images import` or `skopeo copy docker-archive:OUT.tar ...`.
# The program runs as user 65532 and is the entry point. The same program gives the same bytes: CERTLET_REVISION is the commit in the labels, by
# default that of the sources. The image of certlet has its licence and those of its crates in /licenses.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

libraries() { # libraries PROGRAM: the files that it needs at run time, its interpreter included
  # linux-vdso.so.1 has no file.
  ldd "$1" | sed -nE 's/^.*=> (\/[^ ]+) .*$/\1/p; s/^[[:space:]]*(\/[^ ]+) \(0x.*$/\1/p' | sort -u
}

revision() { # the commit of the sources, if they are in git
  echo "${CERTLET_REVISION:-$(git -C "$project" rev-parse --verify --quiet HEAD 2>/dev/null || echo unknown)}"
}

labels() { # labels VERSION: those of the OCI's image specification. There is no public place of the sources yet that they could name.
  printf '"org.opencontainers.image.%s":"%s",' title certlet \
    description "$(sed -n 's/^description = "\(.*\)"/\1/p' "$project/Cargo.toml")" licenses Apache-2.0 revision "$(revision)"
  printf '"org.opencontainers.image.version":"%s"' "$1"
}

architecture_of() { # architecture_of PROGRAM, in the words of images
  case $(LC_ALL=C readelf -h "$1" | sed -n 's/^ *Machine: *//p') in
    AArch64) echo arm64 ;;
    *X86-64) echo amd64 ;;
    *) echo "image.sh: the architecture of $1 is unknown" >&2; return 1 ;;
  esac
}

labels= # of the image, as members of a JSON object
licences=() # files that the image has in /licenses

pack() { # pack OUT NAME:TAG PROGRAM [LIBRARY...]
  local out=$1 name=$2 program=$3 work architecture layer config library licence
  shift 3
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  if [ $# = 0 ] && readelf -l "$program" 2>/dev/null | grep -q INTERP; then
    echo "image.sh: $program is not statically linked; an image from scratch could not run it" >&2
    return 1
  fi
  architecture=$(architecture_of "$program")
  mkdir "$work/root" "$work/image"
  install -m 0755 "$program" "$work/root/$(basename "$program")"
  for licence in "${licences[@]}"; do install -D -m 0644 "$licence" "$work/root/licenses/$(basename "$licence")"; done
  for library; do install -D -m 0755 "$library" "$work/root$library"; done
  deterministic=(--owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name --format=ustar --mode=u=rwX,go=rX)
  tar -C "$work/root" "${deterministic[@]}" -cf "$work/image/layer.tar" .
  layer=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
  cat >"$work/image/config.json" <<JSON
{"architecture":"$architecture","os":"linux","created":"1970-01-01T00:00:00Z",
 "config":{"Entrypoint":["/$(basename "$program")"],"User":"65532:65532","WorkingDir":"/","Labels":{$labels}},
 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},
 "history":[{"created":"1970-01-01T00:00:00Z","created_by":"deploy/image.sh"}]}
JSON
  config=$(sha256sum "$work/image/config.json" | cut -d' ' -f1)
  mv "$work/image/config.json" "$work/image/$config.json"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$config" "$name" >"$work/image/manifest.json"
  tar -C "$work/image" "${deterministic[@]}" -cf "$out.tmp" manifest.json "$config.json" layer.tar
  mv "$out.tmp" "$out"
  echo "image.sh: wrote $out ($name, $(du -h "$out" | cut -f1))"
}

case "$#:${1:-}" in
  4:--with-libraries)
    mapfile -t needed < <(libraries "$4")
    pack "$2" "$3" "$4" "${needed[@]}"
    exit ;;
  4:--certlet)
    labels=$(labels "${3##*:}") licences=("$project/LICENSE" "$project/NOTICE")
    pack "$2" "$3" "$4"
    exit ;;
  3:*) pack "$@"; exit ;;
  0:* | 1:[!-]*) out=$(realpath -m "${1:-$project/target/certlet-image.tar}") ;;
  *) sed -n '2,/^set /{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
esac

cd "$project"
target=$(rustc -vV | sed -n 's/^host: //p')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export CERTLET_REVISION=${CERTLET_REVISION:-$(revision)}
# A target on the command line keeps the flag away from build scripts and procedural macros.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --release --locked --features jemalloc --target "$target" --bin certlet
built=${CARGO_TARGET_DIR:-target}
mkdir -p "$(dirname "$out")"
labels=$(labels "$version") licences=("$project/LICENSE" "$project/NOTICE")
pack "$out" "certlet:$version" "$built/$target/release/certlet"

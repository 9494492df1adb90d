#!/usr/bin/env bash
# Makes everything that a release has, in a folder of its own. It publishes nothing and signs nothing: docs/release.md says how.
#
#   release.sh [DIR]     writes to DIR (default: target/release-VERSION), which must not exist
#
# For amd64 and arm64: the program as a .tar.gz, the image as a docker-archive. Besides: certlet.yaml (everything for `kubectl apply`), the policy for
# Kubernetes 1.36, the chart, kubectl's plugin manifest, NOTICE, an SBOM (CycloneDX), release notes, SHA256SUMS. The same commit gives the same bytes.
#
# Needs the Rust target of each architecture, gcc for it (or zig with cargo-zigbuild), kubectl or kustomize, helm, python3. What is missing is named before
# anything is built. Environment:
#   CERTLET_RELEASE_ARCHITECTURES   "amd64 arm64"; one of them, if the other one is made on another machine
#   CERTLET_RELEASE_IMAGE           the image's name in the manifest and chart, without tag (default: certlet)
#   CERTLET_RELEASE_URL             where the files are published, for the manifest of kubectl's plugin (default: an address that does not exist)
#   CERTLET_RELEASE_PROFILE         Cargo's profile (default: release)
#   CERTLET_RELEASE_PROGRAMS        a folder with certlet-amd64 and certlet-arm64, to be taken instead of building
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
read -ra architectures <<<"${CERTLET_RELEASE_ARCHITECTURES:-amd64 arm64}"
image=${CERTLET_RELEASE_IMAGE:-certlet}
url=${CERTLET_RELEASE_URL:-https://certlet.invalid/releases/v$version}
profile=${CERTLET_RELEASE_PROFILE:-release}
programs=${CERTLET_RELEASE_PROGRAMS:-}
case "$#:${1:-}" in
  0:* | 1:[!-]*) out=$(realpath -m "${1:-target/release-$version}") ;;
  *) sed -n '2,/^set /{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
esac
# The time of everything that has one.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
CERTLET_REVISION=${CERTLET_REVISION:-$(git rev-parse --verify --quiet HEAD 2>/dev/null || echo unknown)}
export CERTLET_REVISION

target_of() { case $1 in amd64) echo x86_64-unknown-linux-gnu ;; arm64) echo aarch64-unknown-linux-gnu ;; *) return 1 ;; esac; }
compiler_of() { case $1 in amd64) echo x86_64-linux-gnu-gcc ;; arm64) echo aarch64-linux-gnu-gcc ;; esac; }
is_host() { [ "$(target_of "$1")" = "$(rustc -vV | sed -n 's/^host: //p')" ]; }

missing() { # one line for each thing that is not here
  local architecture target
  for architecture in "${architectures[@]}"; do
    target=$(target_of "$architecture") || { echo "there are no releases for $architecture, only for amd64 and arm64"; continue; }
    if [ -n "$programs" ]; then
      [ -x "$programs/certlet-$architecture" ] || echo "$programs/certlet-$architecture does not exist"
      continue
    fi
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] ||
      echo "$architecture: Rust's standard library for $target; install it with: rustup target add $target"
    is_host "$architecture" || command -v "$(compiler_of "$architecture")" cargo-zigbuild >/dev/null ||
      echo "$architecture: a C compiler; install gcc-${target%%-*}-linux-gnu of Debian, or zig and cargo-zigbuild"
  done
  command -v kubectl kustomize >/dev/null || echo "kubectl or kustomize, for certlet.yaml"
  command -v helm >/dev/null || echo "helm, for the chart"
  command -v python3 >/dev/null || echo "python3, for the SBOM"
}

build() { # build ARCHITECTURE: prints the path of the program
  local architecture=$1 target underscored command=(cargo build)
  if [ -n "$programs" ]; then echo "$programs/certlet-$architecture"; return; fi
  target=$(target_of "$architecture")
  underscored=${target//-/_}
  # Paths of this machine stay out of the program, those of C sources too.
  local remapped="--remap-path-prefix=$project=/certlet --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  local c_remapped="-ffile-prefix-map=$project=/certlet -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  if is_host "$architecture"; then
    :
  elif command -v "$(compiler_of "$architecture")" >/dev/null; then
    export "CARGO_TARGET_${underscored^^}_LINKER=$(compiler_of "$architecture")" "CC_$underscored=$(compiler_of "$architecture")"
  else
    command=(cargo zigbuild)
  fi
  RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static $remapped" CFLAGS="${CFLAGS:-} $c_remapped" \
    "${command[@]}" --locked --features jemalloc --profile "$profile" --target "$target" --bin certlet >&2
  echo "${CARGO_TARGET_DIR:-target}/$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/certlet"
}

archive() { # archive OUT.tar.gz FOLDER NAME...: the same bytes for the same files
  local file=$1 folder=$2
  shift 2
  tar -C "$folder" --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --sort=name --format=ustar --mode=u=rwX,go=rX -cf - "$@" | gzip -n9 >"$file"
}

kustomize_build() { if command -v kustomize >/dev/null; then kustomize build "$1"; else kubectl kustomize "$1"; fi; }

manifest() { # everything of `kubectl apply -k deploy`, with the name of the image
  printf '# certlet %s for Kubernetes 1.33 and later, as one file: kubectl apply -f certlet.yaml\n' "$version"
  kustomize_build deploy | sed "s|^\( *-\{0,1\} *image: \)certlet:.*|\1$image:$version|"
}

chart() { # helm says what belongs to the package; it stores the present time in it, so it is packed again
  local unpacked=$work/chart file
  helm package deploy/chart --version "$version" --app-version "$version" --destination "$work" >/dev/null
  mkdir "$unpacked"
  tar -C "$unpacked" -xzf "$work/certlet-$version.tgz"
  [ "$image" = certlet ] || sed -i "0,/^  repository: /s|^\(  repository: \).*|\1$image|" "$unpacked/certlet/values.yaml"
  file=$out/certlet-$version.tgz
  archive "$file" "$unpacked" certlet
  helm show chart "$file" >/dev/null
}

plugin() { # the manifest for krew, with the checksums of the archives that are here
  local architecture file words=(-e "s|@VERSION@|v$version|" -e "s|@HOMEPAGE@|$url|")
  for architecture in "${architectures[@]}"; do
    file=certlet-$version-linux-$architecture.tar.gz
    words+=(-e "s|@URL_LINUX_${architecture^^}@|$url/$file|")
    words+=(-e "s|@SHA256_LINUX_${architecture^^}@|$(sha256sum "$out/$file" | cut -d' ' -f1)|")
  done
  sed "${words[@]}" deploy/krew/certlet.yaml
}

notes() { # the part of CHANGELOG.md about this version, or what is not released yet
  local heading="[$version]"
  grep -qF "## $heading" CHANGELOG.md || heading="[Unreleased]"
  printf '# certlet %s\n' "$version"
  awk -v heading="$heading" '/^## / { inside = index($0, heading); next } inside' CHANGELOG.md
}

lacking=$(missing)
if [ -n "$lacking" ]; then
  { echo "release.sh: not on this machine:"; sed 's/^/  /' <<<"$lacking"; echo "CERTLET_RELEASE_ARCHITECTURES=amd64 makes a release without arm64."; } >&2
  exit 1
fi
[ ! -e "$out" ] || { echo "release.sh: $out exists; remove it, or name another folder" >&2; exit 1; }
[ -z "$(git status --porcelain 2>/dev/null)" ] || echo "release.sh: there are changes that are not committed: $CERTLET_REVISION does not have them" >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deploy/chart.sh --check
deploy/release/dependencies.py notice --check
mkdir -p "$out"
for architecture in "${architectures[@]}"; do
  echo "release.sh: $architecture"
  program=$(build "$architecture")
  folder=$work/certlet-$version-linux-$architecture
  install -D -m 0755 "$program" "$folder/certlet"
  install -m 0644 LICENSE NOTICE "$folder"
  archive "$out/certlet-$version-linux-$architecture.tar.gz" "$folder" LICENSE NOTICE certlet
  deploy/image.sh --certlet "$out/certlet-$version-image-$architecture.tar" "$image:$version" "$folder/certlet"
done
manifest >"$out/certlet.yaml"
cp deploy/requester-identity/policy.yaml "$out/certlet-requester-identity.yaml"
for file in crds/*.yaml; do printf -- '---\n'; cat "$file"; done >"$out/certlet-crds.yaml"
chart
deploy/release/dependencies.py sbom "$out/certlet-$version.cdx.json"
cp NOTICE "$out/NOTICE"
notes >"$out/RELEASE-NOTES.md"
# It names both architectures.
[ ! -e deploy/krew/certlet.yaml ] || [ "${#architectures[@]}" -lt 2 ] || plugin >"$out/certlet-krew.yaml"
# Times of files are no part of the release, but a listing looks better with them.
find "$out" -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
echo "release.sh: $out"
(cd "$out" && ls -sh1 | sed 's/^/  /')

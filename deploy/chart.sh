#!/usr/bin/env bash
# Writes what in deploy/chart comes from elsewhere: a chart has to be whole by itself, and a link out of it would be lost on the way to a cluster.
#
#   chart.sh           files/ from the manifests of deploy/ and crds/, README.md from values.yaml, versions from Cargo.toml
#   chart.sh --check   says what would be written, and ends with 1 if that is anything
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
chart=$here/chart

manifests() { # their paths below deploy/, which are those below files/, too
  (cd "$here" && find api base bundles namespaced network-policies openshift program requester-identity solver-pods status-page -name '*.yaml' \
    ! -name kustomization.yaml ! -path base/namespace.yaml | LC_ALL=C sort)
}

# A setting is a line `name: default`, its comment above it. `## ` begins a section. Values are written on one line, so that a name without one is
# a group of settings.
table() {
  awk '
    function said() { text = comment; comment = ""; return text }
    /^ *## / { sub(/^ *## /, ""); printf "\n### %s\n\n| setting | default | meaning |\n|---|---|---|\n", $0; comment = ""; next }
    /^ *# / { line = $0; sub(/^ *# /, "", line); comment = comment (comment == "" ? "" : " ") line; next }
    /^ *$/ { comment = ""; next }
    {
      depth = match($0, /[^ ]/) - 1; line = substr($0, depth + 1); colon = index(line, ":")
      path[depth / 2] = substr(line, 1, colon - 1); value = substr(line, colon + 1); sub(/^ +/, "", value)
      name = path[0]; for (level = 1; level <= depth / 2; level++) name = name "." path[level]
      if (value == "") { if (comment != "") printf "| `%s` | | %s |\n", name, said(); next }
      gsub(/\|/, "\\|", value)
      printf "| `%s` | `%s` | %s |\n", name, value, said()
    }' "$chart/values.yaml"
}

without_effect() { # the settings of cert-manager that files/without-effect.yaml lists, with the reason
  awk '
    /^- why: / { why = $0; sub(/^- why: /, "", why); gsub(/^"|"$/, "", why); printf "\n%s:\n\n", toupper(substr(why, 1, 1)) substr(why, 2); next }
    /^    [a-zA-Z]/ { name = $1; sub(/:$/, "", name); printf "* `%s`\n", name }' "$chart/files/without-effect.yaml"
}

readme() {
  cat <<'TEXT'
<!-- Written by deploy/chart.sh from values.yaml. Do not edit. -->
# certlet

cert-manager in one small binary: issues, stores and renews X.509 certificates for Kubernetes 1.33 and later.

    helm install certlet deploy/chart --namespace cert-manager --create-namespace --set crds.enabled=true --wait
    helm test certlet --namespace cert-manager

The chart takes the values of cert-manager's chart (1.21.1). Each of its settings has the same effect here, is refused with the reason, or is listed
[below](#without-effect), and NOTES.txt names those of your values that are. A name that neither chart has is refused.

Documentation: docs/install.md in the sources of certlet.

## Settings
TEXT
  table
  cat <<'TEXT'

## Without effect

These settings of cert-manager's chart are accepted and change nothing.
TEXT
  without_effect
}

render() { # render DIR: the parts of the chart that come from elsewhere
  local path version
  while read -r path; do install -D -m 0644 "$here/$path" "$1/files/$path"; done < <(manifests)
  for path in "$here"/../crds/*.yaml; do install -D -m 0644 "$path" "$1/files/crds/$(basename "$path")"; done
  readme >"$1/README.md"
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
  sed -E "s/^(version|appVersion): .*/\1: $version/" "$chart/Chart.yaml" >"$1/Chart.yaml"
  cp "$here/../LICENSE" "$1/LICENSE"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
render "$work"
# A file that has no source any more is as wrong as one that differs from it. without-effect.yaml is the chart's own.
cp "$chart/files/without-effect.yaml" "$work/files/"
case ${1:-} in
  --check)
    status=0
    for path in files README.md Chart.yaml LICENSE; do diff -r "$work/$path" "$chart/$path" || status=1; done
    [ $status = 0 ] || echo "chart.sh: deploy/chart is not what its sources say; run deploy/chart.sh" >&2
    exit $status ;;
  '')
    rm -rf "$chart/files"
    cp -r "$work"/. "$chart/" ;;
  *) sed -n '2,/^set /{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
esac

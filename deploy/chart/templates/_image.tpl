{{- /*
certlet's image. Values that are cert-manager's own defaults count as not set: a copy of its values.yaml must not name its image.
*/}}
{{- define "certlet.image" -}}
{{- $image := .Values.image -}}
{{- if regexMatch "(^|/)cert-manager-[a-z]+$" (default "" $image.repository) -}}
{{- fail (printf "image.repository: %s is an image of cert-manager; give the repository to which you pushed certlet's image, or leave it empty" $image.repository) -}}
{{- end -}}
{{- if regexMatch "^v[01]\\.[0-9]+\\.[0-9]+" (default "" $image.tag) -}}
{{- fail (printf "image.tag: %s is a version of cert-manager; give a tag of certlet's image, or leave it empty for %s" $image.tag .Chart.AppVersion) -}}
{{- end -}}
{{- if and $image.digest (not $image.repository) -}}
{{- fail (printf "image.digest: %s may be that of cert-manager's image; give the repository of certlet's image as image.repository, too, or leave the digest empty" $image.digest) -}}
{{- end -}}
{{- $repository := $image.repository -}}
{{- if not $repository -}}
{{- $namespace := ternary "" .Values.imageNamespace (eq .Values.imageNamespace "jetstack") -}}
{{- $registry := ternary "" .Values.imageRegistry (and (eq .Values.imageRegistry "quay.io") (not $namespace)) -}}
{{- $name := ternary "certlet" $image.name (or (not $image.name) (eq $image.name "cert-manager-controller")) -}}
{{- $repository = list $registry $namespace $name | compact | join "/" -}}
{{- end -}}
{{- include "certlet.reference" (dict "image" $image "repository" $repository "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- /* The image of solver pods; nothing if it is not set, for certlet's own. */}}
{{- define "certlet.solverImage" -}}
{{- $image := .Values.acmesolver.image -}}
{{- $named := ternary "" $image.name (eq $image.name "cert-manager-acmesolver") -}}
{{- if or $image.repository $image.registry $image.tag $image.digest $named -}}
{{- $repository := $image.repository -}}
{{- if not $repository -}}
{{- $registry := default "quay.io" .Values.imageRegistry -}}
{{- $namespace := default "jetstack" .Values.imageNamespace -}}
{{- $repository = list $registry $namespace $image.name | compact | join "/" -}}
{{- end -}}
{{- $tag := ternary "v1.21.1" .Chart.AppVersion (hasSuffix "acmesolver" $repository) -}}
{{- include "certlet.reference" (dict "image" $image "repository" $repository "tag" $tag) -}}
{{- end -}}
{{- end -}}

{{- define "certlet.reference" -}}
{{- $image := .image -}}
{{- list $image.registry .repository | compact | join "/" -}}
{{- $tag := ternary $image.tag (ternary "" .tag (not (empty $image.digest))) (not (empty $image.tag)) -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/*
A manifest of deploy/, in the namespace and for the ServiceAccount of this release. The manifests know neither Helm nor any other value, so
that `kubectl apply -k deploy` and this chart apply the same objects. Each object is read and written again: what is replaced is a field.
*/}}
{{- define "certlet.manifest" -}}
{{- $root := .root -}}
{{- range splitList "\n---\n" (.root.Files.Get .file) }}
{{- $object := fromYaml . }}
{{- $ours := dict "cert-manager" $root.Release.Namespace "kube-system" $root.Values.global.leaderElection.namespace }}
{{- with $object.metadata.namespace }}{{ $_ := set $object.metadata "namespace" (get $ours .) }}{{ end }}
{{- range $object.subjects }}
{{- $_ := set . "name" $root.Values.serviceAccount.name }}
{{- $_ := set . "namespace" $root.Release.Namespace }}
{{- end }}
{{- $labels := $object.metadata.labels }}
{{- if not $root.Values.global.rbac.aggregateClusterRoles }}
{{- range $label, $_ := $labels }}
{{- if hasPrefix "rbac.authorization.k8s.io/aggregate-to-" $label }}{{ $_ := unset $labels $label }}{{ end }}
{{- end }}
{{- end }}
{{- $_ := set $object.metadata "labels" (merge $labels $root.Values.global.commonLabels) }}
{{- $rbac := eq (dir $object.apiVersion) "rbac.authorization.k8s.io" }}
{{- $approves := eq $object.metadata.name "certlet-approve" }}
{{- $left := and $root.Values.disableAutoApproval $approves (eq $object.kind "ClusterRoleBinding") }}
{{- if not (or $left (and $rbac (not $root.Values.global.rbac.create))) }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "certlet.labels" -}}
app.kubernetes.io/name: certlet
app.kubernetes.io/instance: certlet
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

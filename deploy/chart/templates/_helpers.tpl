{{/*
A manifest of deploy/, in the namespace and for the ServiceAccount of this release. The manifests know neither
Helm nor any other value, so that `kubectl apply -k deploy` and this chart apply the same text.
*/}}
{{- define "certlet.manifest" -}}
{{- $text := .root.Files.Get .file -}}
{{- $text = replace "namespace: cert-manager\n" (printf "namespace: %s\n" .root.Release.Namespace) $text -}}
{{- $text = replace "name: cert-manager, namespace: cert-manager}" (printf "name: %s, namespace: %s}" .root.Values.serviceAccount.name .root.Release.Namespace) $text -}}
{{- $text = replace "namespace: kube-system\n" (printf "namespace: %s\n" .root.Values.global.leaderElection.namespace) $text -}}
{{- $text -}}
{{- end -}}

{{- define "certlet.labels" -}}
app.kubernetes.io/name: certlet
app.kubernetes.io/instance: certlet
{{- end -}}

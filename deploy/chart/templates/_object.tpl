{{- /*
An object of deploy/ as this release has it: its name, namespace, labels, and whom its bindings name. The manifests know neither Helm nor a value,
so that `kubectl apply -k deploy` and this chart apply the same objects. Each field is set where it is; no text is replaced.

  include "certlet.object" (dict "root" $ "object" $object)
*/}}
{{- define "certlet.object" -}}
{{- $root := .root -}}
{{- $object := .object -}}
{{- $metadata := $object.metadata -}}
{{- $own := include "certlet.namespace" $root -}}
{{- $full := include "certlet.fullname" $root -}}
{{- with $metadata.namespace }}
{{- /* The Lease is where the manifests have kube-system, everything else of a namespace is in the installation's own. */}}
{{- $_ := set $metadata "namespace" (ternary $root.Values.global.leaderElection.namespace $own (eq . "kube-system")) }}
{{- end }}
{{- /* Names that certlet or the documentation names are fixed; so are those of policies and of roles for users, which a cluster has once. */}}
{{- $fixed := list "certlet-acme" "certlet-approve" "certlet-approve-issuers" "certlet-see-leader" "certlet-status-reader" }}
{{- $ours := list "Deployment" "Service" "Role" "RoleBinding" "ClusterRole" "ClusterRoleBinding" "NetworkPolicy" }}
{{- $binding := hasSuffix "Binding" $object.kind }}
{{- if and (has $object.kind $ours) (hasPrefix "certlet" $metadata.name) (or $binding (not (has $metadata.name $fixed))) }}
{{- $_ := set $metadata "name" (printf "%s%s" $full (trimPrefix "certlet" $metadata.name)) }}
{{- end }}
{{- with $object.roleRef }}
{{- if and (hasPrefix "certlet" .name) (not (has .name $fixed)) }}
{{- $_ := set . "name" (printf "%s%s" $full (trimPrefix "certlet" .name)) }}
{{- end }}
{{- end }}
{{- range $object.subjects }}
{{- $_ := set . "name" (include "certlet.serviceAccountName" $root) }}
{{- $_ := set . "namespace" $own }}
{{- end }}
{{- $selector := include "certlet.selector" $root | fromYaml }}
{{- $labels := include "certlet.labels" $root | fromYaml }}
{{- /* A definition has the version of the API; roles have labels by which Kubernetes aggregates them. */}}
{{- $_ := set $metadata "labels" (merge (dict) $selector (default (dict) $metadata.labels) $labels) }}
{{- toYaml $object }}
{{- end -}}

{{- /* The objects of a file, those left out that this release does not want. */}}
{{- define "certlet.manifest" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- range splitList "\n---\n" ($root.Files.Get (printf "files/%s.yaml" .file)) }}
{{- $object := fromYaml . }}
{{- $name := $object.metadata.name }}
{{- $roles := hasPrefix "rbac.authorization.k8s.io/" $object.apiVersion }}
{{- $approval := and (eq $name "certlet-approve") (eq $object.kind "ClusterRoleBinding") $values.disableAutoApproval }}
{{- $injection := and (eq $name "certlet-cainjector") (not $values.cainjector.enabled) }}
{{- if not (or (and $roles (not $values.global.rbac.create)) $approval $injection) }}
{{- if and $roles (not $values.global.rbac.aggregateClusterRoles) }}
{{- range $label, $_ := $object.metadata.labels }}
{{- if hasPrefix "rbac.authorization.k8s.io/aggregate-to-" $label }}{{ $_ := unset $object.metadata.labels $label }}{{ end }}
{{- end }}
{{- end }}
{{- if and (eq $name "certlet-approve") (eq $object.kind "ClusterRole") }}
{{- $rule := first $object.rules }}
{{- with $values.approveSignerNames }}{{ $_ := set $rule "resourceNames" . }}{{ else }}{{ $_ := unset $rule "resourceNames" }}{{ end }}
{{- end }}
{{- $matched := dig "spec" "matchConstraints" (dict) $object }}
{{- if hasKey $matched "namespaceSelector" }}
{{- $_ := set $matched "namespaceSelector" $values.webhook.validatingWebhookConfiguration.namespaceSelector }}
{{- end }}
{{- if eq $object.kind "MutatingAdmissionPolicy" }}
{{- with $values.webhook.mutatingWebhookConfiguration.namespaceSelector }}{{ $_ := set $matched "namespaceSelector" . }}{{ end }}
{{- end }}
---
{{ include "certlet.object" (dict "root" $root "object" $object) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What cannot be as the values say, each with one sentence; certlet.image has those about the image. */}}
{{- define "certlet.checks" -}}
{{- $dynamic := default dict (default dict (default dict .Values.config).metricsTLSConfig).dynamic -}}
{{- if and .Values.namespaced $dynamic.secretNamespace (ne $dynamic.secretNamespace (include "certlet.namespace" .)) -}}
{{- fail "config.metricsTLSConfig.dynamic.secretNamespace: an installation for one namespace (namespaced) has no permissions in another one; name its own" -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
{{- if not (or (kindIs "invalid" .minAvailable) (kindIs "invalid" .maxUnavailable)) -}}
{{- fail "podDisruptionBudget: Kubernetes takes minAvailable or maxUnavailable, not both; remove one of them" -}}
{{- end -}}
{{- end -}}
{{- with .Values.prometheus -}}
{{- if and .enabled .servicemonitor.enabled .podmonitor.enabled -}}
{{- fail "prometheus: servicemonitor and podmonitor would scrape the same pods twice; enable one of them" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.namespaced .Values.clusterResourceNamespace (ne .Values.clusterResourceNamespace (include "certlet.namespace" .)) -}}
{{- fail "clusterResourceNamespace: an installation for one namespace (namespaced) has no permissions in another one; leave it empty" -}}
{{- end -}}
{{- if .Values.statusPage.enabled -}}
{{- if not (include "certlet.statusPagePort" .) -}}
{{- fail "statusPage.listenAddress: an address and a port, for example 127.0.0.1:9404 or 0.0.0.0:9404" -}}
{{- end -}}
{{- if and .Values.namespaced (not (include "certlet.statusPageIsLocal" .)) -}}
{{- fail "statusPage: an installation for one namespace (namespaced) may not review tokens; use listenAddress 127.0.0.1:9404 and kubectl port-forward" -}}
{{- end -}}
{{- end -}}
{{- end -}}

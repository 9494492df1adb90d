{{- /* The arguments of certlet, as a list below `args`. The last occurrence of a flag counts: extraArgs come last. */}}
{{- define "certlet.args" -}}
{{- $values := .Values -}}
{{- $election := $values.global.leaderElection -}}
{{- $flags := list -}}
{{- if $values.namespaced }}{{ $flags = append $flags (list "namespace" "$(POD_NAMESPACE)") }}{{ end }}
{{- $flags = append $flags (list "cluster-resource-namespace" (default "$(POD_NAMESPACE)" $values.clusterResourceNamespace)) }}
{{- $flags = append $flags (list "leader-election-namespace" (ternary $election.namespace "$(POD_NAMESPACE)" (empty $values.namespaced))) }}
{{- $flags = append $flags (list "leader-election-lease-duration" $election.leaseDuration) }}
{{- $flags = append $flags (list "leader-election-renew-deadline" $election.renewDeadline) }}
{{- $flags = append $flags (list "leader-election-retry-period" $election.retryPeriod) }}
{{- if not (kindIs "invalid" $values.global.logLevel) }}{{ $flags = append $flags (list "v" (toString $values.global.logLevel)) }}{{ end }}
{{- if $values.config }}{{ $flags = append $flags (list "config" "/var/cert-manager/config/config.yaml") }}{{ end }}
{{- $flags = append $flags (list "feature-gates" $values.featureGates) }}
{{- /* 60 is certlet's default, and config may have another one. */}}
{{- if ne (int $values.maxConcurrentChallenges) 60 }}
{{- $flags = append $flags (list "max-concurrent-challenges" (toString $values.maxConcurrentChallenges)) }}
{{- end }}
{{- $flags = append $flags (list "enable-certificate-owner-ref" (ternary "" "true" (empty $values.enableCertificateOwnerRef))) }}
{{- $flags = append $flags (list "dns01-recursive-nameservers" $values.dns01RecursiveNameservers) }}
{{- $flags = append $flags (list "dns01-recursive-nameservers-only" (ternary "" "true" (empty $values.dns01RecursiveNameserversOnly))) }}
{{- $flags = append $flags (list "default-issuer-name" $values.ingressShim.defaultIssuerName) }}
{{- $flags = append $flags (list "default-issuer-kind" $values.ingressShim.defaultIssuerKind) }}
{{- $flags = append $flags (list "default-issuer-group" $values.ingressShim.defaultIssuerGroup) }}
{{- $flags = append $flags (list "status-listen-address" (ternary $values.statusPage.listenAddress "" (not (empty $values.statusPage.enabled)))) }}
{{- $flags = append $flags (list "acme-http01-solver-image" (include "certlet.solverImage" .)) }}
{{- $flags = append $flags (list "acme-http01-solver-runtime-class-name" $values.acmesolver.runtimeClassName) }}
{{- range $key, $value := $values.global.commonLabels }}
{{- $flags = append $flags (list "acme-http01-solver-extra-labels" (printf "%s=%s" $key $value)) }}
{{- end }}
{{- if not $values.cainjector.enabled }}{{ $flags = append $flags (list "enable-cainjector" "false") }}{{ end }}
{{- if $values.disableAutoApproval }}{{ $flags = append $flags (list "controllers" "*,-certificaterequests-approver") }}{{ end }}
{{- $args := list "run" }}
{{- range $flags }}
{{- if last . }}{{ $args = append $args (printf "--%s=%s" (first .) (last .)) }}{{ end }}
{{- end }}
{{- toYaml (dict "args" (concat $args (default list $values.extraArgs))) }}
{{- end -}}

{{- /* The port of the status page, and whether only processes of the pod reach it: true, or nothing. */}}
{{- define "certlet.statusPagePort" -}}
{{- regexFind ":[0-9]+$" (toString .Values.statusPage.listenAddress) | trimPrefix ":" -}}
{{- end -}}
{{- define "certlet.statusPageIsLocal" -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\]:)" (toString .Values.statusPage.listenAddress) -}}true{{- end -}}
{{- end -}}

{{- /* Whether metrics are served over TLS: true, or nothing. The flags of extraArgs count as those of config. */}}
{{- define "certlet.metricsTls" -}}
{{- $config := default dict (default dict .Values.config).metricsTLSConfig -}}
{{- if or (default dict $config.filesystem).certFile (default dict $config.dynamic).secretName -}}true
{{- else -}}
{{- range .Values.extraArgs }}{{ if regexMatch "^--metrics-(tls-cert-file|dynamic-serving-ca-secret-name)=." . }}true{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /*
What a monitor has to know of it, unless `endpointAdditionalProperties` says something else. The CA is in a Secret that a monitor can name only in its own
namespace: include "certlet.scraping" (list $ $namespace)
*/}}
{{- define "certlet.scraping" -}}
{{- $root := first . -}}
{{- $namespace := default (include "certlet.namespace" $root) (last .) -}}
{{- if include "certlet.metricsTls" $root }}
scheme: https
{{- with (default dict (default dict $root.Values.config).metricsTLSConfig).dynamic }}
{{- if and .secretName .dnsNames (eq (toString .secretNamespace) $namespace) }}
tlsConfig:
  serverName: {{ first .dnsNames | quote }}
  ca: {secret: {name: {{ .secretName | quote }}, key: ca.crt}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

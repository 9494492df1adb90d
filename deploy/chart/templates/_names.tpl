{{- /* The name in the label app.kubernetes.io/name. */}}
{{- define "certlet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* What names of the installation's own objects begin with. The longest suffix has 28 characters. */}}
{{- define "certlet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "certlet.namespace" -}}
{{- default .Release.Namespace .Values.namespace -}}
{{- end -}}

{{- /* The account has the name of cert-manager's, which cloud providers and approvers may know. */}}
{{- define "certlet.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- ternary "default" (default "cert-manager" .Values.fullnameOverride) (empty .Values.serviceAccount.create) -}}
{{- end -}}
{{- end -}}

{{- /* cert-manager's names for these, which extraObjects may use. */}}
{{- define "cert-manager.name" -}}{{ include "certlet.name" . }}{{- end -}}
{{- define "cert-manager.fullname" -}}{{ include "certlet.fullname" . }}{{- end -}}
{{- define "cert-manager.namespace" -}}{{ include "certlet.namespace" . }}{{- end -}}
{{- define "cert-manager.serviceAccountName" -}}{{ include "certlet.serviceAccountName" . }}{{- end -}}

{{- /* What pods of the installation are selected by. */}}
{{- define "certlet.selector" -}}
app.kubernetes.io/name: {{ include "certlet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "certlet.labels" -}}
{{ include "certlet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- if eq .Values.creator "helm" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

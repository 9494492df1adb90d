{{- /* The value at a path like `webhook.image.tag`, as JSON; `""` if there is none: include "certlet.at" (list .Values $path) */}}
{{- define "certlet.at" -}}
{{- $at := first . -}}
{{- range splitList "." (last .) -}}
{{- if kindIs "map" $at }}{{ $at = get $at . }}{{ else }}{{ $at = "" }}{{ end -}}
{{- end -}}
{{- toJson $at -}}
{{- end -}}

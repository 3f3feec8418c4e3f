{{- /* Settings that all services of a release share, as JSON: a chart's own, or an umbrella's, which are global. */}}
{{- define "workload.settings" -}}
{{- $settings := dict }}
{{- $keys := list "stack" "imagePullPolicy" "imagePullSecrets" "architectures" "configs" "networks" "networkPolicy" "middlewares" "tcpMiddlewares" }}
{{- range $values := list .Values (.Values.global | default dict) }}
{{- range $key := $keys }}
{{- if hasKey $values $key }}{{ $_ := set $settings $key (index $values $key) }}{{ end }}
{{- end }}
{{- end }}
{{- $settings | toJson }}
{{- end }}

{{- /* Every enabled service of a release, as JSON from name to service: a chart's own, and those of its subcharts. */}}
{{- define "workload.all" -}}
{{- $all := dict }}
{{- $parts := list .Values }}
{{- range $subchart := .Chart.Dependencies }}
{{- with index $.Values $subchart.Name }}{{ $parts = append $parts . }}{{ end }}
{{- end }}
{{- range $part := $parts }}
{{- range $name, $service := $part.services }}
{{- if ne (toString $service.enabled) "false" }}{{ $_ := set $all $name $service }}{{ end }}
{{- end }}
{{- end }}
{{- $all | toJson }}
{{- end }}

{{- /* Labels of an object; takes {root, name, service?}. */}}
{{- define "workload.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: {{ (include "workload.settings" .root | fromJson).stack | default .root.Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with (.service | default dict).tier }}
replatform.sophia.ai/tier: {{ . | toString | quote }}
{{- end }}
{{- end }}

{{- /* What selects a service's pods. A selector can't change: no label that may come or go belongs here. */}}
{{- define "workload.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- /* A network's name as Kubernetes takes names. */}}
{{- define "workload.network" -}}
{{- lower . | regexFind "[a-z0-9].*" | replace "_" "-" | replace "." "-" | trunc 55 | trimSuffix "-" -}}
{{- end }}

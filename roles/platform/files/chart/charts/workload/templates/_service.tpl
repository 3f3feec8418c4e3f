{{- /* All objects of every service of a chart; takes the root. */}}
{{- define "workload.services" -}}
{{- $root := . }}
{{- range $name, $service := .Values.services }}
{{- if ne (toString $service.enabled) "false" }}
{{- include "workload.service" (dict "root" $root "name" $name "service" $service) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* All objects of one service; takes {root, name, service}, as the templates of the objects do. */}}
{{- define "workload.service" -}}
{{- include "workload.account" . }}
{{- include "workload.names" . }}
{{- include "workload.controller" . }}
{{- include "workload.disruptionBudget" . }}
{{- include "workload.autoscaler" . }}
{{- include "workload.openPorts" . }}
{{- include "workload.routes" . }}
{{- end }}

{{- define "workload.account" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "workload.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{- /* What a release has once, whoever uses it; takes the root. */}}
{{- define "workload.shared" -}}
{{- include "workload.claims" . }}
{{- include "workload.configs" . }}
{{- include "workload.networks" . }}
{{- include "workload.middlewares" . }}
{{- end }}

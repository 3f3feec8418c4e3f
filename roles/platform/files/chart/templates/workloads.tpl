{{- include "workload.services" . }}
{{- include "workload.shared" . }}

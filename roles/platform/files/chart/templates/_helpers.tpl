{{- /* Labels of an object; takes {root, name}. */}}
{{- define "platform.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: {{ .root.Values.stack | default .root.Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "platform.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- /* Ports of a Service: a peer calls the port that the process listens on. */}}
{{- define "platform.ports" -}}
{{- range . }}
- name: {{ .name }}
  port: {{ .port }}
  targetPort: {{ .port }}
  protocol: {{ .protocol }}
{{- end }}
{{- end }}

{{- /* A pod keeps serving while every node learns that it is leaving; the process is told to stop only then. */}}
{{- define "platform.preStop" -}}
preStop:
  {{- if semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version }}
  sleep:
    seconds: {{ .seconds }}
  {{- else }}
  exec:
    command: ["sleep", {{ .seconds | toString | quote }}]
  {{- end }}
{{- end }}

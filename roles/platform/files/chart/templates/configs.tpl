{{- range $name, $content := .Values.configs }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $name }}
  labels:
    {{- include "platform.labels" (dict "root" $ "name" $name) | nindent 4 }}
data:
  content: {{ $content | quote }}
{{- end }}

{{- range $name, $service := .Values.services }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels:
    {{- include "platform.labels" (dict "root" $ "name" $name) | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

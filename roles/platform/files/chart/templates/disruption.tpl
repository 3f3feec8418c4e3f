{{- /* Of several replicas, a drain takes one at a time; a single one has no budget, or no node could be drained. */}}
{{- range $name, $service := .Values.services }}
{{- if and (ne $service.kind "DaemonSet") (gt (int $service.replicas) 1) }}
---
apiVersion: {{ semverCompare ">=1.21-0" $.Capabilities.KubeVersion.Version | ternary "policy/v1" "policy/v1beta1" }}
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "platform.labels" (dict "root" $ "name" $name) | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "platform.selector" (dict "root" $ "name" $name) | nindent 6 }}
{{- end }}
{{- end }}

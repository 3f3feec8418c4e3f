{{- /* A volume that several services mount; it outlives the release, as a Swarm volume outlives its stack. */}}
{{- $claims := dict }}
{{- range $service := .Values.services }}
{{- range $service.volumes }}
{{- if hasKey . "claim" }}{{ if .claim.shared }}{{ $_ := set $claims .claim.volume .claim }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $claim := $claims }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ $name }}
  labels:
    {{- include "platform.labels" (dict "root" $ "name" $name) | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {{ $claim.storageClass }}
  resources:
    requests:
      storage: {{ $claim.size }}
{{- end }}

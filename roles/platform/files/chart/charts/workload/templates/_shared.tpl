{{- /* A volume that outlives pods and that no StatefulSet claims for itself. It outlives the release, too, as a Swarm
       volume outlives its stack. */}}
{{- define "workload.claims" }}
{{- $root := . }}
{{- $claims := dict }}
{{- range $service := include "workload.all" . | fromJson }}
{{- range $service.volumes }}
{{- if hasKey . "claim" }}
{{- if or .claim.shared (ne $service.kind "StatefulSet") }}{{ $_ := set $claims .claim.volume .claim }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $claim := $claims }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ $name }}
  labels:
    {{- include "workload.labels" (dict "root" $root "name" $name) | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {{ $claim.storageClass }}
  resources:
    requests:
      storage: {{ $claim.size }}
{{- end }}
{{- end }}

{{- define "workload.configs" }}
{{- $root := . }}
{{- range $name, $content := (include "workload.settings" . | fromJson).configs }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $root.Release.Name }}-{{ $name }}
  labels:
    {{- include "workload.labels" (dict "root" $root "name" $name) | nindent 4 }}
data:
  content: {{ $content | quote }}
{{- end }}
{{- end }}

{{- range $name, $service := .Values.services }}
{{- $scope := dict "root" $ "name" $name "service" $service }}
---
apiVersion: apps/v1
kind: {{ $service.kind }}
metadata:
  name: {{ $name }}
  labels:
    {{- include "platform.labels" $scope | nindent 4 }}
spec:
  {{- if ne $service.kind "DaemonSet" }}
  replicas: {{ $service.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "platform.selector" $scope | nindent 6 }}
  {{- if eq $service.kind "Deployment" }}
  minReadySeconds: {{ $service.minReadySeconds | default 0 }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      {{- toYaml $service.strategy | nindent 6 }}
  {{- else if eq $service.kind "DaemonSet" }}
  minReadySeconds: {{ $service.minReadySeconds | default 0 }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      {{- toYaml $service.strategy | nindent 6 }}
  {{- else }}
  serviceName: {{ $name }}
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  {{- $own := list }}
  {{- range $service.volumes }}
  {{- if hasKey . "claim" }}{{ if not .claim.shared }}{{ $own = append $own (omit . "mountPath" "readOnly") }}{{ end }}{{ end }}
  {{- end }}
  {{- with uniq $own }}
  volumeClaimTemplates:
    {{- range . }}
    - metadata:
        name: {{ .name }}
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ .claim.storageClass }}
        resources:
          requests:
            storage: {{ .claim.size }}
    {{- end }}
  {{- end }}
  {{- end }}
  template:
    {{- include "platform.pod" $scope | nindent 4 }}
{{- end }}

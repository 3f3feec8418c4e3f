{{- define "workload.controller" }}
{{- $service := .service }}
{{- $job := eq $service.kind "Job" }}
{{- $pod := include "workload.pod" . | trim }}
{{- $version := list (fromYaml $pod) $service.job | toJson | sha256sum | trunc 10 }}
---
apiVersion: {{ $job | ternary "batch/v1" "apps/v1" }}
kind: {{ $service.kind }}
metadata:
  {{- /* A Job can't be changed: one that differs is another Job, as Swarm runs a changed job again. */}}
  name: {{ $job | ternary (printf "%s-%s" (trunc 52 .name) $version) .name }}
  labels:
    {{- include "workload.labels" . | nindent 4 }}
spec:
  {{- if $job }}
  {{- with omit $service.job "restartPolicy" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- else }}
  {{- include "workload.replicas" . }}
  selector:
    matchLabels:
      {{- include "workload.selector" . | nindent 6 }}
  {{- end }}
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
  {{- else if eq $service.kind "StatefulSet" }}
  serviceName: {{ .name }}
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
    {{- $pod | nindent 4 }}
{{- end }}

{{- /* Two of a singleton must never run: none does while it is served elsewhere. With an autoscaler the count is the autoscaler's: as many as run now, and none written where that is not known. */}}
{{- define "workload.replicas" }}
{{- $service := .service }}
{{- $external := $service.external | default dict }}
{{- if eq $service.kind "DaemonSet" }}
{{- else if and $external.singleton (not $service.handedOver) }}
  replicas: 0
{{- else if not $service.autoscaling }}
  replicas: {{ $service.replicas }}
{{- else }}
{{- with lookup "apps/v1" $service.kind .root.Release.Namespace .name }}
  replicas: {{ .spec.replicas }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Of several replicas, a drain takes one at a time; a single one has no budget, or no node could be drained. */}}
{{- define "workload.disruptionBudget" }}
{{- $least := .service.replicas }}
{{- with .service.autoscaling }}{{ $least = .minReplicas }}{{ end }}
{{- if and (has .service.kind (list "Deployment" "StatefulSet")) (gt (int $least) 1) }}
---
apiVersion: {{ semverCompare ">=1.21-0" .root.Capabilities.KubeVersion.Version | ternary "policy/v1" "policy/v1beta1" }}
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "workload.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "workload.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "workload.autoscaler" }}
{{- $service := .service }}
{{- with $service.autoscaling }}
{{- $modern := semverCompare ">=1.23-0" $.root.Capabilities.KubeVersion.Version }}
---
apiVersion: {{ $modern | ternary "autoscaling/v2" "autoscaling/v1" }}
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $.name }}
  labels:
    {{- include "workload.labels" $ | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ $service.kind }}
    name: {{ $.name }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  {{- if $modern }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .targetCPUUtilizationPercentage }}
  {{- else }}
  targetCPUUtilizationPercentage: {{ .targetCPUUtilizationPercentage }}
  {{- end }}
{{- end }}
{{- end }}

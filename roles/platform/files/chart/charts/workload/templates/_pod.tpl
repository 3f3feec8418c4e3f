{{- /* The pod template of a service; takes {root, name, service}. */}}
{{- define "workload.pod" -}}
{{- $settings := include "workload.settings" .root | fromJson }}
{{- $root := .root }}
{{- $name := .name }}
{{- $service := .service }}
metadata:
  labels:
    {{- include "workload.labels" (dict "root" $root "name" $name) | nindent 4 }}
    {{- range $service.networks }}
    {{- include "workload.networkLabel" . | nindent 4 }}
    {{- end }}
  {{- $annotations := dict }}
  {{- with $service.annotations }}{{ $annotations = merge $annotations . }}{{ end }}
  {{- range $service.configs }}
  {{- $content := required (printf "configs: the content of %s, which service %s mounts, is not given" .config $name) (index ($settings.configs | default dict) .config) }}
  {{- $annotations = set $annotations (printf "checksum/config-%s" .config) (sha256sum $content) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if eq $service.kind "Job" }}
  restartPolicy: {{ $service.job.restartPolicy | default "OnFailure" }}
  {{- end }}
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $service.stopGraceSeconds ($service.preStopSeconds | default 0) }}
  {{- with $settings.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.hostname }}
  hostname: {{ . | quote }}
  {{- end }}
  {{- with $service.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $service.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    seccompProfile:
      type: RuntimeDefault
    {{- with $service.sysctls }}
    sysctls:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- with $service.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $expressions := $service.nodeExpressions | default list }}
  {{- with $service.architectures | default $settings.architectures }}
  {{- $expressions = append $expressions (dict "key" "kubernetes.io/arch" "operator" "In" "values" .) }}
  {{- end }}
  {{- if or $expressions $service.onePerNode }}
  affinity:
    {{- with $expressions }}
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchExpressions:
              {{- toYaml . | nindent 14 }}
    {{- end }}
    {{- if $service.onePerNode }}
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "workload.selector" . | nindent 14 }}
    {{- end }}
  {{- end }}
  {{- with $service.topologyKeys }}
  topologySpreadConstraints:
    {{- range . }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "workload.selector" (dict "root" $root "name" $name) | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $name }}
      image: {{ include "workload.image" $service | quote }}
      imagePullPolicy: {{ $settings.imagePullPolicy }}
      {{- with $service.command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.workingDir }}
      workingDir: {{ . | quote }}
      {{- end }}
      {{- if $service.stdin }}
      stdin: true
      {{- end }}
      {{- if $service.tty }}
      tty: true
      {{- end }}
      {{- include "workload.noHidden" . }}
      {{- with $service.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.ports }}
      ports:
        {{- range . }}
        - name: {{ .name }}
          containerPort: {{ .port }}
          {{- with .hostPort }}
          hostPort: {{ . }}
          {{- end }}
          protocol: {{ .protocol }}
        {{- end }}
      {{- end }}
      {{- with $service.probes }}
      startupProbe:
        {{- toYaml .startup | nindent 8 }}
      readinessProbe:
        {{- toYaml .readiness | nindent 8 }}
      livenessProbe:
        {{- toYaml .liveness | nindent 8 }}
      {{- end }}
      {{- with $service.preStopSeconds }}
      lifecycle:
        {{- include "workload.preStop" (dict "root" $root "seconds" .) | nindent 8 }}
      {{- end }}
      {{- with $service.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "workload.securityContext" $service | nindent 8 }}
      {{- if or $service.volumes $service.secrets $service.configs }}
      volumeMounts:
        {{- range $service.volumes }}
        - name: {{ .name }}
          mountPath: {{ .mountPath | quote }}
          readOnly: {{ .readOnly | default false }}
        {{- end }}
        {{- range $i, $item := $service.secrets }}
        - name: secret-{{ $i }}
          mountPath: {{ $item.mountPath | quote }}
          subPath: {{ $item.key | quote }}
          readOnly: true
        {{- end }}
        {{- range $i, $item := $service.configs }}
        - name: config-{{ $i }}
          mountPath: {{ $item.mountPath | quote }}
          subPath: content
          readOnly: true
        {{- end }}
      {{- end }}
  {{- $inline := list }}
  {{- range $service.volumes }}
  {{- if or (not (hasKey . "claim")) .claim.shared (ne $service.kind "StatefulSet") }}{{ $inline = append $inline (omit . "mountPath" "readOnly") }}{{ end }}
  {{- end }}
  {{- if or $inline $service.secrets $service.configs }}
  volumes:
    {{- range uniq $inline }}
    - name: {{ .name }}
      {{- if hasKey . "claim" }}
      persistentVolumeClaim:
        claimName: {{ .claim.volume }}
      {{- else if hasKey . "hostPath" }}
      hostPath:
        path: {{ .hostPath | quote }}
      {{- else }}
      emptyDir:
        {{- toYaml .emptyDir | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- range $i, $item := $service.secrets }}
    - name: secret-{{ $i }}
      secret:
        secretName: {{ $item.secret }}
        defaultMode: {{ $item.mode }}
    {{- end }}
    {{- range $i, $item := $service.configs }}
    - name: config-{{ $i }}
      configMap:
        name: {{ $root.Release.Name }}-{{ $item.config }}
        defaultMode: {{ $item.mode }}
    {{- end }}
  {{- end }}
{{- end }}

{{- /* A pod keeps serving while every node learns that it is leaving; the process is told to stop only then. */}}
{{- define "workload.preStop" -}}
preStop:
  {{- if semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version }}
  sleep:
    seconds: {{ .seconds }}
  {{- else }}
  exec:
    command: ["sleep", {{ .seconds | toString | quote }}]
  {{- end }}
{{- end }}

{{- /* The image as it is named, by its digest where there is one; takes the service. */}}
{{- define "workload.image" -}}
{{- if and .imageDigest (not (contains "@" .image)) }}{{ printf "%s@%s" .image .imageDigest }}{{ else }}{{ .image }}{{ end }}
{{- end }}

{{- /* A process of a numeric user other than root loses nothing that it has under Swarm: then the level "restricted" of the
       Pod Security Standards holds, unless "restricted" is false; takes the service. */}}
{{- define "workload.securityContext" -}}
{{- $given := .securityContext | default dict }}
{{- $context := dict "allowPrivilegeEscalation" false }}
{{- if and (ne (toString .restricted) "false") (gt (int $given.runAsUser) 0) }}
{{- $capabilities := merge (dict "drop" (list "ALL")) ($given.capabilities | default dict) }}
{{- $context = merge $context (dict "runAsNonRoot" true "capabilities" $capabilities) }}
{{- $given = omit $given "capabilities" }}
{{- end }}
{{- toYaml (merge (dict) $given $context) }}
{{- end }}

{{- define "workload.noHidden" -}}
{{- range .service.env }}
{{- if eq (toString .value) "(hidden)" }}
{{- fail (printf "service %s: the value of %s is not in the chart's files; give the service's whole env in values of your own" $.name .name) }}
{{- end }}
{{- end }}
{{- end }}

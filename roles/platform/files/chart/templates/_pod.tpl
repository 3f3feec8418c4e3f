{{- /* The pod template of a service; takes {root, name, service}. */}}
{{- define "platform.pod" -}}
{{- $root := .root }}
{{- $name := .name }}
{{- $service := .service }}
metadata:
  labels:
    {{- include "platform.labels" . | nindent 4 }}
  {{- $annotations := dict }}
  {{- with $service.annotations }}{{ $annotations = merge $annotations . }}{{ end }}
  {{- range $service.configs }}
  {{- $annotations = set $annotations (printf "checksum/config-%s" .config) (index $root.Values.configs .config | sha256sum) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $service.stopGraceSeconds ($service.preStopSeconds | default 0) }}
  {{- with $root.Values.imagePullSecrets }}
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
  {{- if or $service.nodeExpressions $service.onePerNode }}
  affinity:
    {{- with $service.nodeExpressions }}
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
              {{- include "platform.selector" . | nindent 14 }}
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
          {{- include "platform.selector" (dict "root" $root "name" $name) | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $name }}
      image: {{ $service.image | quote }}
      imagePullPolicy: {{ $root.Values.imagePullPolicy }}
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
      {{- with $service.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.ports }}
      ports:
        {{- range . }}
        - name: {{ .name }}
          containerPort: {{ .port }}
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
        {{- include "platform.preStop" (dict "root" $root "seconds" .) | nindent 8 }}
      {{- end }}
      {{- with $service.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml (merge (dict) ($service.securityContext | default dict) (dict "allowPrivilegeEscalation" false)) | nindent 8 }}
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
  {{- if or (not (hasKey . "claim")) .claim.shared }}{{ $inline = append $inline (omit . "mountPath" "readOnly") }}{{ end }}
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
        name: {{ $.root.Release.Name }}-{{ $item.config }}
        defaultMode: {{ $item.mode }}
    {{- end }}
  {{- end }}
{{- end }}

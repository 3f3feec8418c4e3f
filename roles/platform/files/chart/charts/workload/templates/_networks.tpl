{{- /* The label of the pods on a network. */}}
{{- define "workload.networkLabel" -}}
replatform.sophia.ai/network-{{ include "workload.network" . }}: "true"
{{- end }}

{{- define "workload.separates" -}}
{{- if ((include "workload.settings" . | fromJson).networkPolicy | default dict).enabled }}yes{{ end -}}
{{- end }}

{{- /* Pods of a network hear each other. From an internal one nothing leaves but questions for names, and what goes to a
       service that is still served elsewhere. Probes come from the node, which a policy does not shut out. */}}
{{- define "workload.networks" }}
{{- $root := . }}
{{- if include "workload.separates" . }}
{{- $services := include "workload.all" . | fromJson }}
{{- range $name, $network := (include "workload.settings" . | fromJson).networks }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: network-{{ include "workload.network" $name }}
  labels:
    {{- include "workload.labels" (dict "root" $root "name" (printf "network-%s" (include "workload.network" $name))) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "workload.networkLabel" $name | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              {{- include "workload.networkLabel" $name | nindent 14 }}
  egress:
    {{- if not $network.internal }}
    - {}
    {{- else }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "workload.networkLabel" $name | nindent 14 }}
    - ports:
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}
    {{- range $services }}
    {{- if and (has $name (.networks | default list)) .external (not .handedOver) }}
    - to:
        {{- range .external.addresses }}
        - ipBlock: {cidr: {{ printf "%s/32" . | quote }}}
        {{- end }}
    {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A published port is open to everyone, as on Swarm, and so is one that a route leads to. */}}
{{- define "workload.openPorts" }}
{{- $service := .service }}
{{- $open := list }}
{{- range $port := $service.ports }}
{{- $routed := false }}
{{- range $service.routes }}{{ if eq (include "workload.routed" .) (printf "%s-%d" $port.protocol (int $port.port)) }}{{ $routed = true }}{{ end }}{{ end }}
{{- if or $port.published $port.hostPort $routed }}{{ $open = append $open $port }}{{ end }}
{{- end }}
{{- if and $service.networks $open (include "workload.separates" .root) }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "workload.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "workload.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        {{- range $open }}
        - port: {{ .port }}
          protocol: {{ .protocol }}
        {{- end }}
{{- end }}
{{- end }}

{{- /* The port that a route leads to, as TCP-8080. */}}
{{- define "workload.routed" -}}
{{- printf "%s-%d" (ternary "UDP" "TCP" (eq (.protocol | default "http") "udp")) (int .port) }}
{{- end }}

{{- /* Traefik's routes, where Traefik's kinds are served. */}}
{{- define "workload.routes" }}
{{- $scope := . }}
{{- range $route := .service.routes }}
{{- $protocol := $route.protocol | default "http" }}
{{- $known := false }}
{{- range $scope.service.ports }}{{ if eq (include "workload.routed" $route) (printf "%s-%d" .protocol (int .port)) }}{{ $known = true }}{{ end }}{{ end }}
{{- if not $known }}
{{- fail (printf "service %s: route %s leads to port %v, which is none of its ports" $scope.name $route.name $route.port) }}
{{- end }}
{{- if $scope.root.Capabilities.APIVersions.Has "traefik.io/v1alpha1" }}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute{{ if ne $protocol "http" }}{{ upper $protocol }}{{ end }}
metadata:
  name: {{ $route.name }}
  labels:
    {{- include "workload.labels" $scope | nindent 4 }}
spec:
  {{- with $route.entryPoints }}
  entryPoints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  routes:
    - services:
        - name: {{ $scope.name }}
          port: {{ $route.port }}
          {{- with $route.service }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
      {{- if eq $protocol "http" }}
      kind: Rule
      {{- end }}
      {{- if ne $protocol "udp" }}
      match: {{ $route.rule | quote }}
      {{- end }}
      {{- with $route.priority }}
      priority: {{ . }}
      {{- end }}
      {{- with $route.middlewares }}
      middlewares:
        {{- range . }}
        {{- if kindIs "string" . }}
        - name: {{ . }}
        {{- else }}
        - {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- end }}
      {{- end }}
  {{- if kindIs "map" $route.tls }}
  tls:
    {{- toYaml $route.tls | nindent 4 }}
  {{- else if $route.tls }}
  tls: {}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What routes name, once a release, where Traefik's kinds are served. */}}
{{- define "workload.middlewares" }}
{{- $root := . }}
{{- $settings := include "workload.settings" . | fromJson }}
{{- range $kind, $middlewares := dict "Middleware" $settings.middlewares "MiddlewareTCP" $settings.tcpMiddlewares }}
{{- range $name, $middleware := $middlewares }}
{{- range $options := $middleware }}
{{- range $pairs := $options }}
{{- if kindIs "map" $pairs }}
{{- range $key, $value := $pairs }}
{{- if eq (toString $value) "(hidden)" }}
{{- fail (printf "middleware %s: the value of %s is not in the chart's files; give the middleware in values of yours" $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $root.Capabilities.APIVersions.Has "traefik.io/v1alpha1" }}
---
apiVersion: traefik.io/v1alpha1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  labels:
    {{- include "workload.labels" (dict "root" $root "name" $name) | nindent 4 }}
spec:
  {{- toYaml $middleware | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- range $name, $service := .Values.services }}
{{- $scope := dict "root" $ "name" $name }}
{{- $elsewhere := and $service.external (not $service.handedOver) }}
{{- $names := concat (list $name) ($service.aliases | default list) }}
{{- if $service.external }}{{ $names = append $names (printf "%s-k3s" $name) }}{{ end }}
{{- range $i, $dns := $names }}
{{- $selects := or (not $elsewhere) (eq $dns (printf "%s-k3s" $name)) }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $dns }}
  labels:
    {{- include "platform.labels" $scope | nindent 4 }}
spec:
  {{- if not $service.ports }}
  clusterIP: None
  {{- else if or (eq $i 0) (hasSuffix "-k3s" $dns) }}
  type: NodePort
  {{- end }}
  {{- with $service.ports }}
  ports:
    {{- include "platform.ports" . | trim | nindent 4 }}
  {{- end }}
  {{- if $selects }}
  selector:
    {{- include "platform.selector" $scope | nindent 4 }}
  {{- end }}
{{- if not $selects }}
{{- $modern := semverCompare ">=1.21-0" $.Capabilities.KubeVersion.Version }}
---
{{- if $modern }}
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
{{- else }}
apiVersion: v1
kind: Endpoints
{{- end }}
metadata:
  name: {{ $dns }}{{ if $modern }}-elsewhere{{ end }}
  labels:
    {{- include "platform.labels" $scope | nindent 4 }}
    {{- if $modern }}
    kubernetes.io/service-name: {{ $dns }}
    endpointslice.kubernetes.io/managed-by: helm
    {{- end }}
{{- if $modern }}
addressType: IPv4
ports:
  {{- range $service.ports }}
  - name: {{ .name }}
    port: {{ eq (len $service.ports) 1 | ternary $service.external.port .port }}
    protocol: {{ .protocol }}
  {{- end }}
endpoints:
  {{- range $service.external.addresses }}
  - addresses: [{{ . | quote }}]
    conditions:
      ready: true
  {{- end }}
{{- else }}
subsets:
  - addresses:
      {{- range $service.external.addresses }}
      - ip: {{ . | quote }}
      {{- end }}
    ports:
      {{- range $service.ports }}
      - name: {{ .name }}
        port: {{ eq (len $service.ports) 1 | ternary $service.external.port .port }}
        protocol: {{ .protocol }}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Ports of a Service: a peer calls the port that the process listens on. */}}
{{- define "workload.ports" -}}
{{- range . }}
- name: {{ .name }}
  port: {{ .port }}
  targetPort: {{ .port }}
  protocol: {{ .protocol }}
{{- end }}
{{- end }}

{{- /* A Service for each name of a service. One that is served elsewhere leads there by its plain name. */}}
{{- define "workload.names" }}
{{- $scope := . }}
{{- $service := .service }}
{{- $elsewhere := and $service.external (not $service.handedOver) }}
{{- $own := printf "%s-k3s" .name }}
{{- $names := concat (list .name) ($service.aliases | default list) }}
{{- if $service.external }}{{ $names = append $names $own }}{{ end }}
{{- range $i, $dns := $names }}
{{- $selects := or (not $elsewhere) (eq $dns $own) }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $dns }}
  labels:
    {{- include "workload.labels" $scope | nindent 4 }}
spec:
  {{- if not $service.ports }}
  clusterIP: None
  {{- else if or (eq $i 0) (hasSuffix "-k3s" $dns) }}
  type: NodePort
  {{- end }}
  {{- with $service.ports }}
  ports:
    {{- include "workload.ports" . | trim | nindent 4 }}
  {{- end }}
  {{- if $selects }}
  selector:
    {{- include "workload.selector" $scope | nindent 4 }}
  {{- else }}
{{- include "workload.elsewhere" (merge (dict "dns" $dns) $scope) }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Where a Service without a selector leads; takes the scope and dns. */}}
{{- define "workload.elsewhere" }}
{{- $service := .service }}
---
apiVersion: discovery.k8s.io/{{ semverCompare ">=1.21-0" .root.Capabilities.KubeVersion.Version | ternary "v1" "v1beta1" }}
kind: EndpointSlice
metadata:
  name: {{ .dns }}-elsewhere
  labels:
    {{- include "workload.labels" . | nindent 4 }}
    kubernetes.io/service-name: {{ .dns }}
    endpointslice.kubernetes.io/managed-by: helm
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
{{- end }}

{{- /* The pod of "helm test": it asks every service of .Values.tests.checks for its page of health, or for a connection
where it has none; takes the root. */}}
{{- define "workload.tests" -}}
{{- $root := . }}
{{- $services := include "workload.all" . | fromJson }}
{{- $settings := include "workload.settings" . | fromJson }}
{{- $urls := list }}
{{- range .Values.tests.checks }}
{{- if hasKey $services .service }}
{{- $urls = append $urls (printf "%s://%s:%v%s" (ternary "http" "tcp" (hasKey . "path")) .service .port (.path | default "")) }}
{{- end }}
{{- end }}
{{- with $urls }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ $root.Release.Name }}-health
  labels:
    {{- include "workload.labels" (dict "root" $root "name" (printf "%s-health" $root.Release.Name)) | nindent 4 }}
    {{- range $name, $network := $settings.networks }}
    {{- include "workload.networkLabel" $name | nindent 4 }}
    {{- end }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $settings.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    runAsGroup: 65534
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: health
      image: {{ $root.Values.tests.image | quote }}
      imagePullPolicy: {{ $settings.imagePullPolicy }}
      command:
        {{- with $root.Values.tests.command }}
        {{- toYaml . | nindent 8 }}
        {{- else }}
        - busybox
        - sh
        - -c
        - |
          # Some busybox know no "nc -z"; a program that follows upon the connection they all know.
          ask() {
            address=${1#tcp://}
            case $1 in
              tcp://*) busybox nc -w 5 "${address%:*}" "${address##*:}" -e busybox true ;;
              *) busybox wget -q -T 5 -O /dev/null "$1" ;;
            esac
          }
          failed=0
          for url; do
            if ask "$url"; then echo "ok $url"; else echo "no answer: $url"; failed=1; fi
          done
          exit "$failed"
        - health
        {{- end }}
      args:
        {{- toYaml . | nindent 8 }}
      resources:
        limits: {memory: 64Mi}
        requests: {cpu: 10m, memory: 16Mi}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
{{- end }}
{{- end }}

{{- define "workload.notes" -}}
{{- $services := include "workload.all" . | fromJson }}
{{- $settings := include "workload.settings" . | fromJson }}
{{ len $services }} services of the stack {{ $settings.stack }} are on Kubernetes as release {{ .Release.Name }}.
Node ports: kubectl -n {{ .Release.Namespace }} get services
{{- with .Values.tests }}
Health: helm test {{ $.Release.Name }} -n {{ $.Release.Namespace }} --logs
{{- end }}
{{- $routes := 0 }}
{{- range $services }}{{ $routes = add $routes (len (.routes | default list)) }}{{ end }}
{{- if and $routes (not (.Capabilities.APIVersions.Has "traefik.io/v1alpha1")) }}
{{ $routes }} routes are not here: the cluster does not serve traefik.io/v1alpha1. Upgrade the release once Traefik is there.
{{- end }}
{{- if and $settings.networks (not (include "workload.separates" .)) }}
Networks do not separate pods: networkPolicy.enabled is off.
{{- end }}
{{- end }}

{{/* What all pods share: no rights, no token, a system that cannot be written. */}}
{{- define "understudy.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1600
  runAsGroup: 1600
  fsGroup: 1600
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "understudy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "understudy.environment" -}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- if .Values.config }}
- {name: UNDERSTUDY_CONFIG, value: /etc/understudy/understudy.toml}
{{- end }}
{{- if .Values.natsCredentialsKey }}
- {name: UNDERSTUDY_NATS_CREDENTIALS, value: /etc/understudy-nats/credentials}
{{- end }}
{{- end -}}

{{- define "understudy.mounts" -}}
- {name: scratch, mountPath: /var/lib/understudy}
- {name: tmp, mountPath: /tmp}
{{- if .Values.config }}
- {name: config, mountPath: /etc/understudy, readOnly: true}
{{- end }}
{{- if .Values.natsCredentialsKey }}
- {name: nats, mountPath: /etc/understudy-nats, readOnly: true}
{{- end }}
{{- end -}}

{{- define "understudy.volumes" -}}
- name: scratch
  emptyDir: {sizeLimit: {{ .Values.scratch.sizeLimit }}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if .Values.config }}
- name: config
  configMap: {name: {{ include "understudy.name" . }}}
{{- end }}
{{- if .Values.natsCredentialsKey }}
- name: nats
  secret:
    secretName: {{ .Values.secretName }}
    defaultMode: 288
    items: [{key: {{ .Values.natsCredentialsKey | quote }}, path: credentials}]
{{- end }}
{{- end -}}

{{- define "understudy.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A changed configuration makes new pods. */}}
{{- define "understudy.annotations" -}}
checksum/config: {{ .Values.config | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The ends of the arrows in networkpolicy.yaml. */}}

{{/* The pods of components of this release. Takes root and names. */}}
{{- define "rollcall.peers" -}}
{{- range .names }}
- podSelector:
    matchLabels: {{- include "rollcall.selector" (dict "root" $.root "name" .) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* What is outside of this release: `to` of the values; empty is anywhere, told apart by the port alone. */}}
{{- define "rollcall.to" -}}
{{- if .to -}}
to: {{- toYaml .to | nindent 2 }}
{{- else -}}
to: []
{{- end -}}
{{- end -}}

{{- define "rollcall.dnsRule" -}}
- {{ include "rollcall.to" .Values.networkPolicy.dns | nindent 2 | trim }}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{- define "rollcall.databaseRule" -}}
{{- if .Values.database.bundled.enabled -}}
- to: {{- include "rollcall.peers" (dict "root" . "names" (list "postgresql")) | trim | nindent 4 }}
  ports: [{port: 5432}]
{{- else -}}
- {{ include "rollcall.to" .Values.networkPolicy.database | nindent 2 | trim }}
  ports: [{port: {{ .Values.networkPolicy.database.port }}}]
{{- end -}}
{{- end -}}

{{- define "rollcall.natsRule" -}}
{{- if .Values.nats.bundled.enabled -}}
- to: {{- include "rollcall.peers" (dict "root" . "names" (list "nats")) | trim | nindent 4 }}
  ports: [{port: 4222}]
{{- else -}}
- {{ include "rollcall.to" .Values.networkPolicy.nats | nindent 2 | trim }}
  ports: [{port: {{ .Values.networkPolicy.nats.port }}}]
{{- end -}}
{{- end -}}

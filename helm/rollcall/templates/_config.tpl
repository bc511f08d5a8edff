{{/* What a service is told: a TOML file of what is no secret, and variables and files from Secrets of what is. */}}

{{/* A table as TOML, its values first, then the tables in it. Takes table, and at: its own name with dots, empty on top.
     Helm's toToml would write every whole number as a decimal (10.0). */}}
{{- define "rollcall.toml" -}}
{{- range $key, $value := .table }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $at := ternary $key (printf "%s.%s" $.at $key) (empty $.at) }}

[{{ $at }}]
{{- include "rollcall.toml" (dict "table" $value "at" $at) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The settings that all four services share, as YAML. Takes root and name. */}}
{{- define "rollcall.settings" -}}
{{- $tls := include "rollcall.serverTls" . -}}
{{- with .root -}}
process:
  grace_seconds: {{ .Values.shutdown.graceSeconds }}
log: {{- toYaml .Values.log | nindent 2 }}
grpc:
  listen: {{ printf "%s:7400" .Values.listen }}
  {{- with $tls }}
  tls: {{ . }}
  {{- end }}
metrics:
  listen: {{ printf "%s:9464" .Values.listen }}
database:
  # The Job migrates; services wait for it. Without the Job each migrates at its start.
  migrate: {{ not .Values.migration.enabled }}
nats:
  replicas: {{ include "rollcall.streamReplicas" . }}
  {{- with .Values.nats.credentials }}{{ if .existingSecret }}
  credentials: /etc/rollcall/nats/user.creds
  {{- end }}{{ end }}
  {{- with .Values.nats.tls }}{{ if .existingSecret }}
  tls:
    ca: /etc/rollcall/nats-tls/ca.crt
    {{- if .clientCertificate }}
    cert: /etc/rollcall/nats-tls/tls.crt
    key: /etc/rollcall/nats-tls/tls.key
    {{- end }}
  {{- end }}{{ end }}
vault:
  keys_file: /etc/rollcall/vault/keys
{{- end -}}
{{- end -}}

{{/* The TLS of a service's gRPC port; empty: none. Services show each other certificates and ask for them. api has its own or
     none: people and programs come to it, with tokens. Takes root and name. */}}
{{- define "rollcall.serverTls" -}}
{{- if eq .name "api" -}}
{{- if .root.Values.api.tls.existingSecret -}}
{cert: /etc/rollcall/api-tls/tls.crt, key: /etc/rollcall/api-tls/tls.key}
{{- end -}}
{{- else if .root.Values.tls.existingSecret -}}
{cert: /etc/rollcall/tls/tls.crt, key: /etc/rollcall/tls/tls.key, client_ca: /etc/rollcall/tls/ca.crt}
{{- end -}}
{{- end -}}

{{/* A variable from a key of a Secret. */}}
{{- define "rollcall.secretVariable" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}
{{- end -}}

{{/* Where PostgreSQL is. */}}
{{- define "rollcall.databaseVariables" -}}
{{- with .Values.database }}
{{- if .bundled.enabled }}
{{ include "rollcall.secretVariable" (dict "variable" "DATABASE_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
- name: ROLLCALL_DATABASE__URL
  value: postgres://rollcall:$(DATABASE_PASSWORD)@{{ include "rollcall.fullname" $ }}-postgresql:5432/rollcall
{{- else }}
{{ include "rollcall.secretVariable" (dict "variable" "ROLLCALL_DATABASE__URL" "secret" .existingSecret "key" .urlKey) }}
{{- end }}
{{- if .ca.existingSecret }}
# Unless the URL has an sslmode and an sslrootcert of its own.
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/rollcall/database/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{/* Where NATS is. */}}
{{- define "rollcall.natsVariables" -}}
{{- with .Values.nats }}
{{- if .bundled.enabled }}
{{ include "rollcall.secretVariable" (dict "variable" "NATS_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
- name: ROLLCALL_NATS__URL
  value: nats://rollcall:$(NATS_PASSWORD)@{{ include "rollcall.fullname" $ }}-nats:4222
{{- else if .existingSecret }}
{{ include "rollcall.secretVariable" (dict "variable" "ROLLCALL_NATS__URL" "secret" .existingSecret "key" .urlKey) }}
{{- else }}
- name: ROLLCALL_NATS__URL
  value: {{ .url | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The variables of all four services. */}}
{{- define "rollcall.variables" -}}
{{ include "rollcall.databaseVariables" . | trim }}
{{ include "rollcall.natsVariables" . | trim }}
{{- with .Values.otel }}
{{- if .endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ $.Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- if .headers.existingSecret }}
{{ include "rollcall.secretVariable" (dict "variable" "OTEL_EXPORTER_OTLP_HEADERS" "secret" .headers.existingSecret "key" .headers.key) }}
{{- end }}
{{- range $name, $value := .variables }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The files from Secrets that all four services read: the folder under /etc/rollcall, the Secret, and which of its keys
     becomes which file. */}}
{{- define "rollcall.files" -}}
- {folder: vault, secret: {{ .Values.vault.existingSecret }}, items: { {{ .Values.vault.key }}: keys}}
{{ include "rollcall.databaseFiles" . }}
{{- with .Values.nats.credentials }}{{ if .existingSecret }}
- {folder: nats, secret: {{ .existingSecret }}, items: { {{ .key }}: user.creds}}
{{- end }}{{ end }}
{{- with .Values.nats.tls }}{{ if .existingSecret }}
- folder: nats-tls
  secret: {{ .existingSecret }}
  items: {ca.crt: ca.crt{{ if .clientCertificate }}, tls.crt: tls.crt, tls.key: tls.key{{ end }}}
{{- end }}{{ end }}
{{- with .Values.tls.existingSecret }}
- {folder: tls, secret: {{ . }}, items: {ca.crt: ca.crt, tls.crt: tls.crt, tls.key: tls.key}}
{{- end }}
{{- end -}}

{{- define "rollcall.databaseFiles" -}}
{{- with .Values.database.ca }}{{ if .existingSecret }}
- {folder: database, secret: {{ .existingSecret }}, items: { {{ .key }}: ca.crt}}
{{- end }}{{ end }}
{{- end -}}

{{/* Files, as a pod's volumes and as a container's mounts. */}}
{{- define "rollcall.volumes" -}}
{{- range . }}
- name: {{ .folder }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range $key, $path := .items }}
      - {key: {{ $key }}, path: {{ $path }}}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "rollcall.mounts" -}}
{{- range . }}
- {name: {{ .folder }}, mountPath: /etc/rollcall/{{ .folder }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* Copies of each stream: as said, else as many as the bundled NATS has servers. */}}
{{- define "rollcall.streamReplicas" -}}
{{- if .Values.nats.streamReplicas -}}
{{ .Values.nats.streamReplicas }}
{{- else -}}
{{ ternary .Values.nats.bundled.replicas 1 .Values.nats.bundled.enabled }}
{{- end -}}
{{- end -}}

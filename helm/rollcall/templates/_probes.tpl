{{/* Every probe asks grpc.health.v1 for the process as a whole. That says "serving" from the end of the start to the signal to
     stop, whether or not the database or NATS is there just now: no restart would bring those back. Before, nobody answers: so
     the startup probe has patience, ten minutes of a database that is away or of a schema that is being brought up to date.
     The kubelet's own gRPC probe knows no TLS; there the process asks its own port. Takes root and name. */}}
{{- define "rollcall.probes" -}}
startupProbe:
  {{- include "rollcall.probe" . | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 120
livenessProbe:
  {{- include "rollcall.probe" . | nindent 2 }}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  {{- include "rollcall.probe" . | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "rollcall.probe" -}}
{{- if include "rollcall.serverTls" . -}}
exec:
  command: [/usr/local/bin/rollcall-{{ .name }}, --config, /etc/rollcall/config/rollcall.toml, --health]
{{- else -}}
grpc: {port: 7400}
{{- end -}}
{{- end -}}

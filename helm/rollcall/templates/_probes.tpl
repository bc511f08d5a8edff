{{/* Whether a pod lives and whether it should get calls, takes root and name.

     The health service knows two names. "liveness" serves from the first moment to the last, whether or not the database or NATS
     is there: no restart would bring those back. The empty name, the process as a whole, serves from the end of the start (the
     schema is up to date, everything is connected) to the signal to stop.

     The kubelet's gRPC probe speaks no TLS. There the process asks its own port (--health), and that it answers for its metrics
     is its sign of life. */}}
{{- define "rollcall.probes" -}}
{{- $tls := include "rollcall.serverTls" . -}}
startupProbe:
  {{- include "rollcall.alive" $tls | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 30
livenessProbe:
  {{- include "rollcall.alive" $tls | nindent 2 }}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  {{- if $tls }}
  exec:
    command: [/usr/local/bin/rollcall-{{ .name }}, --config, /etc/rollcall/config/rollcall.toml, --health]
  {{- else }}
  grpc: {port: 7400}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "rollcall.alive" -}}
{{- if . -}}
httpGet: {path: /metrics, port: metrics}
{{- else -}}
grpc: {port: 7400, service: liveness}
{{- end -}}
{{- end -}}

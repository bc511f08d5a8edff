{{/* Who decides how many copies there are: the Deployment, a HorizontalPodAutoscaler, or KEDA. Never two of them. */}}

{{/* Takes root and name. */}}
{{- define "rollcall.isScaled" -}}
{{- $values := index .root.Values .name -}}
{{- if dig "autoscaling" "enabled" false $values }}true{{ end -}}
{{- end -}}

{{/* Whether KEDA scales the reconcilers by the pages that wait: as said, or, on auto, where the cluster has KEDA and it is known
     where NATS tells of its queues. */}}
{{- define "rollcall.hasKeda" -}}
{{- $keda := .Values.keda -}}
{{- if include "rollcall.isScaled" (dict "root" . "name" "reconciler") -}}
{{- if eq (toString $keda.enabled) "auto" -}}
{{- if and (.Capabilities.APIVersions.Has "keda.sh/v1alpha1") (include "rollcall.natsMonitoring" .) }}true{{ end -}}
{{- else if $keda.enabled }}true{{ end -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.natsMonitoring" -}}
{{- if .Values.keda.natsMonitoringEndpoint -}}
{{ .Values.keda.natsMonitoringEndpoint }}
{{- else if .Values.nats.bundled.enabled -}}
{{ include "rollcall.fullname" . }}-nats-headless.{{ .Release.Namespace }}.svc:8222
{{- end -}}
{{- end -}}

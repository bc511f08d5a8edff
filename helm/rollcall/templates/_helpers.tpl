{{/* Names, labels, images: what every object of this chart shares. */}}

{{- define "rollcall.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{/* What all names begin with: the release's name, with the chart's where that does not hold it. 40 characters leave room for
     what comes after it. */}}
{{- define "rollcall.fullname" -}}
{{- $name := include "rollcall.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* What never changes of a component's pods, so that selectors can use it. Takes root and name. */}}
{{- define "rollcall.selector" -}}
app.kubernetes.io/name: {{ include "rollcall.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* All labels of a component's objects. Takes root and name. */}}
{{- define "rollcall.labels" -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/part-of: rollcall
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of a component's pods: none that a new chart changes, so that it restarts nothing for nothing. */}}
{{- define "rollcall.podLabels" -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/part-of: rollcall
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name, namespace and labels of a component's object. Takes root and name; suffix, where a component has several. */}}
{{- define "rollcall.metadata" -}}
name: {{ include "rollcall.fullname" .root }}-{{ .name }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "rollcall.labels" . | nindent 2 }}
{{- end -}}

{{- define "rollcall.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (ternary (include "rollcall.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end -}}

{{/* Rollcall's own image: a digest is exact, a tag may move. */}}
{{- define "rollcall.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* As whom pods of our image run; 0: as the cluster says. */}}
{{- define "rollcall.user" -}}
{{ dig "user" 65532 (.Values.scheduling | default dict) }}
{{- end -}}

{{/* What every pod has: identity, placement, and what the restricted Pod Security Standard asks of it. Takes root and name;
     user, where the image has another; account, where it is not the release's. */}}
{{- define "rollcall.pod" -}}
serviceAccountName: {{ .account | default (include "rollcall.serviceAccountName" .root) }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .user | default (int (include "rollcall.user" .root)) }}
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  # Secrets and volumes are readable by this group.
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.scheduling }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Copies apart from each other, where there is room; those of an older version do not count. Takes root and name. */}}
{{- define "rollcall.spread" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "rollcall.selector" $ | nindent 8 }}
    matchLabelKeys: [{{ $.revision | default "pod-template-hash" }}]
  {{- end }}
{{- end -}}

{{/* The container's part of the restricted Pod Security Standard. */}}
{{- define "rollcall.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The volume of a bundled server. It cannot be changed once it is made, so it has only those labels that never change.
     Takes part (root and name), and storage. */}}
{{- define "rollcall.claim" -}}
- metadata:
    name: data
    labels: {{- include "rollcall.selector" .part | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: {storage: {{ .storage.size }}}
{{- end -}}

{{/* The Secret with the token that helm test signs in with: one for it, or the bootstrap token. Empty: there is no test. */}}
{{- define "rollcall.testToken" -}}
{{- if .Values.tests.existingSecret -}}
{name: {{ .Values.tests.existingSecret }}, key: {{ .Values.tests.key }}}
{{- else if .Values.bootstrap.existingSecret -}}
{name: {{ .Values.bootstrap.existingSecret }}, key: {{ .Values.bootstrap.key }}}
{{- end -}}
{{- end -}}

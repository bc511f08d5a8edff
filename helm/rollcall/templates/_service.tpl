{{/* One of the four services: its configuration, its pods, and the name under which it is found.
     Takes root, name, and own, which is what this service has beside the others:
       settings   of its configuration file
       variables  of its environment
       files      from Secrets, see rollcall.files
       ports      beside gRPC and metrics */}}
{{- define "rollcall.service" -}}
{{- $values := index .root.Values .name -}}
{{- $settings := include "rollcall.settings" . | fromYaml -}}
{{- $settings = mergeOverwrite $settings (.own.settings | default dict) $values.config -}}
{{- $toml := include "rollcall.toml" (dict "table" $settings "at" "") | trim -}}
{{- $files := concat (include "rollcall.files" .root | fromYamlArray) (.own.files | default list) -}}
apiVersion: v1
kind: ConfigMap
metadata: {{- include "rollcall.metadata" . | nindent 2 }}
data:
  rollcall.toml: |
    {{- $toml | nindent 4 }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "rollcall.metadata" . | nindent 2 }}
spec:
  {{- if not (include "rollcall.isScaled" .) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "rollcall.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "rollcall.podLabels" . | nindent 8 }}
      annotations:
        # A changed configuration is read by new pods.
        checksum/config: {{ sha256sum $toml }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "rollcall.pod" . | nindent 6 }}
      {{- include "rollcall.spread" . | nindent 6 }}
      # For preStop, then for process.grace_seconds, then for the last spans and metrics: 5 s to send them, 1 s for the runtime.
      terminationGracePeriodSeconds: {{ add .root.Values.shutdown.preStopSeconds .root.Values.shutdown.graceSeconds 10 }}
      containers:
        - name: {{ .name }}
          image: {{ include "rollcall.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [/usr/local/bin/rollcall-{{ .name }}]
          args: [--config, /etc/rollcall/config/rollcall.toml]
          env:
            {{- include "rollcall.variables" .root | nindent 12 }}
            {{- with .own.variables }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: grpc, containerPort: 7400}
            - {name: metrics, containerPort: 9464}
            {{- range .own.ports }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
          {{- include "rollcall.probes" . | nindent 10 }}
          lifecycle:
            preStop:
              # Until every proxy has heard that this pod gets no more calls; it goes on answering meanwhile.
              sleep: {seconds: {{ .root.Values.shutdown.preStopSeconds }}}
          resources: {{- toYaml $values.resources | nindent 12 }}
          securityContext: {{- include "rollcall.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/rollcall/config, readOnly: true}
            {{- include "rollcall.mounts" $files | trim | nindent 12 }}
      volumes:
        - name: config
          configMap: {name: {{ include "rollcall.fullname" .root }}-{{ .name }}}
        {{- include "rollcall.volumes" $files | trim | nindent 8 }}
{{- /* Nobody calls notifier. */}}
{{- if ne .name "notifier" }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "rollcall.metadata" $ | nindent 2 }}
  {{- with dig "service" "annotations" dict $values }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ dig "service" "type" "ClusterIP" $values }}
  selector: {{- include "rollcall.selector" $ | nindent 4 }}
  ports:
    # Gateways and meshes cannot guess that it is HTTP/2 from the first byte.
    - name: grpc
      port: 7400
      targetPort: grpc
      appProtocol: {{ ternary "kubernetes.io/h2c" "https" (empty (include "rollcall.serverTls" .)) }}
    {{- range .own.ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, appProtocol: http}
    {{- end }}
{{- end }}
{{- end -}}

{{/* What must be said, and what does not go together. Each message names the value and the next step. */}}
{{- define "rollcall.validate" -}}
{{- with .Values }}
{{- if not .image.repository }}
  {{- fail "image.repository is empty: build the image (deploy/Dockerfile), push it where your cluster pulls from, and set its name, such as registry.example.com/rollcall" }}
{{- end }}
{{- if not .vault.existingSecret }}
  {{- fail (printf "vault.existingSecret is empty: it names the Secret with the keys that encrypt secrets at rest. Make one: kubectl create secret generic rollcall --from-literal=%s=\"key-1:$(openssl rand -base64 32)\", and keep a copy: without the keys the stored secrets are lost" .vault.key) }}
{{- end }}
{{- if not .database.existingSecret }}
  {{- if .database.bundled.enabled }}
    {{- fail (printf "database.existingSecret is empty: it names the Secret with the password of the bundled PostgreSQL. Make one: kubectl create secret generic rollcall --from-literal=%s=\"$(openssl rand -hex 24)\"" .database.passwordKey) }}
  {{- end }}
  {{- fail (printf "database.existingSecret is empty: it names the Secret whose key %s is PostgreSQL's URL, postgres://user:password@host:5432/rollcall. Make one with kubectl create secret generic, or set database.bundled.enabled=true for a small site" .database.urlKey) }}
{{- end }}
{{- if and .database.bundled.enabled .database.ca.existingSecret }}
  {{- fail "database.bundled.enabled and database.ca.existingSecret do not go together: the bundled PostgreSQL speaks no TLS. Remove database.ca.existingSecret, or use a PostgreSQL of your own" }}
{{- end }}
{{- if .nats.bundled.enabled }}
  {{- if or .nats.url .nats.credentials.existingSecret .nats.tls.existingSecret }}
    {{- fail "nats.bundled.enabled is true, so nats.url, nats.credentials and nats.tls are not used: remove them, or set nats.bundled.enabled=false" }}
  {{- end }}
  {{- if not .nats.existingSecret }}
    {{- fail (printf "nats.existingSecret is empty: it names the Secret with the password of the bundled NATS. Make one: kubectl create secret generic rollcall --from-literal=%s=\"$(openssl rand -hex 24)\"" .nats.passwordKey) }}
  {{- end }}
  {{- if gt (int .nats.streamReplicas) (int .nats.bundled.replicas) }}
    {{- fail (printf "nats.streamReplicas is %d, but nats.bundled.replicas is %d: a stream cannot have more copies than there are servers" (int .nats.streamReplicas) (int .nats.bundled.replicas)) }}
  {{- end }}
{{- else if not (or .nats.url .nats.existingSecret) }}
  {{- fail (printf "nats.url and nats.existingSecret are empty: set the URL of your NATS (nats://host:4222), or name the Secret whose key %s is a URL with user and password, or set nats.bundled.enabled=true" .nats.urlKey) }}
{{- else if not (regexMatch "^((nats|tls)://[^@/,\\s]+(,\\s*(nats|tls)://[^@/,\\s]+)*)?$" .nats.url) }}
  {{- fail (printf "nats.url is not of the form nats://host:port, several with commas. One with user and password belongs into a Secret: name that as nats.existingSecret, its key as nats.urlKey (%s)" .nats.urlKey) }}
{{- else if and .nats.url .nats.existingSecret }}
  {{- fail "nats.url and nats.existingSecret are both set: the Secret's URL would win, so remove one of them" }}
{{- end }}
{{- range $name := list "database" "nats" }}
  {{- if and (index $.Values $name).bundled.enabled (eq "0" (include "rollcall.user" $)) }}
    {{- fail (printf "%s.bundled.enabled and scheduling.user=0 do not go together: the bundled server runs as its image's own user, which a cluster that chooses users refuses. Use a server of your own, or set scheduling.user=65532" $name) }}
  {{- end }}
{{- end }}
{{- $managed := dict
      "process.grace_seconds" "shutdown.graceSeconds" "process.address_file" "" "process.clock_ahead_file" "" "metrics.listen" "listen"
      "grpc.listen" "listen" "grpc.tls" "tls.existingSecret, or api.tls.existingSecret"
      "database.url" "database.existingSecret" "database.migrate" "migration.enabled"
      "nats.url" "nats.url or nats.existingSecret" "nats.credentials" "nats.credentials.existingSecret"
      "nats.tls" "nats.tls.existingSecret" "nats.replicas" "nats.streamReplicas"
      "vault.keys" "vault.existingSecret" "vault.keys_file" "vault.existingSecret"
      "bootstrap.token" "bootstrap.existingSecret" "console.listen" "listen" "console.https" "console.url" "console.url" "console.url"
      "fetcher.url" "" "fetcher.tls" "tls.existingSecret" "reconciler.url" "" "reconciler.tls" "tls.existingSecret"
      "smtp.host" "smtp.host" "smtp.port" "smtp.port" "smtp.tls" "smtp.tls" "smtp.from" "smtp.from"
      "smtp.user" "smtp.existingSecret" "smtp.password" "smtp.existingSecret" "smtp.ca_file" "smtp.ca.existingSecret" }}
{{- range $name := list "api" "fetcher" "reconciler" "notifier" }}
  {{- range $key, $instead := $managed }}
    {{- $parts := splitList "." $key }}
    {{- if hasKey (get (index $.Values $name).config (first $parts) | default dict) (last $parts) }}
      {{- fail (printf "%s.config.%s is the chart's to write: remove it%s" $name $key (empty $instead | ternary "" (print ", and set " $instead))) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $name := list "fetcher" "reconciler" }}
  {{- with (index $.Values $name).autoscaling }}
    {{- if gt (int .minReplicas) (int .maxReplicas) }}
      {{- fail (printf "%s.autoscaling.minReplicas is %d, more than %s.autoscaling.maxReplicas, which is %d: lower the one or raise the other" $name (int .minReplicas) $name (int .maxReplicas)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if and (include "rollcall.hasKeda" $) (not (include "rollcall.natsMonitoring" $)) }}
  {{- fail "keda.enabled is true, but keda.natsMonitoringEndpoint is empty: set host:port of your NATS servers' monitoring (usually port 8222), or set keda.enabled=false" }}
{{- end }}
{{- if and .ingress.enabled .ingress.grpc.host .api.tls.existingSecret (eq "GRPC" (get .ingress.grpc.annotations "nginx.ingress.kubernetes.io/backend-protocol")) }}
  {{- fail "ingress.grpc.annotations has the backend-protocol GRPC, but api.tls.existingSecret makes api speak TLS: set nginx.ingress.kubernetes.io/backend-protocol to GRPCS" }}
{{- end }}
{{- if and .gateway.enabled .api.tls.existingSecret }}
  {{- fail "gateway.enabled and api.tls.existingSecret do not go together: the Gateway ends TLS and speaks to api in clear inside the cluster. Remove api.tls.existingSecret, or set gateway.enabled=false" }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A value as the text of an environment variable. Whole numbers must not turn into 1e+06. */}}
{{- define "imagecache-operator.text" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "float64" . -}}
{{- eq (floor .) . | ternary (int64 . | toString) (toString .) -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end }}

{{/* The settings as the data of a ConfigMap: cceEndpoint is IMAGECACHE_CCE_ENDPOINT; what is not set is left out. */}}
{{- define "imagecache-operator.settings" -}}
{{- $data := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- if eq $name "cceEndpointByRegion" -}}
{{- range $region, $endpoint := $value -}}
{{- $_ := set $data (printf "HUAWEICLOUD_SDK_REGION_CCE_%s" ($region | upper | replace "-" "_")) $endpoint -}}
{{- end -}}
{{- else if not (or (kindIs "invalid" $value) (has $value (list "" list))) -}}
{{- $_ := set $data (printf "IMAGECACHE_%s" (snakecase $name | upper)) (include "imagecache-operator.text" $value) -}}
{{- end -}}
{{- end -}}
{{- if .Values.namespaces -}}
{{- $_ := set $data "IMAGECACHE_NAMESPACES" (join "," .Values.namespaces) -}}
{{- end -}}
{{- if not .Values.leaderElection -}}
{{- $_ := set $data "IMAGECACHE_LEADER_ELECTION" "false" -}}
{{- end -}}
{{- if .Values.namespacedCredentials -}}
{{- $_ := set $data "IMAGECACHE_NAMESPACED_CREDENTIALS" "true" -}}
{{- end -}}
{{- if not .Values.metrics.enabled -}}
{{- $_ := set $data "IMAGECACHE_METRICS_ADDR" "off" -}}
{{- else if ne (int .Values.metrics.port) 8080 -}}
{{- $_ := set $data "IMAGECACHE_METRICS_ADDR" (printf ":%d" (int .Values.metrics.port)) -}}
{{- end -}}
{{- if ne (int .Values.health.port) 8081 -}}
{{- $_ := set $data "IMAGECACHE_HEALTH_ADDR" (printf ":%d" (int .Values.health.port)) -}}
{{- end -}}
{{- with .Values.credentials -}}
{{- if eq .source "podIdentity" -}}
{{- $_ := set $data "IMAGECACHE_AUTH" "pod-identity" -}}
{{- else if eq .source "oidc" -}}
{{- $_ := set $data "IMAGECACHE_AUTH" "oidc" -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_PROVIDER_URN" .oidc.providerURN -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_AGENCY_URN" .oidc.agencyURN -}}
{{- with .oidc.durationSeconds -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_DURATION_SECONDS" (include "imagecache-operator.text" .) -}}
{{- end -}}
{{- with .oidc.sessionName -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_SESSION_NAME" . -}}
{{- end -}}
{{- with .oidc.policy -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_POLICY" . -}}
{{- end -}}
{{- with .oidc.policyIDs -}}
{{- $_ := set $data "HUAWEICLOUD_OIDC_POLICY_IDS" (join "," .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $data -}}
{{- end }}

{{/* What the schema cannot say, because it concerns several values. */}}
{{- define "imagecache-operator.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection) -}}
{{- fail "replicas: more than one needs leaderElection: true, else each of them asks the cloud for the same things" -}}
{{- end -}}
{{- $source := .Values.credentials.source -}}
{{- if and (eq $source "none") (not .Values.namespacedCredentials) -}}
{{- fail "credentials.source: none needs namespacedCredentials: true, else no object has credentials" -}}
{{- end -}}
{{- if and .Values.settings.auth (ne $source "secret") -}}
{{- fail (printf "settings.auth is for credentials.source: secret; with %s leave it out" $source) -}}
{{- end -}}
{{- $endpoints := pick .Values.settings "cceEndpoint" "iamEndpoint" "stsEndpoint" -}}
{{- range $name, $endpoint := merge $endpoints .Values.settings.cceEndpointByRegion -}}
{{- if and (hasPrefix "http://" $endpoint) (not $.Values.settings.allowHTTP) -}}
{{- if not (regexMatch "^http://(localhost|127\\.[0-9.]+|\\[::1\\])(:|/|$)" $endpoint) -}}
{{- $why := "http shows the credentials to everybody on the way; take https, or set settings.allowHTTP" -}}
{{- fail (printf "settings: %s is %s: %s" $name $endpoint $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq $source "oidc" -}}
{{- if not (and .Values.credentials.oidc.providerURN .Values.credentials.oidc.agencyURN) -}}
{{- fail "credentials.source: oidc needs credentials.oidc.providerURN and credentials.oidc.agencyURN" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (and .Values.metrics.enabled .Values.metrics.service.enabled)) -}}
{{- fail "serviceMonitor.enabled needs metrics.enabled and metrics.service.enabled" -}}
{{- end -}}
{{- if and .Values.metrics.enabled (eq (int .Values.metrics.port) (int .Values.health.port)) -}}
{{- fail "metrics.port and health.port must differ" -}}
{{- end -}}
{{- end }}

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
{{- $own := false -}}
{{- range .Values.extraEnv -}}
{{- $own = or $own (has .name (list "HUAWEICLOUD_SDK_AK" "IMAGECACHE_USERNAME" "IMAGECACHE_CREDENTIALS_DIR")) -}}
{{- end -}}
{{- if and (eq $source "none") (not .Values.namespacedCredentials) (not $own) -}}
{{- $else := "or credentials in extraEnv, else no object has any" -}}
{{- fail (printf "credentials.source: none needs namespacedCredentials: true, %s" $else) -}}
{{- end -}}
{{- if and .Values.settings.auth (ne $source "secret") -}}
{{- fail (printf "settings.auth is for credentials.source: secret; with %s leave it out" $source) -}}
{{- end -}}
{{- $endpoints := pick .Values.settings "cceEndpoint" "iamEndpoint" "stsEndpoint" -}}
{{- range $name, $endpoint := merge $endpoints (default dict .Values.settings.cceEndpointByRegion) -}}
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
{{- if and .Values.uninstall.release (not .Values.uninstall.guard) -}}
{{- fail "uninstall.release needs uninstall.guard: true; it is the same job that lets go of the objects" -}}
{{- end -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create: false needs serviceAccount.name, the account that is there" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (and .Values.metrics.enabled .Values.metrics.service.enabled)) -}}
{{- fail "serviceMonitor.enabled needs metrics.enabled and metrics.service.enabled" -}}
{{- end -}}
{{- if and .Values.metrics.enabled (eq (int .Values.metrics.port) (int .Values.health.port)) -}}
{{- fail "metrics.port and health.port must differ" -}}
{{- end -}}
{{- include "imagecache-operator.checkExtras" . -}}
{{- end }}

{{/* What users add must not be what the chart has already. */}}
{{- define "imagecache-operator.checkExtras" -}}
{{- $source := .Values.credentials.source -}}
{{- $taken := dict
  "IMAGECACHE_NAMESPACES" "namespaces"
  "IMAGECACHE_NAMESPACED_CREDENTIALS" "namespacedCredentials"
  "IMAGECACHE_LEADER_ELECTION" "leaderElection"
  "IMAGECACHE_LEASE_NAME" "settings.leaseName"
  "IMAGECACHE_METRICS_ADDR" "metrics"
  "IMAGECACHE_HEALTH_ADDR" "health.port" -}}
{{- if eq $source "secret" -}}
{{- $_ := set $taken "IMAGECACHE_CREDENTIALS_DIR" "credentials" -}}
{{- else if eq $source "oidc" -}}
{{- $_ := set $taken "HUAWEICLOUD_OIDC_TOKEN_FILE" "credentials.oidc" -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- with get $taken .name -}}
{{- fail (printf "extraEnv: set the value %s instead; the rest of the chart has to follow it" .) -}}
{{- end -}}
{{- end -}}
{{- $volume := get (dict "secret" "credentials" "oidc" "token") $source -}}
{{- range .Values.extraVolumes -}}
{{- if eq .name $volume -}}
{{- fail (printf "extraVolumes: the chart has a volume %s already; give yours another name" .name) -}}
{{- end -}}
{{- end -}}
{{- $ours := list "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version"
  "app.kubernetes.io/managed-by" -}}
{{- range $where, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels
  "serviceMonitor.labels" .Values.serviceMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels
  "dashboard.labels" .Values.dashboard.labels -}}
{{- range $name, $_ := $labels -}}
{{- if has $name $ours -}}
{{- fail (printf "%s: the chart sets %s itself; leave it out" $where $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

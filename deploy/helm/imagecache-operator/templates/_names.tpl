{{- define "imagecache-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "imagecache-operator.fullname" -}}
{{- $name := include "imagecache-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "imagecache-operator.serviceAccountName" -}}
{{- default (include "imagecache-operator.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{/* Of the job that guards the uninstall, its account and its roles. */}}
{{- define "imagecache-operator.guardName" -}}
{{- printf "%s-uninstall" (include "imagecache-operator.fullname" .) -}}
{{- end }}

{{- define "imagecache-operator.leaseName" -}}
{{- default "imagecache-operator" .Values.settings.leaseName -}}
{{- end }}

{{- define "imagecache-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "imagecache-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "imagecache-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imagecache-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "imagecache-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The annotations of what helm makes for the uninstall; call with its place in the order. */}}
{{- define "imagecache-operator.guardHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

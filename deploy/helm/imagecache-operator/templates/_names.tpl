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

{{/* How the pods of guard and doctor are labelled. */}}
{{- define "imagecache-operator.guardPodName" -}}
{{- printf "%s-uninstall" (include "imagecache-operator.name" . | trunc 53 | trimSuffix "-") -}}
{{- end }}

{{- define "imagecache-operator.doctorName" -}}
{{- printf "%s-doctor" (include "imagecache-operator.name" . | trunc 53 | trimSuffix "-") -}}
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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The same and more; call with (list $ MORE). */}}
{{- define "imagecache-operator.labelsAnd" -}}
{{- merge (dict) (index . 1 | default dict) (include "imagecache-operator.labels" (index . 0) | fromYaml) | toYaml -}}
{{- end }}

{{/* Labels of a pod; call with (list $ NAME). Another name than the operator's keeps Service, budget and policies from
     taking the pod for one of its. */}}
{{- define "imagecache-operator.podLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ $.Release.Name }}
{{- with merge (dict) (default dict $.Values.podLabels) (default dict $.Values.commonLabels) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The annotations of what helm makes for the uninstall; call with its place in the order. */}}
{{- define "imagecache-operator.guardHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

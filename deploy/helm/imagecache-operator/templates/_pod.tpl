{{/* Where pods go. */}}
{{- define "imagecache-operator.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* Of guard and doctor: on the same kind of nodes, but held up by no other pod. */}}
{{- define "imagecache-operator.nodeAffinity" -}}
{{- with pick (default dict .Values.affinity) "nodeAffinity" }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Several replicas must not go down with one node or zone, where there are others. */}}
{{- define "imagecache-operator.spread" -}}
{{- if kindIs "slice" .Values.topologySpreadConstraints }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- else if gt (int .Values.replicas) 1 }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "imagecache-operator.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings and credentials, as the operator gets them: environment, and the two halves of a volume. */}}
{{- define "imagecache-operator.environment" -}}
envFrom:
- configMapRef:
    name: {{ include "imagecache-operator.fullname" . }}
{{- $source := .Values.credentials.source }}
{{- if or (has $source (list "secret" "oidc")) .Values.extraEnv }}
env:
{{- if eq $source "secret" }}
- name: IMAGECACHE_CREDENTIALS_DIR
  value: /etc/imagecache/credentials
{{- else if eq $source "oidc" }}
- name: HUAWEICLOUD_OIDC_TOKEN_FILE
  value: /var/run/secrets/huaweicloud/token
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imagecache-operator.volumeMounts" -}}
{{- $source := .Values.credentials.source }}
{{- if or (has $source (list "secret" "oidc")) .Values.extraVolumeMounts }}
volumeMounts:
{{- if eq $source "secret" }}
- name: credentials
  mountPath: /etc/imagecache/credentials
  readOnly: true
{{- else if eq $source "oidc" }}
- name: token
  mountPath: /var/run/secrets/huaweicloud
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imagecache-operator.volumes" -}}
{{- $source := .Values.credentials.source }}
{{- if or (has $source (list "secret" "oidc")) .Values.extraVolumes }}
volumes:
{{- if eq $source "secret" }}
- name: credentials
  secret:
    secretName: {{ .Values.credentials.existingSecret }}
    # Optional, so that the operator starts without it and says what is missing.
    optional: true
    defaultMode: 0440
{{- else if eq $source "oidc" }}
- name: token
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken:
        path: token
        audience: {{ .Values.credentials.oidc.audience | quote }}
        expirationSeconds: {{ .Values.credentials.oidc.tokenExpirationSeconds }}
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

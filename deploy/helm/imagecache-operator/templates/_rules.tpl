{{/* The same rules as in deploy/kustomize/base/role.yaml; a test compares them. */}}

{{/* About objects: in a ClusterRole, or in a Role of each namespace that is served. */}}
{{- define "imagecache-operator.objectRules" -}}
- apiGroups: [cce.huaweicloud.com]
  resources: [imagecaches]
  # patch: our finalizer, on and off; spec is never written.
  verbs: [get, list, watch, patch]
- apiGroups: [cce.huaweicloud.com]
  resources: [imagecaches/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* About what belongs to no namespace. */}}
{{- define "imagecache-operator.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  # Is the definition being deleted, or gone? Then its objects are, too, and no cache may follow them.
  resourceNames: [imagecaches.cce.huaweicloud.com]
  verbs: [get]
{{- end }}

{{/* Kubernetes cannot limit a permission to one type of Secrets; the operator asks for those of the type
     cce.huaweicloud.com/credentials alone. */}}
{{- define "imagecache-operator.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list]
{{- end }}

{{/* About the operator's own namespace. */}}
{{- define "imagecache-operator.ownRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  # What was left in the cloud on purpose is listed there.
  resourceNames: [imagecache-retained]
  verbs: [get, patch]
{{- if .Values.leaderElection }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  # Kubernetes cannot limit creation to a name.
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  # Which of several replicas acts.
  resourceNames: [{{ include "imagecache-operator.leaseName" . }}]
  verbs: [get, watch, update]
{{- end }}
{{- end }}

{{/* What the uninstall guard may do with objects. */}}
{{- define "imagecache-operator.guardObjectRules" -}}
- apiGroups: [cce.huaweicloud.com]
  resources: [imagecaches]
  verbs: [{{ .Values.uninstall.release | ternary "get, list, patch" "list" }}]
{{- end }}

{{/* A binding's end: call with (list KIND-OF-ROLE NAME-OF-ROLE ACCOUNT NAMESPACE-OF-ACCOUNT). */}}
{{- define "imagecache-operator.roleOf" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 0 }}
  name: {{ index . 1 }}
subjects:
- kind: ServiceAccount
  name: {{ index . 2 }}
  namespace: {{ index . 3 }}
{{- end }}

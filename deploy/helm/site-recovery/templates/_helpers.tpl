{{- define "site-recovery.labels" -}}
app.kubernetes.io/name: site-recovery
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The controllers of this release: a list of {name, values}. */}}
{{- define "site-recovery.controllers" -}}
{{- $found := list }}
{{- if .Values.failoverController.enabled }}
{{- $found = append $found (dict "name" "failover-controller" "values" .Values.failoverController) }}
{{- end }}
{{- if .Values.protectionGroupController.enabled }}
{{- $found = append $found (dict "name" "protection-group-controller" "values" .Values.protectionGroupController) }}
{{- end }}
{{- $found | toJson }}
{{- end }}

{{/* An environment variable that a controller reads as a flag of the same name. */}}
{{- define "site-recovery.env" -}}
- name: SITERECOVERY_{{ index . 0 }}
  value: {{ index . 1 | toString | quote }}
{{- end }}

{{/* A ClusterRoleBinding of one of our roles to an account of this release: root, role, account. */}}
{{- define "site-recovery.binding" -}}
{{- $root := index . 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ printf "%s-%s" (index . 2) (index . 1) | trunc 63 | trimSuffix "-" }}
  labels:
    {{- include "site-recovery.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ index . 1 }}
subjects:
  - kind: ServiceAccount
    name: {{ index . 2 }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}

{{/* What the failover controller does on a cluster in which virtual machines run. */}}
{{- define "site-recovery.rules.failover-workload" -}}
- apiGroups: [siterecovery.trilio.io]
  resources: [protectiongroups]
  verbs: [get, list, patch]
- apiGroups: [siterecovery.trilio.io]
  resources: [protectiongroups/status]
  verbs: [patch]
- apiGroups: [siterecovery.trilio.io]
  resources: [drbdvolumes]
  verbs: [list, create, patch, delete]
- apiGroups: [kubevirt.io]
  resources: [virtualmachines]
  verbs: [get, list, create, patch, delete]
- apiGroups: [kubevirt.io]
  resources: [virtualmachineinstances]
  verbs: [get, list]
# A virtual machine at runStrategy Manual that was taken under replication is started again.
- apiGroups: [subresources.kubevirt.io]
  resources: [virtualmachines/start]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# A test failover starts copies of the virtual machines on copies of their volumes, and removes them afterwards; a virtual machine that is taken under
# replication gets frontend claims.
- apiGroups: [""]
  resources: [persistentvolumeclaims, persistentvolumes]
  verbs: [get, list, create, delete]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, patch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update, delete]
# What becomes of the debts of a group is told where the group is.
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- end }}

{{/* What a group controller does on the other cluster: it keeps stopped copies there. Secrets and ConfigMaps have a role of their own. */}}
{{- define "site-recovery.rules.mirror" -}}
- apiGroups: [siterecovery.trilio.io]
  resources: [protectiongroups]
  verbs: [get, list, watch, create, patch]
- apiGroups: [siterecovery.trilio.io]
  resources: [protectiongroups/status]
  verbs: [patch]
- apiGroups: [siterecovery.trilio.io]
  resources: [drbdvolumes]
  verbs: [list]
- apiGroups: [kubevirt.io]
  resources: [virtualmachines]
  verbs: [get, list, create, update]
- apiGroups: [kubevirt.io]
  resources: [virtualmachineinstances]
  verbs: [get]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, create, update]
- apiGroups: [""]
  resources: [persistentvolumes, persistentvolumeclaims]
  verbs: [get, list, create, update]
{{- end }}

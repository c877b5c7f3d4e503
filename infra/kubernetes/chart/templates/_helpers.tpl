{{/* The release's name, with the chart's unless it has that already. */}}
{{- define "image-origin.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "image-origin.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "image-origin.labels" -}}
{{ include "image-origin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "image-origin.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "image-origin.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Secret that the pods read, or nothing. */}}
{{- define "image-origin.secret" -}}
{{- if and .Values.secret.existing .Values.secret.values -}}
{{- fail "secret.existing and secret.values are two ways to say the same; choose one" -}}
{{- end -}}
{{- if .Values.secret.existing -}}
{{- .Values.secret.existing -}}
{{- else if .Values.secret.values -}}
{{- include "image-origin.name" . -}}
{{- end -}}
{{- end -}}

{{/* Fails where pods would be killed for memory: the limit in megabytes against what the settings allow. */}}
{{- define "image-origin.memory" -}}
{{- $limit := (.Values.resources.limits).memory | default "" | toString -}}
{{- $megabytes := 0 -}}
{{- if hasSuffix "Mi" $limit -}}{{- $megabytes = trimSuffix "Mi" $limit | int -}}
{{- else if hasSuffix "Gi" $limit -}}{{- $megabytes = mulf (trimSuffix "Gi" $limit | float64) 1024 | int -}}
{{- else if hasSuffix "M" $limit -}}{{- $megabytes = trimSuffix "M" $limit | int -}}
{{- else if hasSuffix "G" $limit -}}{{- $megabytes = mulf (trimSuffix "G" $limit | float64) 1000 | int -}}
{{- end -}}
{{- $memory := .Values.memory -}}
{{- $needed := add (mul (int .Values.workers) (trimSuffix "M" $memory.request | int)) (trimSuffix "M" $memory.download | int) (trimSuffix "M" $memory.cache | int) 50 -}}
{{- if and (gt $megabytes 0) (gt $needed (int64 $megabytes)) -}}
{{- fail (printf "resources.limits.memory is %s, and %d workers with %s each, %s of downloads, %s of cache and the program take %d MB" $limit (int .Values.workers) $memory.request $memory.download $memory.cache (int $needed)) -}}
{{- end -}}
{{- end -}}

#!/usr/bin/env bash
# The service on Cloud Run, on CPUs. One instance: jobs live in a database on it. Read
# docs/deployment.md first: what is there when the instance goes is lost.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

access=--no-allow-unauthenticated
[[ $RUN_PUBLIC == true ]] && access=--allow-unauthenticated

# CPU always allocated, because jobs run between requests, and no second instance, because it
# would have another database. /data is memory: with a size, a full disk is an answer (507)
# and not the end of the instance.
g run deploy "$NAME" --region "$REGION" --image "$(service_image cpu)" \
    --service-account "$account" "$access" \
    --execution-environment gen2 --port 3000 --timeout 3600 --concurrency 80 \
    --min-instances 1 --max-instances 1 --no-cpu-throttling --cpu-boost \
    --cpu "$RUN_CPU" --memory "$RUN_MEMORY" \
    --add-volume "name=data,type=in-memory,size-limit=$RUN_DATA" \
    --add-volume-mount volume=data,mount-path=/data \
    --set-secrets "/secrets/tokens=$secret:latest" \
    --set-env-vars "BYSTANDER_STORAGE=$storage,BYSTANDER_TOKENS_FILE=/secrets/tokens" \
    --startup-probe "httpGet.path=/readyz,httpGet.port=3000,periodSeconds=10,failureThreshold=24,timeoutSeconds=8" \
    --liveness-probe "httpGet.path=/livez,httpGet.port=3000,periodSeconds=30,failureThreshold=4,timeoutSeconds=8"
g run services describe "$NAME" --region "$REGION" --format 'value(status.url)'

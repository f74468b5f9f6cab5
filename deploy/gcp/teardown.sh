#!/usr/bin/env bash
# Takes everything down. Disk, bucket, token and images stay unless --data is given.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

data=false
[[ ${1:-} == --data ]] && data=true

say "this deletes the machine, network and Cloud Run service $NAME of $PROJECT"
[[ $data == true ]] && say "... and its disk, bucket gs://$BUCKET, token and images"
read -r -p "Type $NAME to go on: " answer || true
[[ $answer == "$NAME" ]] || fail "nothing was deleted"

# What is gone already is no error; what can't be deleted is.
drop() { # describe..., --, delete...
    local look=()
    while [[ $1 != -- ]]; do
        look+=("$1")
        shift
    done
    shift
    if exists "${look[@]}"; then g "$@"; fi
}

drop run services describe "$NAME" --region "$REGION" -- \
    run services delete "$NAME" --region "$REGION"
drop compute instances describe "$NAME" --zone "$ZONE" -- \
    compute instances delete "$NAME" --zone "$ZONE"
drop compute firewall-rules describe "$NAME-ssh-from-iap" -- \
    compute firewall-rules delete "$NAME-ssh-from-iap"
drop compute networks subnets describe "$NAME" --region "$REGION" -- \
    compute networks subnets delete "$NAME" --region "$REGION"
drop compute networks describe "$NAME" -- compute networks delete "$NAME"
if [[ $data == true ]]; then
    drop compute disks describe "$NAME-data" --zone "$ZONE" -- \
        compute disks delete "$NAME-data" --zone "$ZONE"
    drop storage buckets describe "gs://$BUCKET" -- storage rm --recursive "gs://$BUCKET"
    drop secrets describe "$secret" -- secrets delete "$secret"
    drop artifacts repositories describe "$NAME" --location "$REGION" -- \
        artifacts repositories delete "$NAME" --location "$REGION"
    drop iam service-accounts describe "$account" -- iam service-accounts delete "$account"
fi
say "done"

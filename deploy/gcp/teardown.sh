#!/usr/bin/env bash
# Takes everything down. Disk, bucket, token and images stay unless --data is given.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

data=false
[[ ${1:-} == --data ]] && data=true

say "this deletes the machine, cluster, network and Cloud Run service $NAME of $PROJECT"
[[ $data == true ]] && say "... and its disks, database, bucket gs://$BUCKET, token and images"
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
drop container clusters describe "$NAME" --location "$ZONE" -- \
    container clusters delete "$NAME" --location "$ZONE"
drop dns managed-zones describe "$NAME-googleapis" -- \
    dns record-sets delete '*.googleapis.com.' --zone "$NAME-googleapis" --type A
drop dns managed-zones describe "$NAME-googleapis" -- \
    dns managed-zones delete "$NAME-googleapis"
drop compute firewall-rules describe "$NAME-ssh-from-iap" -- \
    compute firewall-rules delete "$NAME-ssh-from-iap"
# A database, and a Filestore with photos, keep their network.
if [[ $data == true ]]; then
    drop sql instances describe "$NAME" -- sql instances delete "$NAME"
    g filestore instances list --filter "networks.network:$NAME" --format 'value(name,zone)' |
        while read -r instance zone; do
            g filestore instances delete "$instance" --location "$zone"
        done
fi
if ! exists sql instances describe "$NAME"; then
    drop compute addresses describe "$NAME-services" --global -- \
        services vpc-peerings delete --service servicenetworking.googleapis.com \
        --network "$NAME"
    drop compute addresses describe "$NAME-services" --global -- \
        compute addresses delete "$NAME-services" --global
    drop compute networks subnets describe "$NAME" --region "$REGION" -- \
        compute networks subnets delete "$NAME" --region "$REGION"
    drop compute networks describe "$NAME" -- compute networks delete "$NAME"
fi
if [[ $data == true ]]; then
    drop compute disks describe "$NAME-data" --zone "$ZONE" -- \
        compute disks delete "$NAME-data" --zone "$ZONE"
    drop storage buckets describe "gs://$BUCKET" -- storage rm --recursive "gs://$BUCKET"
    drop secrets describe "$secret" -- secrets delete "$secret"
    drop secrets describe "$database" -- secrets delete "$database"
    drop artifacts repositories describe "$NAME" --location "$REGION" -- \
        artifacts repositories delete "$NAME" --location "$REGION"
    drop artifacts repositories describe "$NAME-quay" --location "$REGION" -- \
        artifacts repositories delete "$NAME-quay" --location "$REGION"
    for one in "$account" "$nodes"; do
        drop iam service-accounts describe "$one" -- iam service-accounts delete "$one"
    done
fi
say "done"

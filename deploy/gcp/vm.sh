#!/usr/bin/env bash
# A virtual machine with the service, reachable through IAP only. Run again with another TAG,
# it updates the one that is there; with an earlier TAG it goes back.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

network="$NAME"
disk="$NAME-data"

say "network without a way in but SSH through IAP, and no way out but to Google's own services"
make_network
exists compute firewall-rules describe "$NAME-ssh-from-iap" ||
    g compute firewall-rules create "$NAME-ssh-from-iap" --network "$network" \
        --direction INGRESS --allow tcp:22 --source-ranges 35.235.240.0/20 --target-tags "$NAME"

say "disk $disk"
exists compute disks describe "$disk" --zone "$ZONE" ||
    g compute disks create "$disk" --zone "$ZONE" --type pd-balanced --size "${DATA_GB}GB"

[[ $APP_IMAGE == true ]] || app_image=""
metadata="enable-oslogin=TRUE,google-logging-enabled=true"
metadata+=",bystander-image=$(service_image "$VARIANT"),bystander-variant=$VARIANT"
metadata+=",bystander-app-image=$app_image"
metadata+=",bystander-storage=$storage,bystander-secret=$secret"
metadata+=",bystander-idle-minutes=$IDLE_MINUTES"
files="startup-script=$here/vm-startup.sh,bystander-idle=$here/vm-idle.sh"

if exists compute instances describe "$NAME" --zone "$ZONE"; then
    say "updating $NAME: running jobs go on from their last checkpoint"
    g compute instances add-metadata "$NAME" --zone "$ZONE" \
        --metadata "$metadata" --metadata-from-file "$files"
    g compute instances stop "$NAME" --zone "$ZONE"
    g compute instances start "$NAME" --zone "$ZONE"
else
    say "machine $NAME"
    gpu=()
    [[ -n ${GPU:-} ]] && gpu=(--accelerator "type=$GPU,count=1")
    g compute instances create "$NAME" --zone "$ZONE" --machine-type "$MACHINE" "${gpu[@]}" \
        --maintenance-policy TERMINATE --restart-on-failure \
        --image-project cos-cloud --image-family cos-stable --boot-disk-size 50GB \
        --disk "name=$disk,device-name=data,mode=rw,boot=no,auto-delete=no" \
        --network "$network" --subnet "$network" --no-address --tags "$NAME" \
        --service-account "$account" --scopes cloud-platform \
        --shielded-vtpm --shielded-integrity-monitoring \
        --metadata "$metadata" --metadata-from-file "$files"
fi

cat >&2 <<TEXT
== started; pulling the images takes a few minutes. Then, on your machine:
gcloud compute ssh $NAME --project $PROJECT --zone $ZONE --tunnel-through-iap -- \\
    -N -L 3000:127.0.0.1:3000 -L 8501:127.0.0.1:8501
curl http://127.0.0.1:3000/readyz
TEXT

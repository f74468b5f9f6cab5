#!/bin/bash
# Runs as root at every start of the virtual machine (Container-Optimized OS): driver, disk,
# token, containers. What differs from machine to machine comes from the instance's metadata.
set -euo pipefail

metadata=http://metadata.google.internal/computeMetadata/v1
ask() { curl -fsS -H 'Metadata-Flavor: Google' "$metadata/$1"; }
attribute() { ask "instance/attributes/bystander-$1" 2> /dev/null || true; }

image="$(attribute image)"
app_image="$(attribute app-image)"
data=/mnt/disks/data
state=/var/lib/bystander # the root of this system is read-only
secrets="$state/secrets"
user=10001               # of the images
mkdir -p "$state" "$data"
install -d -m 0700 "$secrets"

if ! blkid /dev/disk/by-id/google-data > /dev/null; then
    mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0 /dev/disk/by-id/google-data
fi
mountpoint -q "$data" ||
    mount -o discard,defaults,nosuid,nodev,noexec /dev/disk/by-id/google-data "$data"
install -d -o "$user" -g "$user" -m 0700 "$data/bystander"

token="$(ask instance/service-accounts/default/token | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')"
project="$(ask project/project-id)"
(
    umask 377
    rm -f "$secrets/tokens"
    # The header by a file: arguments can be read by every process.
    curl -fsS -H @- "https://secretmanager.googleapis.com/v1/projects/$project/secrets/$(attribute secret)/versions/latest:access" <<< "Authorization: Bearer $token" |
        sed -n 's/.*"data": *"\([^"]*\)".*/\1/p' | base64 -d > "$secrets/tokens"
)
test -s "$secrets/tokens"
chown "$user" "$secrets/tokens"

gpu=()
if [[ $(attribute variant) == gpu ]]; then
    cos-extensions install gpu
    mount --bind /var/lib/nvidia /var/lib/nvidia # the driver's files may be executed:
    mount -o remount,exec /var/lib/nvidia
    /var/lib/nvidia/bin/nvidia-smi > /dev/null # makes the devices
    gpu=(--volume /var/lib/nvidia/lib64:/usr/local/nvidia/lib64:ro)
    for device in /dev/nvidia0 /dev/nvidiactl /dev/nvidia-uvm; do gpu+=(--device "$device"); done
fi

export HOME="$state"
docker-credential-gcr configure-docker --registries "${image%%/*}"
docker network inspect bystander > /dev/null 2>&1 || docker network create bystander

start() { # name, image and options of `docker run`
    local name="$1"
    shift
    docker rm --force --time 60 "$name" > /dev/null 2>&1 || true
    docker run --detach --name "$name" --network bystander --restart unless-stopped \
        --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0 \
        --volume "$secrets/tokens:/run/secrets/tokens:ro" \
        --env BYSTANDER_TOKENS_FILE=/run/secrets/tokens "$@"
}

docker pull "$image"
start service --publish 127.0.0.1:3000:3000 --stop-timeout 60 --pids-limit 4096 \
    --tmpfs /tmp:size=1g,mode=1777 --volume "$data/bystander:/data" \
    --env "BYSTANDER_STORAGE=$(attribute storage)" "${gpu[@]}" "$image"
if [[ -n $app_image ]]; then
    docker pull "$app_image"
    start app --publish 127.0.0.1:8501:8501 --stop-timeout 10 --pids-limit 512 \
        --memory 1g --tmpfs /tmp:size=256m,mode=1777 \
        --env BYSTANDER_URL=http://service:3000 "$app_image"
fi
docker image prune --all --force > /dev/null

systemctl stop bystander-idle 2> /dev/null || true
if [[ $(attribute idle-minutes) -gt 0 ]]; then
    attribute idle > "$state/idle.sh"
    systemd-run --unit bystander-idle --collect \
        bash "$state/idle.sh" "$(attribute idle-minutes)"
fi

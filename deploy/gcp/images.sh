#!/usr/bin/env bash
# Builds the images in Cloud Build and pushes them under TAG. A tag that exists is kept.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

build() { # Dockerfile, variant, image
    if exists artifacts docker images describe "$3"; then
        say "$3 is there already; a change needs another TAG"
        return
    fi
    say "building $3"
    g builds submit "$repository" --region "$REGION" --config "$here/cloudbuild.yaml" \
        --ignore-file deploy/gcp/gcloudignore \
        --substitutions "_DOCKERFILE=deploy/docker/$1,_VARIANT=$2,_VERSION=$TAG,_IMAGE=$3"
}

variants=(cpu)
[[ $VARIANT == gpu ]] && variants+=(gpu)
for variant in "${variants[@]}"; do
    build service.Dockerfile "$variant" "$(service_image "$variant")"
done
if [[ $APP_IMAGE == true ]]; then
    build frontend.Dockerfile cpu "$app_image"
fi

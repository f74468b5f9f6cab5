#!/usr/bin/env bash
# What both ways need, once: registry, bucket, service account, secret. May be run again.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

say "services of Google Cloud"
g services enable artifactregistry.googleapis.com cloudbuild.googleapis.com \
    compute.googleapis.com iam.googleapis.com iamcredentials.googleapis.com iap.googleapis.com \
    logging.googleapis.com run.googleapis.com secretmanager.googleapis.com storage.googleapis.com

say "registry $registry"
exists artifacts repositories describe "$NAME" --location "$REGION" ||
    g artifacts repositories create "$NAME" --location "$REGION" --repository-format docker \
        --description "Images of Bystander"

say "bucket gs://$BUCKET"
exists storage buckets describe "gs://$BUCKET" ||
    g storage buckets create "gs://$BUCKET" --location "$REGION" \
        --uniform-bucket-level-access --public-access-prevention
# Without soft delete: by default Google keeps a week of what was deleted, and deleted is deleted.
g storage buckets update "gs://$BUCKET" --lifecycle-file "$here/lifecycle.json" \
    --uniform-bucket-level-access --public-access-prevention --no-versioning \
    --soft-delete-duration 0

say "service account $account"
exists iam service-accounts describe "$account" ||
    g iam service-accounts create "$NAME" --display-name "Bystander: its own bucket and token"

say "token"
if ! exists secrets describe "$secret"; then
    g secrets create "$secret" --replication-policy user-managed --locations "$REGION"
fi
if ! exists secrets versions describe latest --secret "$secret"; then
    "$repository/deploy/docker/token.sh"
    g secrets versions add "$secret" --data-file "$repository/deploy/secrets/tokens.txt"
fi

say "rights of the service account, each on one thing"
member="serviceAccount:$account"
g storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$member" \
    --role roles/storage.objectAdmin > /dev/null
g secrets add-iam-policy-binding "$secret" --member "$member" \
    --role roles/secretmanager.secretAccessor > /dev/null
g artifacts repositories add-iam-policy-binding "$NAME" --location "$REGION" --member "$member" \
    --role roles/artifactregistry.reader > /dev/null
# Signed URLs: there is no key on the machine, so it asks Google to sign as itself.
g iam service-accounts add-iam-policy-binding "$account" --member "$member" \
    --role roles/iam.serviceAccountTokenCreator > /dev/null
g projects add-iam-policy-binding "$PROJECT" --member "$member" --condition None \
    --role roles/logging.logWriter > /dev/null
say "done; next: images.sh, then vm.sh or run.sh"

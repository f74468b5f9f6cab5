# Sourced by the scripts here: reads settings.env and names what they share.
# shellcheck shell=bash disable=SC2034  # used by those that source this

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../.." && pwd)"
settings="${BYSTANDER_GCP_SETTINGS:-$here/settings.env}"

say() { echo "== $*" >&2; }

fail() {
    echo "error: $*" >&2
    exit 2
}

[[ -f $settings ]] || fail "no settings: copy settings.env.example to settings.env and fill it in"
# shellcheck source=settings.env.example
source "$settings"
for variable in PROJECT REGION ZONE NAME BUCKET TAG APP_IMAGE MACHINE VARIANT DATA_GB \
    IDLE_MINUTES RUN_CPU RUN_MEMORY RUN_DATA RUN_PUBLIC \
    CPU_MACHINE CPU_NODES GPU_MACHINE GPU_NODES SQL_TIER; do
    [[ -n ${!variable:-} ]] || fail "$variable is not set in settings.env"
done
[[ $ZONE == "$REGION"-* ]] || fail "the zone $ZONE is not in the region $REGION"
[[ $VARIANT == cpu || $VARIANT == gpu ]] || fail "VARIANT is cpu or gpu, not $VARIANT"
command -v gcloud > /dev/null || fail "gcloud is not installed"

registry="$REGION-docker.pkg.dev/$PROJECT/$NAME"
service_image() { echo "$registry/service:$TAG-$1"; } # $1: cpu or gpu
app_image="$registry/app:$TAG"
account="$NAME@$PROJECT.iam.gserviceaccount.com"
nodes="$NAME-nodes@$PROJECT.iam.gserviceaccount.com"
secret="$NAME-tokens"
database="$NAME-database"
storage="gs://$BUCKET/$NAME"

# Every call names the project, so that another default of gcloud's can't be hit.
g() { gcloud --project "$PROJECT" --quiet "$@"; }

# Whether `describe` finds it: makes the scripts fit to be run again.
exists() { g "$@" > /dev/null 2>&1; }

make_network() { # without a way out but to Google's own services
    exists compute networks describe "$NAME" ||
        g compute networks create "$NAME" --subnet-mode custom
    exists compute networks subnets describe "$NAME" --region "$REGION" ||
        g compute networks subnets create "$NAME" --network "$NAME" --region "$REGION" \
            --range 10.10.0.0/24 --enable-private-ip-google-access
}

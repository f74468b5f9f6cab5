#!/usr/bin/env bash
# A Kubernetes cluster (GKE) with entries, web app, database and Ray (docs/cluster.md). Run again
# with another TAG or setting, it updates what is there; with an earlier TAG it goes back.
#
#   cluster.sh            everything
#   cluster.sh connect    only what kubectl needs to reach the cluster
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
command -v kubectl > /dev/null || fail "kubectl is not installed"
[[ $APP_IMAGE == true ]] || fail "the cluster has the web app: set APP_IMAGE=true, run images.sh"

kubernetes="$repository/deploy/kubernetes"
namespace=bystander
operator=quay.io/kuberay/operator
# kubectl's own file, so that another default of its can't be hit.
export KUBECONFIG="$here/kubeconfig"

connect() {
    g container clusters get-credentials "$NAME" --location "$ZONE" --dns-endpoint
}

if [[ ${1:-} == connect ]]; then
    connect
    say "export KUBECONFIG=$KUBECONFIG"
    exit
fi

say "services of Google Cloud"
g services enable container.googleapis.com dns.googleapis.com file.googleapis.com \
    servicenetworking.googleapis.com sqladmin.googleapis.com

say "network $NAME, in which Google's services have addresses that policies can name"
make_network
exists dns managed-zones describe "$NAME-googleapis" ||
    g dns managed-zones create "$NAME-googleapis" --dns-name googleapis.com \
        --visibility private --networks "$NAME" --description "private.googleapis.com"
exists dns record-sets describe '*.googleapis.com.' --zone "$NAME-googleapis" --type A ||
    g dns record-sets create '*.googleapis.com.' --zone "$NAME-googleapis" --type A --ttl 300 \
        --rrdatas 199.36.153.8,199.36.153.9,199.36.153.10,199.36.153.11
exists compute addresses describe "$NAME-services" --global ||
    g compute addresses create "$NAME-services" --global --purpose VPC_PEERING \
        --addresses 10.20.0.0 --prefix-length 20 --network "$NAME"
peered="$(g services vpc-peerings list --service servicenetworking.googleapis.com \
    --network "$NAME" --format 'value(peering)')"
[[ -n $peered ]] ||
    g services vpc-peerings connect --service servicenetworking.googleapis.com \
        --ranges "$NAME-services" --network "$NAME"

# No backups: they would keep for a week what users delete.
say "database $NAME"
exists sql instances describe "$NAME" ||
    g sql instances create "$NAME" --database-version POSTGRES_17 --edition enterprise \
        --tier "$SQL_TIER" --region "$REGION" --network "projects/$PROJECT/global/networks/$NAME" \
        --no-assign-ip --ssl-mode ENCRYPTED_ONLY --no-backup --storage-auto-increase
exists sql databases describe bystander --instance "$NAME" ||
    g sql databases create bystander --instance "$NAME"
exists secrets describe "$database" ||
    g secrets create "$database" --replication-policy user-managed --locations "$REGION"
if ! exists secrets versions describe latest --secret "$database"; then
    password="$(openssl rand -hex 24)"
    address="$(g sql instances list --filter "name=$NAME" \
        --format 'value(ipAddresses[0].ipAddress)')"
    g sql users create bystander --instance "$NAME" --prompt-for-password <<< "$password"
    g secrets versions add "$database" --data-file - \
        <<< "postgresql://bystander:$password@$address/bystander?sslmode=require"
fi

say "images of others, which nodes without a way out get from this registry"
exists artifacts repositories describe "$NAME-quay" --location "$REGION" ||
    g artifacts repositories create "$NAME-quay" --location "$REGION" --mode remote-repository \
        --repository-format docker --remote-docker-repo https://quay.io

say "service account of the nodes"
exists iam service-accounts describe "$nodes" ||
    g iam service-accounts create "$NAME-nodes" --display-name "Bystander: nodes of the cluster"
g projects add-iam-policy-binding "$PROJECT" --member "serviceAccount:$nodes" --condition None \
    --role roles/container.defaultNodeServiceAccount > /dev/null
for registry_name in "$NAME" "$NAME-quay"; do
    g artifacts repositories add-iam-policy-binding "$registry_name" --location "$REGION" \
        --member "serviceAccount:$nodes" --role roles/artifactregistry.reader > /dev/null
done

say "cluster $NAME"
exists container clusters describe "$NAME" --location "$ZONE" ||
    g container clusters create "$NAME" --location "$ZONE" --release-channel regular \
        --network "$NAME" --subnetwork "$NAME" --enable-ip-alias \
        --cluster-ipv4-cidr 10.32.0.0/14 --services-ipv4-cidr 10.40.0.0/20 --enable-private-nodes \
        --enable-dns-access --no-enable-ip-access --enable-dataplane-v2 \
        --workload-pool "$PROJECT.svc.id.goog" --service-account "$nodes" \
        --enable-shielded-nodes --shielded-secure-boot \
        --addons GcpFilestoreCsiDriver,HttpLoadBalancing \
        --machine-type e2-standard-4 --num-nodes 1 \
        --enable-autoscaling --min-nodes 1 --max-nodes 3 --autoscaling-profile optimize-utilization

pool() { # name, machine, most nodes, further options
    local name="$1" machine="$2" most="$3"
    shift 3
    if exists container node-pools describe "$name" --cluster "$NAME" --location "$ZONE"; then
        g container clusters update "$NAME" --location "$ZONE" --node-pool "$name" \
            --enable-autoscaling --min-nodes 0 --max-nodes "$most"
        return
    fi
    g container node-pools create "$name" --cluster "$NAME" --location "$ZONE" --spot \
        --machine-type "$machine" --disk-size 150 --num-nodes 0 \
        --enable-autoscaling --min-nodes 0 --max-nodes "$most" \
        --node-taints cloud.google.com/gke-spot=true:NoSchedule \
        --service-account "$nodes" --workload-metadata GKE_METADATA "$@"
}
pool cpu "$CPU_MACHINE" "$CPU_NODES" --shielded-secure-boot
if [[ $VARIANT == gpu ]]; then
    # Secure boot would refuse the driver.
    pool gpu "$GPU_MACHINE" "$GPU_NODES" --no-shielded-secure-boot \
        --accelerator type=nvidia-l4,count=1,gpu-driver-version=latest
fi
connect

say "what the pods may do: $account, from its service account in Kubernetes"
g iam service-accounts add-iam-policy-binding "$account" \
    --member "serviceAccount:$PROJECT.svc.id.goog[$namespace/bystander]" \
    --role roles/iam.workloadIdentityUser > /dev/null

built="$(mktemp -d "$kubernetes/.built-XXXXXX")"
trap 'rm -rf "$built"' EXIT
mkdir "$built/operator" "$built/app"

say "KubeRay"
cat > "$built/operator/kustomization.yaml" << END
resources: [../../operator]
images:
  - name: $operator
    newName: $REGION-docker.pkg.dev/$PROJECT/$NAME-quay/kuberay/operator
END
kubectl apply --server-side -k "$built/operator"
kubectl --namespace ray-system rollout status deployment/kuberay-operator --timeout 5m

say "secrets"
kubectl apply --server-side -f "$kubernetes/base/namespace.yaml"
keep() { # name, key; the value comes on the standard input
    kubectl --namespace "$namespace" create secret generic "$1" "--from-file=$2=/dev/stdin" \
        --dry-run=client --output yaml | kubectl apply --server-side -f -
}
g secrets versions access latest --secret "$secret" | keep tokens tokens.txt
g secrets versions access latest --secret "$database" | keep database url
# Ray's own is known to nobody outside.
kubectl --namespace "$namespace" get secret ray > /dev/null 2>&1 ||
    openssl rand -hex 32 | tr -d '\n' | keep ray auth_token

say "entries, web app, Ray"
cat > "$built/app/kustomization.yaml" << END
resources: [../../overlays/$VARIANT]
images:
  - {name: bystander-service, newName: $registry/service, newTag: $TAG-cpu}
  - {name: bystander-service-gpu, newName: $registry/service, newTag: $TAG-gpu}
  - {name: bystander-app, newName: $registry/app, newTag: $TAG}
configMapGenerator:
  - name: place
    namespace: $namespace
    behavior: merge
    literals: [BYSTANDER_STORAGE=$storage]
patches:
  - patch: |
      apiVersion: v1
      kind: ServiceAccount
      metadata:
        name: bystander
        namespace: $namespace
        annotations:
          iam.gke.io/gcp-service-account: $account
  - patch: |
      - {op: replace, path: /parameters/network, value: $NAME}
    target: {kind: StorageClass}
  - patch: |
      - {op: replace, path: /spec/workerGroupSpecs/0/maxReplicas, value: $CPU_NODES}
    target: {kind: RayCluster, name: ray}
END
if [[ $VARIANT == gpu ]]; then
    cat >> "$built/app/kustomization.yaml" << END
  - patch: |
      - {op: replace, path: /spec/workerGroupSpecs/1/maxReplicas, value: $GPU_NODES}
    target: {kind: RayCluster, name: ray}
END
fi
kubectl apply --server-side -k "$built/app"
kubectl --namespace "$namespace" rollout status deployment/entry --timeout 15m
kubectl --namespace "$namespace" rollout status deployment/app --timeout 5m
say "done; from this machine:"
say "export KUBECONFIG=$KUBECONFIG"
say "kubectl --namespace $namespace port-forward service/app 8501"
say "kubectl --namespace $namespace port-forward service/service 3000"

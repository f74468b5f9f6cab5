# The service: HTTP API, model services and workers, and in a cluster (docs/cluster.md) every node
# of Ray: `ray start` instead of CMD. Two variants of one file:
#
#   docker build -f deploy/docker/service.Dockerfile -t bystander-service:0.1.0 .
#   docker build -f deploy/docker/service.Dockerfile -t bystander-service:0.1.0-gpu \
#     --build-arg VARIANT=gpu .
#
# To pin the base by digest: --build-arg PYTHON=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
ARG VARIANT=cpu
# The base's pip installs into the environment, which has none of its own.
ENV PIP_PYTHON=/opt/bystander/bin/python \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt pyproject.toml ./
COPY deploy/docker/requirements.py deploy/docker/slim.py deploy/docker/gpu.txt deploy/docker/
RUN python -m venv --without-pip /opt/bystander && python deploy/docker/requirements.py . serve cluster postgres > requirements.txt
RUN pip install -c constraints.txt -r requirements.txt
# The same OpenCV without windows: the other one needs libgl1, which brings a compiler of its own
# for graphics (libLLVM) along. insightface requires that other one by name.
RUN pip uninstall --yes opencv-python && pip install --no-deps -c constraints.txt opencv-python-headless
# Last, and by force: insightface requires `onnxruntime`, which unpacks over the same folder.
RUN if [ "${VARIANT}" = gpu ]; then pip install --no-deps --force-reinstall -r deploy/docker/gpu.txt; fi
RUN python deploy/docker/slim.py service /opt/bystander

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bystander-service" \
      org.opencontainers.image.description="Masks everyone in a video except the people who may be seen" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini passes signals on and buries orphans. `bystander` is for people: `docker compose exec`.
# KubeRay starts `ray` in a login shell, whose PATH is Debian's: hence the links.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 bystander \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin bystander \
 && install -d -o 10001 -g 10001 -m 0700 /data \
 && printf '#!/bin/sh\nexec python -m bystander "$@"\n' > /usr/local/bin/bystander \
 && chmod 755 /usr/local/bin/bystander \
 && ln -s /opt/bystander/bin/ray /opt/bystander/bin/python /usr/local/bin/
COPY --from=build /opt/bystander /opt/bystander
WORKDIR /app
COPY service.py ./
COPY bentos bentos
COPY bystander bystander
COPY configs configs
# Another user reads it, who may not write: each worker would compile the library again.
RUN chmod -R a+rX . && python -m compileall -q bystander bentos service.py
# BENTOML_CONTAINERIZED stays unset: with it BentoML doesn't start a dead worker again.
# Sockets and metrics live in /tmp; what must last lives in /data.
# gRPC's handlers around a fork now and then kill the server that Ray's head starts for a client:
# github.com/ray-project/ray/issues/63202.
ENV PATH=/opt/bystander/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/data/cache \
    XDG_DATA_HOME=/data/share \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    ORT_DISABLE_TELEMETRY=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    GRPC_ENABLE_FORK_SUPPORT=0 \
    BYSTANDER_CONFIGS=/app/configs \
    BYSTANDER_DATA=/data \
    BYSTANDER_MODELS=/data/models
# The variant gpu: CUDA from PyPI, which ONNX Runtime doesn't look for by itself, and the place
# where Container-Optimized OS puts the driver. In the variant cpu none of the folders is there.
ENV CUDA_WHEELS=/opt/bystander/lib/python3.11/site-packages/nvidia \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV LD_LIBRARY_PATH=${CUDA_WHEELS}/cublas/lib:${CUDA_WHEELS}/cuda_nvrtc/lib:${CUDA_WHEELS}/cuda_runtime/lib:${CUDA_WHEELS}/cudnn/lib:${CUDA_WHEELS}/cufft/lib:${CUDA_WHEELS}/curand/lib:${CUDA_WHEELS}/nvjitlink/lib:/usr/local/nvidia/lib64
USER 10001:10001
VOLUME ["/data"]
EXPOSE 3000
STOPSIGNAL SIGTERM
# The model services warm up before they are ready; on a GPU the first time takes a minute.
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/readyz', timeout=8)"]
ENTRYPOINT ["tini", "--"]
CMD ["bystander", "serve", "--host", "0.0.0.0", "--port", "3000"]

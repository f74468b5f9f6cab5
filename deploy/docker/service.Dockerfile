# The service: HTTP API, model services and workers. Two variants of one file:
#
#   docker build -f deploy/docker/service.Dockerfile -t bystander-service:0.1.0 .
#   docker build -f deploy/docker/service.Dockerfile -t bystander-service:0.1.0-gpu \
#     --build-arg VARIANT=gpu .
#
# To pin the base by digest: --build-arg PYTHON=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
ARG VARIANT=cpu
ENV PATH=/opt/bystander/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY deploy/docker/gpu.txt deploy/docker/
# Dependencies first, with an empty package in the library's place: a change of code doesn't
# install them again.
RUN python -m venv /opt/bystander && mkdir bystander configs && touch bystander/__init__.py
RUN pip install -c constraints.txt '.[serve]'
# Last, and by force: insightface requires `onnxruntime`, which unpacks over the same folder.
RUN if [ "${VARIANT}" = gpu ]; then pip install --no-deps --force-reinstall -r deploy/docker/gpu.txt; fi
COPY bystander bystander
COPY configs configs
RUN pip install --no-deps --force-reinstall .

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bystander-service" \
      org.opencontainers.image.description="Masks everyone in a video except the people who may be seen" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# libgl1 and libglib2.0-0 are OpenCV's. tini passes signals on and buries orphans.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 bystander \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin bystander \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/bystander /opt/bystander
WORKDIR /app
COPY service.py ./
COPY bentos bentos
COPY configs configs
# BENTOML_CONTAINERIZED stays unset: with it BentoML doesn't start a dead worker again.
# Sockets and metrics live in /tmp; what must last lives in /data.
ENV PATH=/opt/bystander/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/data/cache \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    ORT_DISABLE_TELEMETRY=1 \
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

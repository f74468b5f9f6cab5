# The web app. It speaks HTTP to the service and needs nothing of the library, so it is small:
# the packages of the extra `app` and the folder frontend/.
#
#   docker build -f deploy/docker/frontend.Dockerfile -t bystander-app:0.1.0 .
#
# To pin the base by digest: --build-arg PYTHON=python:3.11.14-slim-bookworm@sha256:...
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
# The base's pip installs into the environment, which has none of its own.
ENV PIP_PYTHON=/opt/bystander/bin/python \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY constraints.txt pyproject.toml ./
COPY deploy/docker/requirements.py deploy/docker/slim.py deploy/docker/
RUN python -m venv --without-pip /opt/bystander && python deploy/docker/requirements.py app > requirements.txt
RUN pip install -c constraints.txt -r requirements.txt
RUN python deploy/docker/slim.py app /opt/bystander

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bystander-app" \
      org.opencontainers.image.description="Web app of Bystander" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 bystander \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin bystander
COPY --from=build /opt/bystander /opt/bystander
WORKDIR /app
COPY frontend frontend
RUN chmod -R a+rX . && python -m compileall -q frontend
ENV PATH=/opt/bystander/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false \
    STREAMLIT_SERVER_HEADLESS=true
USER 10001:10001
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["streamlit", "run", "frontend/app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]

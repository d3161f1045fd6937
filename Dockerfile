# testpress with all its frameworks, from this checkout:
#   docker build -t testpress .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" testpress run testpress.toml
# The base image is the official one of Python, by its digest.
FROM python:3.11.16-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

# PyTorch's CPU build is a tenth of the size.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 HOME=/home/testpress

WORKDIR /opt/testpress
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY device_profiles device_profiles
COPY packager packager
COPY evaluators evaluators
COPY reports reports
COPY testpress testpress

# Whoever it runs as may keep a cache of datasets in HOME. git says which commit an evaluation is of.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --extra-index-url "$TORCH_INDEX" --constraint constraints.txt ".[all,sign]" \
    && useradd --create-home --home-dir /home/testpress testpress \
    && chmod 1777 /home/testpress

USER testpress
WORKDIR /work
ENTRYPOINT ["testpress"]

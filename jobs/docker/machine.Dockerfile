# syntax=docker/dockerfile:1
# An image for one machine: the embedded engine, without Java. In the repository's folder:
#
#   docker build -f jobs/docker/machine.Dockerfile --build-arg COMMIT=$(git rev-parse --short=10 HEAD) -t metaclip-spark .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" metaclip-spark run --input pairs --metadata en --warehouse out
#
# docs/IMAGES.md says what was checked of it.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY setup.py pyproject.toml MANIFEST.in README.md LICENSE NOTICE ./
COPY metadata metadata
COPY metaclip_spark metaclip_spark
# The build has no git; without the argument the version has no commit.
ARG COMMIT=
RUN METACLIP_COMMIT="$COMMIT" pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}-slim
# With commas: report, s3.
ARG EXTRAS=report,s3
# First the locked versions, by their hashes; another extra brings its packages in their newest version.
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel \
    --mount=type=bind,source=jobs/requirements,target=/requirements \
    pip install --no-cache-dir --require-hashes -r /requirements/machine.txt && \
    pip install --no-cache-dir "$(echo /wheel/*.whl)[$EXTRAS]"
# Compiled functions fit the kind of processor that built the image; another one compiles them again. Root's folder, which
# nobody else can write: code is loaded from it. A container copies it to a private folder.
ENV NUMBA_CACHE_DIR=/opt/metaclip-spark/kernels \
    PYTHONUNBUFFERED=1
RUN mkdir -p "$NUMBA_CACHE_DIR" && python -m metaclip_spark.warmup && chmod -R a+rX,go-w "$NUMBA_CACHE_DIR" \
    && useradd --uid 1000 --create-home metaclip \
    && mkdir /data && chown metaclip:metaclip /data
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["metaclip-spark"]
CMD ["--help"]

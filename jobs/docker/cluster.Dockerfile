# syntax=docker/dockerfile:1
# An image for Spark on Kubernetes, and for other clusters that run images. In the repository's folder:
#
#   bash jobs/package.sh
#   docker build -f jobs/docker/cluster.Dockerfile -t registry.example.org/metaclip-spark:0.1.0 .
#
# docs/IMAGES.md says what was checked of it. jobs/kubernetes/curation.yaml starts it with the Spark operator.
ARG SPARK=4.2.0

FROM apache/spark:${SPARK}-python3
# The image's own user is spark, 185; only root can install packages.
USER 0
# With commas: report, s3.
ARG EXTRAS=report,s3
# The wheel of jobs/package.sh requires neither pyspark nor pyspark-client: the image has Spark's own.
# First the locked versions, by their hashes; another extra brings its packages in their newest version.
RUN --mount=type=bind,source=dist,target=/wheel \
    --mount=type=bind,source=jobs/requirements,target=/requirements \
    pip install --no-cache-dir --require-hashes -r /requirements/cluster.txt && \
    pip install --no-cache-dir "$(echo /wheel/metaclip_spark-*+cluster-py3-none-any.whl)[$EXTRAS]"
ENV NUMBA_CACHE_DIR=/opt/metaclip-spark/kernels
COPY jobs /opt/metaclip-spark/jobs
COPY conf /opt/metaclip-spark/conf
RUN mkdir -p "$NUMBA_CACHE_DIR" && python3 -m metaclip_spark.warmup && chmod -R a+rX,go-w "$NUMBA_CACHE_DIR"
USER 185
WORKDIR /opt/spark/work-dir
# Of Spark's images: it starts a driver or an executor, as Spark's submission asks.
ENTRYPOINT ["/opt/entrypoint.sh"]

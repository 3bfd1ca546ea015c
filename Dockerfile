# Two stages: a wheel is built where the compiler is, and only the environment that it was installed in is kept.
# tests/deploy/test_dockerfile.py executes every step of this file in a clean root.

FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY teslafast teslafast
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir build
RUN /opt/build/bin/python -m build --wheel --outdir /wheels
# What `serve` needs for CLUSTER_URL, and for the outputs that are named: --build-arg EXTRAS=cluster,kafka. Empty: neither.
ARG EXTRAS=cluster
RUN python3 -m venv /opt/teslafast \
    && wheel=$(echo /wheels/*.whl) && /opt/teslafast/bin/pip install --no-cache-dir "$wheel${EXTRAS:+[$EXTRAS]}" \
    && /opt/teslafast/bin/python -m compileall -q /opt/teslafast/lib \
    && /opt/teslafast/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
COPY --from=build /opt/teslafast /opt/teslafast
# A number, so that volumes can be given to it and so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 teslafast && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin teslafast \
    && install --directory --owner=10001 --group=10001 /data
ENV PATH=/opt/teslafast/bin:$PATH PYTHONUNBUFFERED=1 PORT=3000
USER 10001:10001
EXPOSE 3000 8443
# A drain takes up to DRAIN_SECONDS (25 s): docker run --stop-timeout 30, because Docker kills after 10 s. Mount the folder with the
# certificates (--volume ./certs:/certs:ro), not single files: a renewal puts new files in the place of the old ones.
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s CMD ["/opt/teslafast/bin/teslafast", "health"]
ENTRYPOINT ["/opt/teslafast/bin/teslafast"]
CMD ["serve"]

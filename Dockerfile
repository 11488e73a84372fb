# An image of the server: two stages, so that nothing that builds is in what runs.
#
#   docker build -t tactful .
#
# It writes to /data (a volume) and /tmp (best a tmpfs) alone, and runs as a user of its own.
# The digest of the base image belongs here once you have chosen one: see api/deploy/README.md.

FROM python:3.11-slim-bookworm AS built
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv --without-pip /opt/tactful
COPY requirements.lock requirements.runtime.lock ./
RUN pip --python /opt/tactful install --require-hashes --no-deps --only-binary :all: -r requirements.runtime.lock
RUN sed -n -E '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[0-9a-f]$/p' requirements.lock > build.lock \
 && pip install --require-hashes --no-deps --only-binary :all: -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY guardrails guardrails
COPY api api
COPY migrations migrations
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/tactful install --no-deps --no-index /wheel/*.whl \
 && /opt/tactful/bin/python -m compileall -q /opt/tactful/lib

FROM python:3.11-slim-bookworm
RUN pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
 && rm -rf /usr/local/lib/python3.11/ensurepip \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tactful \
 && install -d -o tactful -g tactful -m 0700 /data
COPY --from=built /opt/tactful /opt/tactful
ENV PATH=/opt/tactful/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TACTFUL_DATA_DIR=/data \
    TACTFUL_HOST=0.0.0.0 \
    TACTFUL_DRAIN_S=5 \
    NUMBA_CACHE_DIR=/data/compiled \
    MPLCONFIGDIR=/tmp/matplotlib
USER tactful
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('TACTFUL_PORT', '8000') + '/readyz', timeout=4)"]
ENTRYPOINT ["tactful"]
CMD ["serve"]

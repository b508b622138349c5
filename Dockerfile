# The daemon: uv builds an environment from uv.lock, and only that environment reaches the final image.
# Both stages start from the same Python image, for the environment points at its interpreter. `make pin-images` writes
# images.env with the digests of today's images, for --build-arg.
ARG PYTHON_IMAGE=python:3.13-slim
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13
FROM ${UV_IMAGE} AS uv


FROM ${PYTHON_IMAGE} AS build

COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /app

# The dependencies have a layer of their own: they change less often than the code.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project

COPY README.md LICENSE ./
COPY migrations ./migrations
COPY cadence_sync ./cadence_sync
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-editable

# The licenses of all that the image redistributes.
COPY tools/notices.py ./tools/
RUN .venv/bin/python tools/notices.py > THIRD-PARTY-NOTICES


FROM ${PYTHON_IMAGE}

# A number rather than a name lets an orchestrator check that the user is not root.
RUN groupadd --system --gid 10001 cadence-sync \
    && useradd --system --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin cadence-sync
COPY --from=build /app/.venv /app/.venv
COPY --from=build /app/LICENSE /app/THIRD-PARTY-NOTICES /app/
ENV PATH="/app/.venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A settings file, if there is one, is mounted as /app/cadence-sync.toml.
WORKDIR /app
USER 10001:10001

# Asks the daemon directly, whatever proxy the environment names. One-off commands such as `migrate` need no check.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8642/healthz', timeout=4)"]

ENTRYPOINT ["cadence-sync"]
CMD ["serve"]

# The whole product in one image: `docker run -p 8000:8000 IMAGE` is the laptop's `fte up`; a cluster runs its parts
# (`api`, `worker --role agent`, `migrate`) from the same image. Runs as 10001 and writes nothing but /tmp and /data.

FROM node:22-bookworm-slim AS web
WORKDIR /src/webform
COPY webform/package.json webform/package-lock.json webform/.npmrc ./
RUN npm ci
COPY webform/ ./
RUN npm run build

FROM python:3.11-slim-bookworm AS python
# Bytecode is compiled here because the running container cannot write it.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/fte
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --locked --no-dev --no-install-project
COPY . .
RUN uv sync --locked --no-dev --no-editable

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 fte \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin fte \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=python /opt/fte /opt/fte
COPY --from=web /src/webform/out /app/web
COPY dossier /app/dossier
ENV PATH=/opt/fte/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FTE_HOST=0.0.0.0 \
    FTE_PORT=8000 \
    FTE_DATA_DIR=/data \
    FTE_DOSSIER_DIR=/app/dossier \
    FTE_WEB_DIR=/app/web \
    FTE_LOG_FORMAT=json
WORKDIR /app
USER 10001:10001
EXPOSE 8000
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['FTE_PORT'] + '/health/live', timeout=4)"]
ENTRYPOINT ["fte"]
CMD ["up"]

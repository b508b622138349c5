#!/bin/sh
# What the container `bi` runs: Superset over its own SQLite, with the dashboard from the first start on.
set -eu
: "${SUPERSET_SECRET_KEY:?Set SUPERSET_SECRET_KEY, such as to the output of: openssl rand -hex 32}"
: "${BI_ADMIN_PASSWORD:?Set BI_ADMIN_PASSWORD, the password of the user admin.}"
: "${BI_DATABASE_URL_FILE:?Set BI_DATABASE_URL_FILE: a file with the URL of a role that may read cadence_reporting.}"
here=$(cd "$(dirname "$0")/.." && pwd)
python "$here/tool/prepare.py"
if [ ! -e "$SUPERSET_HOME/imported" ]; then
    bundle=$(mktemp -d)
    python "$here/tool/bundle.py" --with-password --url-file "$BI_DATABASE_URL_FILE" "$bundle/bundle.zip"
    superset import-dashboards --path "$bundle/bundle.zip" --username admin
    rm -r "$bundle"
    touch "$SUPERSET_HOME/imported"
fi
exec gunicorn --bind "${BI_BIND:-0.0.0.0:8088}" --workers 1 --worker-class gthread --threads 8 --timeout 120 \
    "superset.app:create_app()"

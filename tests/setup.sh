#!/usr/bin/env bash
# Installs what the build and its tests need, when it is missing; says what is missing where it cannot. Debian 12.
set -euo pipefail
packages=(gcc g++ cmake make pkg-config libyaml-dev libjansson-dev libxxhash-dev libpng-dev libjpeg62-turbo-dev libwebp-dev zlib1g-dev libzip-dev libcriterion-dev)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo); else
    echo "rgc: missing packages: ${missing[*]}" >&2
    echo "Install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"

#!/usr/bin/env bash
# Why residual networks: plain and residual networks of 20 and 56 layers learn the same 4500 drawings, and their curves go into one
# picture. OUT and THREADS may be set; STEPS to stop
# earlier, NETWORKS to train some only.
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/build.sh.inc
out=${OUT:-examples/out/degradation}
read -ra networks <<<"${NETWORKS:-plain20 plain56 resnet20 resnet56}"
data=quickdraw:examples/data/quickdraw
train=(--train --data "$data" --threads "${THREADS:-0}")
if [ -n "${STEPS:-}" ]; then train+=(--steps "$STEPS"); fi
for network in "${networks[@]}"; do
  echo "--- $network"
  mkdir -p "$out/$network"
  "$rgc" compile "graphs/quickdraw_$network.yaml" -o "$out/$network/plan.bin"
  begun=$(date +%s)
  "$rgc" run "$out/$network/plan.bin" "${train[@]}" --out "$out/$network"
  echo "trained in $(($(date +%s) - begun)) s"
done

# A batch's loss jumps about: the table tells the mean of the last ten that were logged, as the picture's lines do of five.
echo "network    training loss  validation loss  validation accuracy"
for network in "${networks[@]}"; do
  tail -10 "$out/$network/log.csv" | awk -F, -v name="$network" '
    {loss += $2; valid = $4; right = $5}
    END {printf "%-10s %13.4f  %15.4f  %19.4f\n", name, loss / NR, valid, right}'
done | tee "$out/table.txt"

install=(apt-get install -y -q --no-install-recommends gnuplot-nox)
if ! command -v gnuplot >/dev/null; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
  export DEBIAN_FRONTEND=noninteractive
  { "${as_root[@]}" apt-get update -q && "${as_root[@]}" "${install[@]}"; } >"$out/install.txt" 2>&1 || true
fi
if ! command -v gnuplot >/dev/null; then
  echo "The logs are in $out; for the picture, install gnuplot as root: ${install[*]}" >&2
  echo "and then: gnuplot -e \"out='$out'; networks='${networks[*]}'\" examples/degradation.gnuplot" >&2
  exit 1
fi
gnuplot -e "out='$out'; networks='${networks[*]}'" examples/degradation.gnuplot
echo "picture: $out/degradation.png   logs: $out/*/log.csv"

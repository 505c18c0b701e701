#!/usr/bin/env bash
# rgc schema prints a valid JSON Schema; every graph file passes it, and a file with an unknown key does not.
set -euo pipefail
schema=$(mktemp)
trap 'rm -f "$schema"' EXIT
"$RGC" schema >"$schema"
if ! python3 -c 'import jsonschema, yaml; jsonschema.Draft202012Validator' 2>/dev/null; then
  echo "SKIPPED tests/cli/schema.sh: graph files against the schema: python3-jsonschema (4 or later) or python3-yaml is missing"
  exit 0
fi
python3 tests/cli/schema.py "$schema"

"""Holds graph files against the schema: schema.py SCHEMA; graphs/*.yaml pass, golden mistakes of unknown keys do not."""
import glob
import json
import sys

import jsonschema
import yaml

with open(sys.argv[1]) as f:
    schema = json.load(f)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


def errors(path):
    with open(path) as f:
        return [f"{path}: {list(e.absolute_path)}: {e.message[:200]}" for e in validator.iter_errors(yaml.safe_load(f))]


good = glob.glob("graphs/*.yaml") + glob.glob("tests/fuzz/corpus/yaml/*.yaml")
faults = [e for path in good for e in errors(path)]
bad = [p[:-4] + ".yaml" for p in glob.glob("tests/golden/diag/*.txt") if "error[unknown-key]" in open(p, errors="replace").read()]
faults += [f"{path}: passes, and must not" for path in bad if not errors(path)]
if not good or not bad:
    faults.append("nothing was checked")
print(*faults, sep="\n", end="\n" if faults else "")
sys.exit(bool(faults))

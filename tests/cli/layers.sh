#!/usr/bin/env bash
# The order compiler < codegen < runtime < cli: each includes only itself and those before it; base < graph < the rest.
set -euo pipefail
refuse() { # FOLDER PATTERN: no file of FOLDER includes PATTERN
  if grep -rnE "#include \"($2)/" "$1" --include='*.[ch]'; then echo "$1 must not include $2"; exit 1; fi
}
refuse compiler 'codegen|runtime|cli'
refuse codegen 'runtime|cli'
refuse runtime 'cli'
refuse compiler/base 'compiler/(graph|lang|passes|plan)'
refuse compiler/graph 'compiler/(lang|passes|plan)'
refuse compiler/passes 'compiler/lang'
refuse compiler/lang 'compiler/(passes|plan)'

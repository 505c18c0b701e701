#!/usr/bin/env bash
# The order compiler < codegen < runtime < cli: each includes only itself and those before it; base < graph < the rest.
# Kernel templates are texts for the machine's compiler: they include one another only, and nobody includes them but for the few that
# say what both sides must agree on.
set -euo pipefail
fail() { echo "$1"; exit 1; }
includes() { grep -rnE "#include \"($2)" "$1" --include='*.[ch]' --include='*.cuh' || true; } # FOLDER PATTERN
refuse() { # FOLDER PATTERN [ALLOWED]: no file of FOLDER includes a path that begins with PATTERN, unless the line matches ALLOWED
  local found
  found=$(includes "$1" "$2" | grep -vE "${3:-^$}" || true)
  [ -z "$found" ] || fail "$1 must not include $2
$found"
}
[ -n "$(includes compiler 'compiler/graph/')" ] || fail "the pattern finds nothing"
refuse compiler '(codegen|runtime|cli|tests)/'
refuse codegen '(runtime|cli|tests)/'
refuse runtime '(cli|tests)/'
refuse cli '' '"(cli/[^"]*|runtime/rgc\.h)"' # the program is the library's first user
refuse compiler/base 'compiler/(graph|lang|passes|plan|pipeline)'
refuse compiler/graph 'compiler/(lang|passes|plan|pipeline)'
refuse compiler/lang 'compiler/(passes|plan|pipeline)'
refuse compiler/passes 'compiler/(lang|plan|pipeline)'
refuse codegen 'compiler/(lang|plan|pipeline)'
refuse codegen/cpu/templates '' '"codegen/cpu/templates/'
refuse codegen/cuda/templates '' '"codegen/cuda/templates/|/philox\.h"' # the generator is the reference's, too
refuse runtime/reference 'runtime/(data|device)/'
refuse runtime/data 'runtime/(device|train|reference)/' 'runtime/reference/philox\.h"'
refuse runtime/device 'runtime/(data|train)/'
refuse codegen 'codegen/cuda/templates/' '^codegen/cuda/templates/|/kernel_args\.cuh"|^codegen/cuda/contract_maps\.c:.*/contract\.cuh"' # where pixels meet A, for tensor maps
refuse runtime 'codegen/cuda/templates/' '/(kernel_args|emu_calls)\.cuh"'
refuse codegen 'codegen/cpu/templates/' '^codegen/cpu/templates/|^codegen/cuda/templates/expression\.cuh:|/(kernel_args|contract_args|contract_slab)\.h"'
refuse runtime 'codegen/cpu/templates/' '^runtime/reference/philox\.h:|/(kernel_args|contract_args)\.h"'

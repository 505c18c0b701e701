# Writes OUT, a C table of the block files DIR/*.yaml: cmake -DOUT=builtin.c -DDIR=graphs/blocks -P embed_blocks.cmake
file(GLOB files ${DIR}/*.yaml)
list(SORT files)
set(table "")
set(count 0)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
  string(APPEND table "    {\"${name}\", \"${bytes}\"},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "/* Made by embed_blocks.cmake from graphs/blocks. */
#include \"compiler/lang/builtin.h\"

const rgc_builtin_block rgc_builtin_blocks[] = {
${table}};
const int rgc_builtin_block_count = ${count};
")

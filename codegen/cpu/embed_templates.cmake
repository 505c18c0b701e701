# Writes OUT, a C table of the template files DIR/*.h: cmake -DOUT=templates.c -DDIR=codegen/cpu/templates -P embed_templates.cmake
# The bytes themselves come in by .incbin, so that no compiler has to read long strings.
file(GLOB files ${DIR}/*.h)
list(SORT files)
set(code "")
set(table "")
set(count 0)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  string(APPEND code "__asm__(\".section .rodata\\ntemplate_${count}:\\n.incbin \\\"${file}\\\"\\n.byte 0\\n.previous\");
extern const char template_${count}[];\n")
  string(APPEND table "    {\"${name}\", template_${count}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUT} "/* Made by embed_templates.cmake from codegen/cpu/templates. */
#include \"codegen/cpu/templates.h\"

${code}
const rgc_template rgc_cpu_templates[] = {
${table}};
const int rgc_cpu_template_count = ${count};
")

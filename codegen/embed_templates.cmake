# Writes OUT, a C table TABLE (declared in HEADER) of the template files ROOT/PATTERN, PATTERN.. being separated by commas; BASE is
# what is left out of their names: cmake -DOUT=templates.c -DROOT=. -DPATTERNS=codegen/cpu/templates/*.h -DBASE=codegen/cpu/templates
# -DTABLE=rgc_cpu_templates -DHEADER=codegen/cpu/templates.h -P embed_templates.cmake
# The bytes themselves come in by .incbin, so that no compiler has to read long strings.
string(REPLACE "," ";" patterns "${PATTERNS}")
set(files "")
foreach(pattern IN LISTS patterns)
  file(GLOB found ${ROOT}/${pattern})
  list(APPEND files ${found})
endforeach()
list(SORT files)
set(code "")
set(table "")
set(count 0)
foreach(file IN LISTS files)
  file(RELATIVE_PATH name ${ROOT}/${BASE} ${file})
  string(APPEND code "__asm__(\".section .rodata\\ntemplate_${TABLE}_${count}:\\n.incbin \\\"${file}\\\"\\n.byte 0\\n.previous\");
extern const char template_${TABLE}_${count}[];\n")
  string(APPEND table "    {\"${name}\", template_${TABLE}_${count}},\n")
  math(EXPR count "${count} + 1")
endforeach()
string(REGEX REPLACE "s$" "_count" count_name ${TABLE})
file(WRITE ${OUT} "/* Made by embed_templates.cmake. */
#include \"${HEADER}\"

${code}
const rgc_template ${TABLE}[] = {
${table}};
const int ${count_name} = ${count};
")

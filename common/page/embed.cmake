# Writes a C file with one function for each given file:
#   cmake -DOUT=page.c -DNAMES=page_head;… -DFILES=head.html;… -P embed.cmake
set(text "/* Made by embed.cmake. */\n#include \"common/page/page.h\"\n")
foreach(name file IN ZIP_LISTS NAMES FILES)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "\nstruct slice\n${name}(void)\n{\n"
    "\tstatic const unsigned char bytes[] = {${bytes}};\n\n"
    "\treturn (struct slice){(const char *)bytes, sizeof bytes};\n}\n")
endforeach()
file(WRITE ${OUT} "${text}")

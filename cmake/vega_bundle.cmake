# Script: writes OUTPUT, one classic script that defines globalThis.vega from MODULES (package=file, in dependency order).
#
# Vega's modules are UMD. Run one after the other as plain scripts they would overwrite each other's global, so each gets
# the CommonJS names it looks for first.
file(READ ${NOTICE} notice)
file(WRITE ${OUTPUT} "/*!\n${notice}*/\n(function () {\n"
"  const loaded = {};\n"
"  const load = (name) => {\n"
"    if (!(name in loaded)) throw new Error(name + ' is not in the report\\'s Vega bundle');\n"
"    return loaded[name];\n"
"  };\n"
"  const define = (name, body) => {\n"
"    const module = {exports: {}};\n"
"    body(module.exports, load, module);\n"
"    loaded[name] = module.exports;\n"
"  };\n")
foreach(module ${MODULES})
  string(REGEX REPLACE "=.*" "" name "${module}")
  string(REGEX REPLACE "^[^=]*=" "" file "${module}")
  file(READ ${file} text)
  # A source map's address would make the browser's developer tools ask for a file that is not there.
  string(REGEX REPLACE "//# sourceMappingURL=[^\n]*" "" text "${text}")
  string(TOLOWER "${text}" lower)
  foreach(forbidden "</script" "<!--")
    string(FIND "${lower}" "${forbidden}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${file} contains ${forbidden} and cannot be placed in a page as it is.")
    endif()
  endforeach()
  file(APPEND ${OUTPUT} "define('${name}', function (exports, require, module) {\n" "${text}" "\n});\n")
endforeach()
file(APPEND ${OUTPUT}
"  const dataflow = load('vega-dataflow');\n"
"  Object.assign(dataflow.transforms, load('vega-transforms'), load('vega-encode'), load('vega-view-transforms'));\n"
"  globalThis.vega = {parse: load('vega-parser').parse, View: load('vega-view').View,\n"
"                     expressionInterpreter: load('vega-interpreter').expressionInterpreter};\n"
"})();\n")

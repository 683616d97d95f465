# The report's assets: Vega from the distribution's package and our own page, style, script and plot specifications, all
# embedded in grit as one generated C++ file. Nothing third-party is in this repository and nothing is fetched.
#
# Debian has no all-in-one bundle of Vega, but its UMD modules carry the d3 functions they use, so that a list of
# modules in dependency order, given the few lines of a CommonJS loader, is a complete Vega for our plots.
set(GRIT_VEGA_DIR "" CACHE PATH "Where vega-util.min.js and its siblings are; empty: where libjs-vega installs them")

# Package name : file stem, as vega-selections is called vega-selection there. Geography, force layouts, word clouds,
# labels, regressions and cross filters are left out: no plot of ours uses them.
set(grit_vega_modules
    vega-util vega-time vega-format vega-loader vega-statistics vega-dataflow vega-canvas vega-scale vega-scenegraph
    vega-expression vega-selections:vega-selection vega-event-selector vega-functions vega-parser vega-runtime vega-view
    vega-transforms vega-encode vega-view-transforms vega-interpreter)

set(grit_vega_arguments "")
set(grit_vega_files "")
foreach(module ${grit_vega_modules})
  string(REGEX REPLACE ":.*" "" name ${module})
  string(REGEX REPLACE ".*:" "" stem ${module})
  find_file(GRIT_FILE_${name} NAMES ${stem}.min.js ${name}.min.js NO_DEFAULT_PATH NO_CACHE
            PATHS ${GRIT_VEGA_DIR} /usr/share/javascript/vega /usr/share/nodejs/${name}/build
                  /usr/share/nodejs/vega/build)
  if(NOT GRIT_FILE_${name})
    message(FATAL_ERROR "${stem}.min.js was not found: the report page needs Vega 5. Install the package libjs-vega "
                        "(Debian 12, Ubuntu 24.04), or set GRIT_VEGA_DIR to the folder of Vega's modules.")
  endif()
  list(APPEND grit_vega_arguments ${name}=${GRIT_FILE_${name}})
  list(APPEND grit_vega_files ${GRIT_FILE_${name}})
endforeach()

# The version is for the page's footer only.
set(grit_vega_version "")
execute_process(COMMAND dpkg-query --show --showformat=\${Version} libjs-vega
                OUTPUT_VARIABLE grit_vega_version ERROR_QUIET RESULT_VARIABLE grit_dpkg_failed)
if(grit_dpkg_failed OR GRIT_VEGA_DIR)
  set(grit_vega_version "5")
endif()
message(STATUS "Vega for the report: ${GRIT_FILE_vega-util} (${grit_vega_version})")

set(grit_report_source ${PROJECT_SOURCE_DIR}/analysis/report)
set(grit_report_binary ${PROJECT_BINARY_DIR}/report_assets)
add_custom_command(
  OUTPUT ${grit_report_binary}/vega_bundle.js
  COMMAND ${CMAKE_COMMAND} "-DMODULES=${grit_vega_arguments}" -DNOTICE=${grit_report_source}/page/vega_notice.txt
          -DOUTPUT=${grit_report_binary}/vega_bundle.js -P ${PROJECT_SOURCE_DIR}/cmake/vega_bundle.cmake
  DEPENDS ${grit_vega_files} ${grit_report_source}/page/vega_notice.txt ${PROJECT_SOURCE_DIR}/cmake/vega_bundle.cmake
  COMMENT "Bundling Vega" VERBATIM)

# C++ name = file.
set(grit_report_assets
    kVega=${grit_report_binary}/vega_bundle.js
    kFrame=${grit_report_source}/page/frame.html
    kPage=${grit_report_source}/page/report.html
    kComparisonPage=${grit_report_source}/page/comparison.html
    kScorePage=${grit_report_source}/page/score.html
    kScoreStyle=${grit_report_source}/page/score.css
    kStyle=${grit_report_source}/page/report.css
    kScript=${grit_report_source}/page/report.js
    kStepsSpec=${grit_report_source}/plots/specs/steps.json
    kWindowsSpec=${grit_report_source}/plots/specs/windows.json
    kPairsSpec=${grit_report_source}/plots/specs/pairs.json
    kEffectsSpec=${grit_report_source}/plots/specs/effects.json
    kPhasesSpec=${grit_report_source}/plots/specs/phases.json
    kOwnWorkSpec=${grit_report_source}/plots/specs/own_work.json
    kArrivalsSpec=${grit_report_source}/plots/specs/arrivals.json
    kLinksSpec=${grit_report_source}/plots/specs/links.json
    kRunsSpec=${grit_report_source}/plots/specs/runs.json
    kLoadsSpec=${grit_report_source}/plots/specs/loads.json
    kDoseSpec=${grit_report_source}/plots/specs/dose.json
    kDetectionSpec=${grit_report_source}/plots/specs/detection.json
    kBurninPage=${grit_report_source}/page/burnin.html
    kBurninStyle=${grit_report_source}/page/burnin.css
    kBurninFiguresSpec=${grit_report_source}/plots/specs/burnin_figures.json
    kBurninPairsSpec=${grit_report_source}/plots/specs/burnin_pairs.json
    kBurninDriftSpec=${grit_report_source}/plots/specs/burnin_drift.json)
string(REGEX REPLACE "k[A-Za-z]+=" "" grit_report_asset_files "${grit_report_assets}")
add_custom_command(
  OUTPUT ${grit_report_binary}/assets.cpp
  COMMAND ${CMAKE_COMMAND} "-DASSETS=${grit_report_assets}" -DVEGA_VERSION=${grit_vega_version}
          -DOUTPUT=${grit_report_binary}/assets.cpp -P ${PROJECT_SOURCE_DIR}/cmake/embed_assets.cmake
  DEPENDS ${grit_report_asset_files} ${PROJECT_SOURCE_DIR}/cmake/embed_assets.cmake
  COMMENT "Embedding the report's assets" VERBATIM)

target_sources(grit_report PRIVATE ${grit_report_binary}/assets.cpp)

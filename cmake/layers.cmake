# One static library a layer. In this order: a layer links only what stands above it here.
add_library(grit_options INTERFACE)
target_include_directories(grit_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(grit_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       $<$<BOOL:${GRIT_WERROR}>:-Werror>)
# GCC 12 warns of std::string's own find, + and = (GCC PR 105329, 105651) once they come precompiled.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(grit_options INTERFACE -Wno-stringop-overread -Wno-stringop-overflow -Wno-restrict -Wno-array-bounds)
  if(GRIT_UNITY) # It warns of private classes that hold types of a source's own, once that source is included.
    target_compile_options(grit_options INTERFACE -Wno-subobject-linkage)
  endif()
endif()
target_link_libraries(grit_options INTERFACE Threads::Threads)

# The headers nearly every file includes, compiled once: halves the build. Files still include what they use.
set(grit_common_headers <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp> <algorithm> <chrono> <filesystem> <functional> <map>
    <memory> <optional> <string> <string_view> <thread> <vector>)
function(grit_precompiled name)
  if(name STREQUAL grit_base)
    target_precompile_headers(${name} PRIVATE ${grit_common_headers})
  else()
    target_precompile_headers(${name} REUSE_FROM grit_base)
  endif()
endfunction()

# Eight sources of a target as one: half of a whole build's CPU time goes into headers that each source reads again. Not for
# who edits, as a change of one source compiles all eight. What sources have in anonymous namespaces must then have names
# that are the target's only ones. Faults and checks of health, and their tests, stay apart: each source is a small world
# with an Undo, a State, constants of its own.
function(grit_unity name)
  if(GRIT_UNITY AND NOT name MATCHES "^(grit_injectors|grit_health|faults|unit_health)$")
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
# For these tests/virtual links others of its own, so each must be an object of its own.
set_source_files_properties(harness/base/clock.cpp harness/agent/recorder_socket.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

function(grit_layer name directory)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${directory}/*.cpp)
  if(name MATCHES "grit_report|grit_health") # layers with folders inside
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${directory}/*.cpp)
  endif()
  if(name STREQUAL grit_workloads) # compute and fabric are layers of their own
    file(GLOB more CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${directory}/training/*.cpp)
    list(APPEND sources ${more})
  endif()
  if(name STREQUAL grit_compute) # grit_accelerator
    list(FILTER sources EXCLUDE REGEX "/accelerator\\.cpp$")
  endif()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE grit_options ${ARGN})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC grit_options ${ARGN})
  grit_precompiled(${name})
  grit_unity(${name})
endfunction()

grit_layer(grit_base harness/base nlohmann_json::nlohmann_json fmt::fmt tl::expected)
grit_layer(grit_model harness/model grit_base)
grit_layer(grit_os harness/os grit_model PkgConfig::NL PkgConfig::HWLOC PkgConfig::NFTABLES)
grit_layer(grit_record harness/record grit_os)
# How the module for GPUs is loaded: injectors need it too, and nothing else of workloads/compute.
add_library(grit_accelerator STATIC ${PROJECT_SOURCE_DIR}/workloads/compute/accelerator.cpp)
target_link_libraries(grit_accelerator PUBLIC grit_options grit_os ${CMAKE_DL_LIBS})
grit_precompiled(grit_accelerator)
grit_layer(grit_injectors injectors grit_record grit_accelerator)
grit_layer(grit_compute workloads/compute grit_accelerator PkgConfig::OPENBLAS)
grit_layer(grit_fabric workloads/fabric grit_compute MPI::MPI_C)
grit_layer(grit_workloads workloads grit_fabric grit_record)
# The rooms of the analysis (analysis/README.md).
grit_layer(grit_stats analysis/stats grit_model)
grit_layer(grit_records analysis/records grit_stats grit_record)
grit_layer(grit_facts analysis/facts grit_records)
grit_layer(grit_blame analysis/blame grit_facts)
grit_layer(grit_verdict analysis/verdict grit_blame)
grit_layer(grit_compare analysis/compare grit_verdict)
grit_layer(grit_series analysis/series grit_verdict)
grit_layer(grit_score analysis/score grit_facts)
grit_layer(grit_judge analysis/burnin grit_stats)
grit_layer(grit_simulate analysis/simulate grit_facts)
grit_layer(grit_report analysis/report grit_series grit_compare grit_score grit_judge)
grit_layer(grit_health harness/health grit_record)
grit_layer(grit_agent harness/agent grit_injectors grit_health PkgConfig::ZMQ)
grit_layer(grit_scenario harness/scenario grit_injectors grit_workloads grit_health PkgConfig::LUA)
grit_layer(grit_cluster harness/cluster grit_record)
grit_layer(grit_run harness/run grit_agent grit_scenario grit_cluster grit_report grit_simulate)
grit_layer(grit_burnin harness/burnin grit_run)
grit_layer(grit_cli harness/cli grit_burnin CLI11::CLI11)


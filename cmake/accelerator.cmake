# The module grit-cuda.so, which grit loads when a run asks for a GPU. It is no part of grit, nor is grit of it: they share
# workloads/accelerator/module.h.
# And the profiler that NCCL loads into any job; it needs nothing of NVIDIA's to be built.
add_library(grit_nccl_profiler MODULE ${PROJECT_SOURCE_DIR}/workloads/profiler/operation_ring.cpp
            ${PROJECT_SOURCE_DIR}/workloads/profiler/part_writer.cpp ${PROJECT_SOURCE_DIR}/workloads/profiler/plugin.cpp)
set_target_properties(grit_nccl_profiler PROPERTIES
  OUTPUT_NAME nccl-profiler-grit PREFIX lib CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
target_link_libraries(grit_nccl_profiler PRIVATE grit_options ${CMAKE_DL_LIBS} Threads::Threads)
# Its memory is used until the process ends, also when NCCL has let go of it.
target_link_options(grit_nccl_profiler PRIVATE -Wl,-z,nodelete)
install(TARGETS grit_nccl_profiler LIBRARY DESTINATION lib/grit)
if(NOT GRIT_HAVE_CUDA)
  return()
endif()
# Code for Ampere, Hopper and, from CUDA 12.8 on, Blackwell; newer devices compile the PTX of the newest of these.
set(architectures 80-real 90-real 100)
if(CUDAToolkit_VERSION VERSION_LESS 12.8)
  set(architectures 80-real 90)
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${architectures})
endif()
enable_language(CUDA)
set(directory ${PROJECT_SOURCE_DIR}/workloads/accelerator)
add_library(grit_cuda MODULE ${directory}/device.cpp ${directory}/gemm.cpp ${directory}/kernels.cu ${directory}/hog.cpp ${directory}/hog.cu ${directory}/table.cpp ${directory}/why.cpp)
set_target_properties(grit_cuda PROPERTIES
  OUTPUT_NAME grit-cuda PREFIX "" CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Shared INSTALL_RPATH_USE_LINK_PATH ON)
target_include_directories(grit_cuda PRIVATE ${PROJECT_SOURCE_DIR})
# (CMake 3.25 knows of no C++20 for device code.) Its compiler knows no warnings by these names.
target_compile_options(grit_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${GRIT_WERROR}>:-Werror>>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
target_link_libraries(grit_cuda PRIVATE CUDA::cudart CUDA::cublasLt)
if(GRIT_HAVE_NCCL)
  target_sources(grit_cuda PRIVATE ${directory}/communicator.cpp)
  target_compile_definitions(grit_cuda PRIVATE GRIT_MODULE_HAS_NCCL)
  target_include_directories(grit_cuda SYSTEM PRIVATE ${NCCL_INCLUDE_DIR})
  target_link_libraries(grit_cuda PRIVATE ${NCCL_LIBRARY})
endif()
install(TARGETS grit_cuda LIBRARY DESTINATION lib/grit)

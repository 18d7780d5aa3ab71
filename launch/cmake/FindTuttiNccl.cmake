# Makes the targets tutti::nccl and tutti::cudart from the NVIDIA packages that come with the torch wheel: no CUDA toolkit is needed.
#
#   TUTTI_NVIDIA_ROOT   folder that holds nccl/ and cu13/ (site-packages/nvidia); default: beside TUTTI_TORCH_ROOT

set(TUTTI_NVIDIA_ROOT "$ENV{TUTTI_NVIDIA_ROOT}" CACHE PATH "site-packages/nvidia, with NCCL and the CUDA runtime")
set(hints ${TUTTI_NVIDIA_ROOT} ${TUTTI_TORCH_ROOT}/../nvidia)
find_path(TuttiNccl_INCLUDE_DIR nccl.h HINTS ${hints} PATH_SUFFIXES nccl/include NO_DEFAULT_PATH)
find_file(TuttiNccl_LIBRARY libnccl.so.2 HINTS ${hints} PATH_SUFFIXES nccl/lib NO_DEFAULT_PATH)
find_path(TuttiNccl_CUDA_INCLUDE_DIR cuda_runtime_api.h HINTS ${hints} PATH_SUFFIXES cu13/include NO_DEFAULT_PATH)
find_file(TuttiNccl_CUDART_LIBRARY libcudart.so.13 HINTS ${hints} PATH_SUFFIXES cu13/lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TuttiNccl
  REQUIRED_VARS TuttiNccl_LIBRARY TuttiNccl_INCLUDE_DIR TuttiNccl_CUDART_LIBRARY TuttiNccl_CUDA_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "without it the NCCL module is not built, and --device cuda is refused")

if(TuttiNccl_FOUND AND NOT TARGET tutti::nccl)
  add_library(tutti::cudart SHARED IMPORTED)
  set_target_properties(tutti::cudart PROPERTIES
    IMPORTED_LOCATION ${TuttiNccl_CUDART_LIBRARY} IMPORTED_SONAME libcudart.so.13
    INTERFACE_INCLUDE_DIRECTORIES ${TuttiNccl_CUDA_INCLUDE_DIR})
  add_library(tutti::nccl SHARED IMPORTED)
  set_target_properties(tutti::nccl PROPERTIES
    IMPORTED_LOCATION ${TuttiNccl_LIBRARY} IMPORTED_SONAME libnccl.so.2
    INTERFACE_INCLUDE_DIRECTORIES ${TuttiNccl_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES tutti::cudart)
endif()
mark_as_advanced(TuttiNccl_INCLUDE_DIR TuttiNccl_LIBRARY TuttiNccl_CUDA_INCLUDE_DIR TuttiNccl_CUDART_LIBRARY)

# Makes the target tutti::torch from a libtorch folder or the torch wheel.
#
# find_package(Torch) of the CUDA wheels enables the CUDA language and fails with CMake 3.25, and links every CUDA library. We need only
# torch_cpu and c10: the binary starts at once, and runs on machines without a GPU.
#
#   TUTTI_TORCH_ROOT   folder that holds include/ and lib/ (a libtorch folder, or site-packages/torch of the wheel)

set(TUTTI_TORCH_ROOT "$ENV{TUTTI_TORCH_ROOT}" CACHE PATH "libtorch folder, or site-packages/torch of the torch wheel")

# Another root than last time is searched afresh.
if(NOT "${TUTTI_TORCH_ROOT}" STREQUAL "${TuttiTorch_SEARCHED_ROOT}")
  unset(TuttiTorch_INCLUDE_DIR CACHE)
  unset(TuttiTorch_CPU_LIBRARY CACHE)
  unset(TuttiTorch_C10_LIBRARY CACHE)
  unset(TuttiTorch_HAS_ONEDNN CACHE)
  unset(TuttiTorch_HAS_BRGEMM CACHE)
  set(TuttiTorch_SEARCHED_ROOT "${TUTTI_TORCH_ROOT}" CACHE INTERNAL "")
endif()
find_path(TuttiTorch_INCLUDE_DIR ATen/core/Tensor.h HINTS ${TUTTI_TORCH_ROOT}/include NO_DEFAULT_PATH)
find_library(TuttiTorch_CPU_LIBRARY torch_cpu HINTS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(TuttiTorch_C10_LIBRARY c10 HINTS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
if(TuttiTorch_INCLUDE_DIR AND EXISTS ${TuttiTorch_INCLUDE_DIR}/torch/version.h)
  file(STRINGS ${TuttiTorch_INCLUDE_DIR}/torch/version.h version_lines REGEX "#define TORCH_VERSION(_[A-Z]+)? ")
  foreach(part MAJOR MINOR PATCH)
    string(REGEX MATCH "TORCH_VERSION_${part} ([0-9]+)" _ "${version_lines}")
    list(APPEND version_parts ${CMAKE_MATCH_1})
  endforeach()
  list(JOIN version_parts "." TuttiTorch_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TuttiTorch
  REQUIRED_VARS TuttiTorch_CPU_LIBRARY TuttiTorch_C10_LIBRARY TuttiTorch_INCLUDE_DIR
  VERSION_VAR TuttiTorch_VERSION
  REASON_FAILURE_MESSAGE "set TUTTI_TORCH_ROOT to a libtorch folder (>= 2.4), or let launch/setup.sh install one")

if(TuttiTorch_FOUND AND NOT TARGET tutti::torch)
  add_library(tutti::torch INTERFACE IMPORTED)
  # Behind the system's headers: the folder holds a fmt of its own, which must not shadow the one that we link.
  target_compile_options(tutti::torch INTERFACE
    "SHELL:-idirafter ${TuttiTorch_INCLUDE_DIR}" "SHELL:-idirafter ${TuttiTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_compile_definitions(tutti::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
  target_link_libraries(tutti::torch INTERFACE ${TuttiTorch_CPU_LIBRARY} ${TuttiTorch_C10_LIBRARY})
  # at::parallel_for is a template: where it is compiled without OpenMP it is a plain loop on one thread, without a word.
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(tutti::torch INTERFACE OpenMP::OpenMP_CXX)
endif()

# oneDNN inside libtorch: its product, which ids/gemm.cc calls by a symbol whose header is not installed (see there), and its fp32
# micro-kernel for ids/tile_gemm.cc, which older versions do not have.
if(TuttiTorch_FOUND)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES tutti::torch)
  set(CMAKE_REQUIRED_FLAGS "-std=c++20")
  check_cxx_source_compiles("
    #include <ATen/core/Tensor.h>
    namespace at::native {
    void mkldnn_matmul(const at::Tensor&, const at::Tensor&, const at::Tensor&, float, float);
    }
    int main(int argc, char**) {
      const at::Tensor t;
      if (argc > 9) at::native::mkldnn_matmul(t, t, t, 0, 1);
    }" TuttiTorch_HAS_ONEDNN)
  check_cxx_source_compiles("
    #include <ATen/native/CPUBlas.h>
    #include <fbgemm/Utils.h>
    int main(int argc, char**) {
      float x = 1;
      if (argc > 9) at::native::cpublas::brgemm(1, 1, 1, 1, 1, 1, false, &x, &x, &x);
      if (argc > 9) fbgemm::transpose_simd<float>(1, 1, &x, 1, &x, 1);
    }" TuttiTorch_HAS_BRGEMM)
  unset(CMAKE_REQUIRED_LIBRARIES)
  unset(CMAKE_REQUIRED_FLAGS)
endif()
mark_as_advanced(TuttiTorch_INCLUDE_DIR TuttiTorch_CPU_LIBRARY TuttiTorch_C10_LIBRARY)

# How our targets are compiled: tutti_library(NAME SOURCES... LINK ...) and tutti_target(NAME) for anything else of ours.

# -Wno-stringop-overflow: GCC 12 sees an overflow in the fill character of fmt 9 that is none, wherever -O3 inlines fmt::join.
function(tutti_target name)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                         -Wno-stringop-overflow
                                         $<$<BOOL:${TUTTI_WERROR}>:-Werror>)
  # GCC 12 warns of overlapping copies inside std::string's own operator+ and insert (its bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${name} PRIVATE -Wno-restrict)
  endif()
  if(TUTTI_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${TUTTI_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${name} PRIVATE -fsanitize=${TUTTI_SANITIZE})
  endif()
endfunction()

function(tutti_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  tutti_target(${name})
endfunction()

# How our targets are compiled: tutti_library(NAME SOURCES... LINK ...) and tutti_target(NAME) for anything else of ours.

function(tutti_target name)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                         $<$<BOOL:${TUTTI_WERROR}>:-Werror>)
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

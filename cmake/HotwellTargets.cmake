# How every target here is built: one place for language level, warnings, sanitizers, linker and compiler cache.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

find_program(HOTWELL_CCACHE ccache)
if(HOTWELL_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HOTWELL_CCACHE})
endif()
find_program(HOTWELL_MOLD mold)

add_library(hotwell_options INTERFACE)
target_compile_options(hotwell_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wundef -Wimplicit-fallthrough -Wextra-semi
  -Wno-missing-field-initializers  # designated initializers name what they set on purpose
  $<$<BOOL:${HOTWELL_WERROR}>:-Werror>)
if(HOTWELL_MOLD)
  target_link_options(hotwell_options INTERFACE -fuse-ld=mold)
endif()
if(HOTWELL_SANITIZE)
  target_compile_options(hotwell_options INTERFACE -fsanitize=${HOTWELL_SANITIZE} -fno-omit-frame-pointer)
  if(HOTWELL_SANITIZE MATCHES undefined)
    target_compile_options(hotwell_options INTERFACE -fno-sanitize-recover=all)
  endif()
  if(HOTWELL_SANITIZE MATCHES thread)
    target_compile_options(hotwell_options INTERFACE -Wno-tsan)  # Boost.Asio has fences, which TSan does not follow
  endif()
  target_link_options(hotwell_options INTERFACE -fsanitize=${HOTWELL_SANITIZE})
endif()

# hotwell_library(NAME SOURCES ... [LINK public libraries ...] [PRIVATE private libraries ...])
# makes the static library hotwell_NAME of one folder under src/.
function(hotwell_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(hotwell_${name} STATIC ${arg_SOURCES})
  target_include_directories(hotwell_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(hotwell_${name} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:hotwell_options>)
  set_property(GLOBAL APPEND PROPERTY HOTWELL_LIBRARIES hotwell_${name})
endfunction()

# hotwell_executable(NAME SOURCES ... LINK ...)
function(hotwell_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK} hotwell_options)
endfunction()

# hotwell_static(NAME) links an executable with no shared library, for a worker: loading even the C++ library alone
# takes longer than everything else that a new process does before its first job. Sanitizers need shared libraries.
function(hotwell_static name)
  if(NOT HOTWELL_SANITIZE)
    target_link_options(${name} PRIVATE -static)
  endif()
endfunction()

# hotwell_test(NAME SOURCES ... LINK ... [LABELS ...]) makes the GoogleTest executable hotwell_NAME_test;
# every case is a test of its own. Does nothing where tests are off.
function(hotwell_test name)
  if(NOT HOTWELL_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(hotwell_${name}_test ${arg_SOURCES})
  target_include_directories(hotwell_${name}_test PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
  target_link_libraries(hotwell_${name}_test PRIVATE ${arg_LINK} GTest::gtest GTest::gmock hotwell_test_main
                        hotwell_options)
  target_compile_definitions(hotwell_${name}_test PRIVATE
    HOTWELL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" HOTWELL_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  gtest_discover_tests(hotwell_${name}_test DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT 120 LABELS "${name};${arg_LABELS}" SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()

# The functions that the folders' CMakeLists use: sl_library(), sl_test(), sl_command_test(), sl_fuzz().

# The direction of the layers: what each folder of src/ may use, bottom first.
set(SL_FOLDERS base core ledger warehouse rpc pubsub broker worker ops cli)
set(SL_BELOW_base)
set(SL_BELOW_core base)
set(SL_BELOW_ledger base core)
set(SL_BELOW_warehouse base core)
set(SL_BELOW_rpc base)
set(SL_BELOW_pubsub base core rpc)
set(SL_BELOW_broker base core rpc pubsub)
set(SL_BELOW_worker ${SL_BELOW_ledger} ledger warehouse pubsub)
set(SL_BELOW_ops ${SL_BELOW_worker} broker worker)
set(SL_BELOW_cli ${SL_BELOW_ops} ops)

add_library(sl_warnings INTERFACE)
target_compile_options(sl_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wstrict-prototypes
                                             -Wmissing-prototypes -Wformat=2 -Werror)

# The sanitizers' default options, linked into every executable of a sanitized build.
add_library(sl_sanitizers INTERFACE)
if(NOT SLUICE_BUILD STREQUAL "release")
    target_sources(sl_sanitizers INTERFACE ${PROJECT_SOURCE_DIR}/tests/support/sanitizers.c)
endif()

# sl_library(<folder> SOURCES a.c b.c LIBS sl_base PkgConfig::yaml): the static library sl_<folder> of src/<folder>.
function(sl_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    foreach(lib IN LISTS arg_LIBS)
        if(lib MATCHES "^sl_(.+)$" AND NOT CMAKE_MATCH_1 IN_LIST SL_BELOW_${name})
            message(FATAL_ERROR "src/${name} may not use ${lib}: it is not below it (src/sluice.cmake)")
        endif()
    endforeach()
    add_library(sl_${name} STATIC ${arg_SOURCES})
    target_include_directories(sl_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(sl_${name} PUBLIC ${arg_LIBS} PRIVATE sl_warnings)
    if(SLUICE_TESTS AND SLUICE_BUILD STREQUAL "release")
        sl_link_alone(${name})
    endif()
endfunction()

# The whole library against nothing but its own LIBS: a call into a layer above it does not link.
function(sl_link_alone name)
    add_executable(link_${name} ${PROJECT_SOURCE_DIR}/tests/support/link.c)
    target_link_libraries(link_${name} PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,sl_${name}>")
endfunction()

# sl_test(NAME date [SOURCES test_date.c more.c] LIBS sl_base [LABELS slow] [TIMEOUT seconds])
# The Criterion executable test_<name>, from test_<name>.c of the calling folder unless SOURCES says otherwise.
# Its ctest labels are the folder's name and LABELS. No test in it, a leak or a race is a failure.
function(sl_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT" "SOURCES;LIBS;LABELS")
    if(NOT arg_SOURCES)
        set(arg_SOURCES test_${arg_NAME}.c)
    endif()
    add_executable(test_${arg_NAME} ${arg_SOURCES})
    if(SLUICE_BUILD STREQUAL "tsan")
        target_sources(test_${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/criterion_tsan.c)
    endif()
    target_include_directories(test_${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(test_${arg_NAME} PRIVATE ${arg_LIBS} PkgConfig::criterion sl_warnings sl_sanitizers)
    sl_command_test(NAME ${arg_NAME} COMMAND test_${arg_NAME} --jobs 1 LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT})
    set_tests_properties(${arg_NAME} PROPERTIES FAIL_REGULAR_EXPRESSION "Tested: 0 ")
endfunction()

# sl_command_test(NAME n COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/n.sh [LABELS slow] [TIMEOUT seconds])
# Any other test; it finds the binary in $SLUICE.
function(sl_command_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT" "COMMAND;LABELS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()
    get_filename_component(folder "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
    add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
    set_tests_properties(${arg_NAME} PROPERTIES LABELS "${folder};${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
                                                ENVIRONMENT "SLUICE=${PROJECT_BINARY_DIR}/sluice")
endfunction()

# sl_fuzz(<name> <source> LIBS ...): a libFuzzer executable.
function(sl_fuzz name source)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBS")
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE ${arg_LIBS} sl_warnings sl_sanitizers -fsanitize=fuzzer)
endfunction()

# Runs packaging/vcpkg/normalize-h/portfile.cmake with stand-ins for what vcpkg defines:
#   cmake -DTREE=... -DDIR=... -P port.cmake
# They do what the originals do as far as this port sees it. vcpkg itself is not here.
cmake_minimum_required(VERSION 3.14)
set(PORT normalize-h)
set(CURRENT_PACKAGES_DIR "${DIR}/package")

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${ARGN} fails: ${status}")
    endif()
endfunction()
function(vcpkg_cmake_configure)
    cmake_parse_arguments(arg "" SOURCE_PATH OPTIONS ${ARGN})
    run(${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${DIR}/build ${arg_OPTIONS}
        -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR})
endfunction()
function(vcpkg_cmake_install)
    run(${CMAKE_COMMAND} --build ${DIR}/build)
    run(${CMAKE_COMMAND} --install ${DIR}/build)
endfunction()
function(vcpkg_cmake_config_fixup) # moves the config files to share/PACKAGE_NAME
    cmake_parse_arguments(arg "" "PACKAGE_NAME;CONFIG_PATH" "" ${ARGN})
    file(GLOB files "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/*")
    if(NOT files)
        message(FATAL_ERROR "${arg_CONFIG_PATH} is empty")
    endif()
    foreach(file ${files})
        get_filename_component(name ${file} NAME)
        file(READ ${file} text) # share/normalize is one folder less deep
        string(REPLACE [[get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)]]
            [[get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)]] text "${text}")
        file(WRITE "${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME}/${name}" "${text}")
    endforeach()
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
    cmake_parse_arguments(arg "" "" FILE_LIST ${ARGN})
    file(INSTALL ${arg_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}"
        RENAME copyright)
endfunction()
include("${TREE}/packaging/vcpkg/normalize-h/portfile.cmake")

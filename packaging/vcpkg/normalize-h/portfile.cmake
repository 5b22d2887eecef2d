# A port of this very tree: vcpkg install normalize-h --overlay-ports=packaging/vcpkg
# Elsewhere vcpkg_from_github, with the tag and the hash of a release, gives SOURCE_PATH.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

set(VCPKG_BUILD_TYPE release) # a header is the same in both
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS -DNORMALIZE_LIBRARY=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME normalize CONFIG_PATH lib/cmake/normalize)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")

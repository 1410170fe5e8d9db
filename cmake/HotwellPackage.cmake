# `make deb`: the Debian packages hotwell (programs, service, configuration) and libhotwell-dev (headers and libraries).
# They are for people who install Hotwell on their own machines; an upload to Debian would want its own source package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hotwell)
set(CPACK_PACKAGE_VENDOR "The Hotwell authors")
set(CPACK_PACKAGE_CONTACT "The Hotwell authors <hotwell@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL program service library service-dev)
set(CPACK_COMPONENT_PROGRAM_GROUP program)
set(CPACK_COMPONENT_SERVICE_GROUP program)
set(CPACK_COMPONENT_LIBRARY_GROUP library)
set(CPACK_COMPONENT_SERVICE-DEV_GROUP library)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME hotwell)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "performance engine for services that do expensive work
 A worker pool of warm isolated processes, a cache over memory, disk and
 streamed chunks, and a monitor with alerts and a live dashboard, as a daemon
 with an HTTP API and a command line. The built-in job is media work on libav.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
  ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libhotwell-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "performance engine for services that do expensive work (development files)
 Headers, static libraries and the CMake package that gives hotwell::hotwell.")
# What cmake/hotwell-config.cmake.in looks for, and the spawner that a pool starts.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS
  "hotwell (= ${PROJECT_VERSION}), libboost1.81-dev, libboost-json1.81-dev, libfmt-dev, libspdlog-dev, libssl-dev, libxxhash-dev, libseccomp-dev, libtomlplusplus-dev, libsqlite3-dev, libcurl4-openssl-dev, pkg-config")

include(CPack)

# What `make build` builds and `make install` installs: programs, public headers, the libraries behind them, and the
# CMake package that gives hotwell::hotwell.
include(CMakePackageConfigHelpers)

# The libraries of a program that embeds Hotwell. Media and server are the programs' own: the first needs libav, which
# lives in a process of its own, the second would only be asked for by the daemon.
get_property(libraries GLOBAL PROPERTY HOTWELL_LIBRARIES)
list(REMOVE_ITEM libraries hotwell_media hotwell_server)

# Every library at once: `hotwell::hotwell`, in this tree (examples) as in the installed package.
add_library(hotwell_hotwell INTERFACE)
target_link_libraries(hotwell_hotwell INTERFACE ${libraries})
add_library(hotwell::hotwell ALIAS hotwell_hotwell)

# The programs, found by what apps/ made.
set(programs)
set(helpers)
if(TARGET hotwell)
  list(APPEND programs hotwell)
endif()
foreach(helper hotwell-spawner hotwell-lines hotwell-media-worker)
  if(TARGET ${helper})
    list(APPEND helpers ${helper})
  endif()
endforeach()
add_custom_target(product DEPENDS ${libraries} ${programs} ${helpers})
if(TARGET hotwell-sample-clip)
  add_dependencies(product hotwell-sample-clip)
endif()

# Components, for the Debian packages (HotwellPackage.cmake): program is what runs, library what others build against,
# and service what only a package may put into the system's own folders.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME library)
install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
# The helpers are nobody's commands: the pool looks for them beside its program and here.
install(TARGETS ${helpers} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/hotwell COMPONENT program)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/hotwell DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
install(FILES ${PROJECT_SOURCE_DIR}/hotwell.example.toml ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotwell COMPONENT program)
configure_file(${PROJECT_SOURCE_DIR}/deploy/systemd/hotwell.service.in ${PROJECT_BINARY_DIR}/hotwell.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hotwell.service DESTINATION lib/systemd/system COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/hotwell.example.toml DESTINATION /etc/hotwell RENAME hotwell.toml COMPONENT service
  EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hotwell RENAME copyright COMPONENT service
  EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libhotwell-dev RENAME copyright
  COMPONENT service-dev EXCLUDE_FROM_ALL)

foreach(library ${libraries} hotwell_hotwell)
  string(REGEX REPLACE "^hotwell_" "" name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${library} INTERFACE cxx_std_23)
endforeach()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hotwell)
install(TARGETS ${libraries} hotwell_hotwell EXPORT hotwell ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT hotwell NAMESPACE hotwell:: FILE hotwell-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/hotwell-config.cmake.in
  ${PROJECT_BINARY_DIR}/hotwell-config.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_LIBEXECDIR NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hotwell-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hotwell-config.cmake ${PROJECT_BINARY_DIR}/hotwell-config-version.cmake
  DESTINATION ${package_dir})

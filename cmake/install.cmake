# What `make install` puts below DESTDIR: headers, both forms of both libraries, the command, manual pages, units and their
# files, and the two descriptions of the libraries (pkg-config and CMake).
include(CMakePackageConfigHelpers)

install(DIRECTORY include/coapsule DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set_target_properties(coapsule-core PROPERTIES EXPORT_NAME core-static)
set_target_properties(coapsule-core-shared PROPERTIES EXPORT_NAME core)
set_target_properties(coapsule PROPERTIES EXPORT_NAME coapsule-static)
set_target_properties(coapsule-shared PROPERTIES EXPORT_NAME coapsule)
install(TARGETS coapsule-core coapsule-core-shared coapsule coapsule-shared EXPORT coapsule-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# Relative to where the file stands, so that an installation can be moved.
file(RELATIVE_PATH PREFIX_FROM_PKGCONFIG /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
foreach(library coapsule-core coapsule)
    configure_file(cmake/${library}.pc.in ${library}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${library}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/coapsule)
install(EXPORT coapsule-targets NAMESPACE coapsule:: DESTINATION ${package_dir})
configure_package_config_file(cmake/coapsule-config.cmake.in coapsule-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(coapsule-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/coapsule-config.cmake ${CMAKE_BINARY_DIR}/coapsule-config-version.cmake
    DESTINATION ${package_dir})

foreach(section 1 3 5 7)
    file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

# What a host needs to run the daemons: units, and a file each that opens nothing. Written when they are installed, since
# `cmake --install --prefix` says where that is.
install(CODE "set(source \"${CMAKE_SOURCE_DIR}/packaging\")
set(made \"${CMAKE_BINARY_DIR}/packaging\")
set(bindir \"${CMAKE_INSTALL_BINDIR}\")")
install(SCRIPT cmake/install-units.cmake)
install(FILES packaging/grafana/coapsule.json packaging/prometheus/coapsule.rules.yml
    DESTINATION ${CMAKE_INSTALL_DATADIR}/coapsule)
install(FILES packaging/completion/coapsule.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME coapsule)
install(FILES packaging/completion/_coapsule DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES docs/access.md docs/operation.md docs/threats.md docs/threads.md docs/keyring.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR})

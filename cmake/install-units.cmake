# Runs at installation: units name the command and its file where they are installed. Settings of a system that is installed
# below /usr are in /etc.
set(BINDIR ${CMAKE_INSTALL_PREFIX}/${bindir})
set(SYSCONFDIR ${CMAKE_INSTALL_PREFIX}/etc)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(SYSCONFDIR /etc)
endif()
foreach(daemon serve proxy)
    configure_file(${source}/systemd/coapsule-${daemon}.service.in ${made}/coapsule-${daemon}.service @ONLY)
    file(INSTALL ${made}/coapsule-${daemon}.service DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
    file(INSTALL ${source}/etc/${daemon}.yaml DESTINATION ${SYSCONFDIR}/coapsule)
endforeach()

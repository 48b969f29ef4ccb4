# One library in two forms from the same objects: NAME (static) and NAME-shared (lib NAME.so with a versioned soname,
# exporting only what the public headers mark with CPS_API).
function(add_coapsule_library name)
    cmake_parse_arguments(LIB "" "" "OBJECTS;LINKS" ${ARGN})
    add_library(${name} STATIC ${LIB_OBJECTS})
    add_library(${name}-shared SHARED ${LIB_OBJECTS})
    set_target_properties(${name}-shared PROPERTIES
        OUTPUT_NAME ${name} VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE C)
    target_include_directories(${name} PUBLIC
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_include_directories(${name}-shared PUBLIC
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${name} PUBLIC ${LIB_LINKS})
    target_link_libraries(${name}-shared PRIVATE ${LIB_LINKS})
    if(NOT COAPSULE_SANITIZE)
        # A room that reaches for what its library must not have fails here. (Sanitizers leave symbols open.)
        target_link_options(${name}-shared PRIVATE -Wl,--no-undefined -Wl,--as-needed)
    endif()
endfunction()

# Man pages and shell completion: the program writes them of its own help.
set(manual ${PROJECT_BINARY_DIR}/manual)
add_custom_command(OUTPUT ${manual}/man1/grit.1 COMMAND ${CMAKE_COMMAND} -E rm -rf ${manual} COMMAND grit manual ${manual} DEPENDS grit
                   COMMENT "Writing man pages and shell completion")
add_custom_target(manual ALL DEPENDS ${manual}/man1/grit.1)
install(DIRECTORY ${manual}/man1 DESTINATION share/man)
install(FILES ${manual}/grit.bash DESTINATION share/bash-completion/completions RENAME grit)
install(FILES ${manual}/grit.fish DESTINATION share/fish/vendor_completions.d)
# Where Debian's zsh looks below /usr, and where it looks below /usr/local and others' look below /usr.
install(FILES ${manual}/_grit DESTINATION share/zsh/vendor-completions)
install(FILES ${manual}/_grit DESTINATION share/zsh/site-functions)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME grit)
set(CPACK_PACKAGE_CONTACT "grit developers <grit@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "openmpi-bin")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
include(CPack)

# hotwell_page(VARIABLE) puts into VARIABLE the files of the page at /: the dashboard, bundled by esbuild from web/, or,
# with -DHOTWELL_DASHBOARD=OFF, a page that says that it is not there. Nothing is fetched: esbuild is a Debian package.
option(HOTWELL_DASHBOARD "Build the dashboard (needs the program esbuild)" ON)

function(hotwell_page files)
  if(NOT HOTWELL_DASHBOARD)
    set(${files} ${PROJECT_SOURCE_DIR}/web/plain/index.html PARENT_SCOPE)
    return()
  endif()
  find_program(HOTWELL_ESBUILD esbuild)
  if(NOT HOTWELL_ESBUILD)
    message(FATAL_ERROR "The dashboard is bundled by esbuild, which is not on the PATH. Install the package esbuild "
      "(scripts/bootstrap build does), or configure with -DHOTWELL_DASHBOARD=OFF to build without the dashboard.")
  endif()
  set(web ${PROJECT_SOURCE_DIR}/web)
  set(built ${PROJECT_BINARY_DIR}/web)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${web}/src/*.ts)
  # Browsers since 2021: what the page uses besides (CSS nesting, top-level await) it does not.
  set(flags --bundle --minify --legal-comments=none --log-level=warning --charset=utf8 --target=es2021,chrome90,firefox90,safari15)
  add_custom_command(OUTPUT ${built}/app.js
    COMMAND ${HOTWELL_ESBUILD} ${web}/src/main.ts ${flags} --outfile=${built}/app.js
    DEPENDS ${sources} ${web}/tsconfig.json COMMENT "Bundling the dashboard" VERBATIM)
  add_custom_command(OUTPUT ${built}/style.css
    COMMAND ${HOTWELL_ESBUILD} ${web}/style.css ${flags} --outfile=${built}/style.css
    DEPENDS ${web}/style.css COMMENT "Bundling the dashboard's style" VERBATIM)
  set(${files} ${web}/index.html ${built}/app.js ${built}/style.css PARENT_SCOPE)
endfunction()

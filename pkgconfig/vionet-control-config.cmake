# SPDX-License-Identifier: BSD-2-Clause
# find_package(vionet-control) and target_link_libraries(program vionet-control::vionet-control): what pkg-config says, as a target of CMake.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(vionet-control REQUIRED IMPORTED_TARGET GLOBAL vionet-control)
if(NOT TARGET vionet-control::vionet-control)
  add_library(vionet-control::vionet-control ALIAS PkgConfig::vionet-control)
endif()

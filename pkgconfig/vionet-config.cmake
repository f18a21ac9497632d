# SPDX-License-Identifier: BSD-2-Clause
# find_package(vionet) and target_link_libraries(program vionet::vionet): what pkg-config says, as a target of CMake.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(vionet REQUIRED IMPORTED_TARGET GLOBAL vionet)
if(NOT TARGET vionet::vionet)
  add_library(vionet::vionet ALIAS PkgConfig::vionet)
endif()

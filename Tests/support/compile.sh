# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: where things are, and how a test program is built, which is how any user's program is: with pkg-config
# against an installed tree.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build
stage=$build/stage
export PKG_CONFIG_PATH=$stage/lib/pkgconfig
# For the test programs that want to know.
export VIONET_TEST_ROOT=$root VIONET_TEST_STAGE=$stage

program_name() { # Tests/abi/errors.c -> abi-errors
  local folder=${1%/*} name=${1##*/}
  echo "${folder##*/}-${name%.*}"
}

compile() { # file, further compiler arguments...: the program is build/test-bin/FOLDER-NAME
  local file=$1 source=$root/$1 out compiler=${CC:-gcc} flags=(-std=gnu11) package=vionet
  out=$build/test-bin/$(program_name "$file")
  shift
  case $file in /*) source=$file ;; esac
  mkdir -p "$build/test-bin" || return 1
  if grep -q '^#include \("\(../support/\)\?control_client.h"\|<vionet-control.h>\)' "$source"; then package=vionet-control; fi
  case $file in *.cpp) compiler=${CXX:-g++} flags=(-std=c++11) ;; esac
  # shellcheck disable=SC2046
  $compiler "${flags[@]}" -O2 -g -Wall -Wextra -Werror -pthread $(pkg-config --cflags $package) "$@" "$source" \
    -o "$out" $(pkg-config --libs $package) -Wl,-rpath,"$stage/lib"
}

# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: where things are, and how a test program is built, which is how any user's program is: with pkg-config
# against an installed tree.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build linker_flags=''
# What `make ARCH=arm64` built runs in an emulator. An old kind of run path reaches the libraries of a library, too.
if [ "${VIONET_ARCH-}" = arm64 ]; then
  build=$root/build/arm64 CC=aarch64-linux-gnu-gcc
  libraries=$build/sysroot/usr/lib/aarch64-linux-gnu
  export PKG_CONFIG_LIBDIR=$libraries/pkgconfig
  linker_flags="-L$libraries -Wl,--disable-new-dtags,-rpath,$libraries"
  VIONET_TEST_EMULATOR=$(command -v qemu-aarch64-static)
  export VIONET_TEST_EMULATOR QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
fi
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
  # shellcheck disable=SC2046,SC2086 # lists
  $compiler "${flags[@]}" $linker_flags -O2 -g -Wall -Wextra -Werror -pthread $(pkg-config --cflags $package) "$@" "$source" \
    -o "$out" $(pkg-config --libs $package) -Wl,-rpath,"$stage/lib"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes what a guest is booted from, in build/guest; nothing of it is installed or committed. VIONET_GUEST_SUITE names another
# release of Debian whose newest kernel the guest gets, such as trixie or trixie-backports; then it is in build/guest-SUITE.
#
#   Tests/guest/build-guest.sh [--testpmd] [--vionetctl] [--iperf3] [--vdpa] [--cgroups]
#
#   build/guest/vmlinuz      a Debian kernel, downloaded once with apt-get, unpacked, kept
#   build/guest/system.cpio  busybox, the kernel modules a test may want, init
#   build/guest/vionet.cpio  our library, the examples and programs/, with the libraries they are linked to
#   build/guest/testpmd.cpio with --testpmd: DPDK's testpmd with the few drivers it needs here
#   build/guest/vionetctl.cpio with --vionetctl: the tool
#   build/guest/iperf3.cpio  with --iperf3: iperf3
#   build/guest/cgroups.cpio with --cgroups: bash, and the test of memory that runs short
#   build/guest/vdpa.cpio    with --vdpa: vDPA modules, built from the kernel's source since Debian's kernel lacks them
#
# The kernel unpacks archives that follow one another, so each test takes the parts it needs. They are not compressed: an
# emulated processor takes longer to unpack than QEMU to copy. A part that is newer than its sources is kept.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../support/suites.sh
. "$root/Tests/support/suites.sh"
here=$root/Tests/guest
other=${VIONET_GUEST_SUITE:-}
store=$build/guest${other:+-$other}

# Kernel modules, which bring those they depend on. Each test loads what it needs, such as VFIO or UIO.
modules="virtio_pci virtio_net vfio vfio_iommu_type1 vfio-pci uio uio_pci_generic tun bridge vhost_net"
# testpmd opens these by name, beside the libraries that it is linked to.
plugins="librte_bus_pci librte_bus_vdev librte_mempool_ring librte_net_virtio"

# Files of the kernel's source: those of vDPA, and those of VFIO, which Debian builds without VFIO_NOIOMMU.
vdpa_sources=$(printf 'linux-source-6.1/drivers/%s ' vdpa/vdpa.c vdpa/vdpa_sim/vdpa_sim.{c,h} vdpa/vdpa_sim/vdpa_sim_net.c \
  vdpa/virtio_pci/vp_vdpa.c vhost/vdpa.c vhost/vhost.h vhost/vringh.c)
vfio_sources=$(printf 'linux-source-6.1/drivers/vfio/%s ' vfio_main.c container.c iova_bitmap.c vfio.h)

# The newest kernel of Debian 12's own line, where this machine has that, "linux-image-6.1.0-37-amd64"; else the newest of this
# or the other release, "linux-image-6.12.9+deb13-amd64".
newest_kernel() {
  local own='linux-image-6\.1\.0-[0-9]+-amd64' form='linux-image-[0-9][0-9.]*(\+deb[0-9]+)?(-[0-9]+)?-amd64'
  if [ -z "$other" ] && apt-cache pkgnames linux-image-6.1.0- 2>/dev/null | grep -qxE "$own"; then form=$own; fi
  apt-cache "${suite[@]}" pkgnames linux-image- 2>/dev/null | grep -xE "$form" | sort -V | tail -n 1
}

# parts_of IMAGE: the packages that have its files. Since Debian 14 they are no longer in one.
parts_of() {
  local part
  echo "$1"
  for part in base binary modules; do
    apt-cache "${suite[@]}" pkgnames "linux-$part-${1#linux-image-}" 2>/dev/null | grep -xF "linux-$part-${1#linux-image-}"
  done
}

# download_kernel FOLDER: the packages from the server. The package lists here may be missing or old, so they are updated once.
download_kernel() {
  local package attempt suite=()
  [ -z "$other" ] || lists_of "$other" "$1/apt" >"$1/update.out" 2>&1
  for attempt in 1 2; do
    package=$(newest_kernel)
    # shellcheck disable=SC2046 # names
    if [ -n "$package" ] && (cd "$1" && apt-get "${suite[@]}" download -qq $(parts_of "$package") >download.out 2>&1); then
      echo "kernel: $package"
      return 0
    fi
    [ -z "$other" ] && [ "$attempt" -eq 1 ] && [ "$(id -u)" -eq 0 ] && apt-get update -qq >"$1/update.out" 2>&1
  done
  cat "$1"/*.out 2>/dev/null
  skip "the guest's kernel, a package linux-image-*-amd64 of ${other:-this release}, cannot be downloaded"
}

# Makes vmlinuz and, in modules/, a tree with only those modules that a test can load. vmlinuz comes last: if it is there,
# all of it is.
make_kernel() {
  local release module file
  mkdir -p "$work/kernel" "$work/slim"
  download_kernel "$work"
  for file in "$work"/linux-*.deb; do dpkg -x "$file" "$work/kernel" || fail "unpacking the kernel's packages"; done
  [ -d "$work/kernel/lib" ] || ln -s usr/lib "$work/kernel/lib"
  release=$(basename "$work"/kernel/lib/modules/*)
  find "$work/kernel/lib/modules/" -name '*.ko.xz' -exec unxz {} +
  depmod -b "$work/kernel" "$release" || fail "depmod"
  for module in $modules; do
    # A line "path/a.ko: path/b.ko path/c.ko" has all dependencies, indirect ones too. A module's file may have "-" where
    # its name has "_". Newer kernels have some of them built in.
    grep -E "(^|/)${module//[-_]/[-_]}\.ko:" "$work/kernel/lib/modules/$release/modules.dep" >>"$work/lines" ||
      grep -qE "/${module//[-_]/[-_]}\.ko$" "$work/kernel/lib/modules/$release/modules.builtin" ||
      fail "the kernel $release has no module $module"
  done
  tr -d : <"$work/lines" | tr ' ' '\n' | sort -u >"$work/wanted"
  while read -r file; do
    install -D -m 644 "$work/kernel/lib/modules/$release/$file" "$work/slim/lib/modules/$release/$file"
  done <"$work/wanted"
  cp "$work/kernel/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$work/slim/lib/modules/$release/"
  depmod -b "$work/slim" "$release" || fail "depmod"
  rm -rf "$store/modules"
  mv "$work/slim" "$store/modules"
  file=$work/kernel/boot/vmlinuz-$release
  [ -e "$file" ] || file=$work/kernel/lib/modules/$release/vmlinuz
  mv "$file" "$store/vmlinuz" || fail "the packages have no kernel"
  echo "$release" >"$store/release"
  echo "$modules" >"$store/modules.wanted"
  touch "$store/vmlinuz"
}

# Builds vDPA's modules, and VFIO's for functions without an IOMMU. This downloads some 150 MB and keeps half a megabyte.
make_modules() {
  local folder=$work/vdpa tree=$work/tree release file name
  release=$(basename "$store"/modules/lib/modules/*)
  [[ $release == 6.1.* ]] || skip "the modules of vDPA and of VFIO without an IOMMU are built for Linux 6.1 only"
  need gcc-12 gcc-12
  mkdir -p "$tree/vdpa" "$folder/vdpa" "$work/noiommu/noiommu"
  (cd "$tree" && apt-get download -qq "linux-headers-$release" "linux-headers-${release%-amd64}-common" linux-kbuild-6.1 \
    linux-source-6.1 >download.out 2>&1) || { cat "$tree/download.out"; skip "the source of the guest's kernel cannot be downloaded"; }
  for file in "$tree"/linux-headers-*.deb "$tree"/linux-kbuild-*.deb; do dpkg -x "$file" "$tree" || fail "unpacking $file"; done
  sed -i "s|/usr/src|$tree/usr/src|" "$tree/usr/src/linux-headers-$release/Makefile"
  # tar ends once it has these files, and the programs that feed it then fail.
  # shellcheck disable=SC2086 # a list
  (cd "$tree" && dpkg-deb --fsys-tarfile linux-source-*.deb 2>/dev/null | tar -xO ./usr/src/linux-source-6.1.tar.xz 2>/dev/null |
    tar -xJ --occurrence=1 --strip-components=2 $vdpa_sources $vfio_sources) || fail "unpacking the kernel's source"
  mv "$tree/vhost/vdpa.c" "$tree/vdpa/vhost_vdpa.c"
  find "$tree/vdpa/"* "$tree/vhost" -mindepth 1 -exec mv -t "$tree/vdpa" {} +
  echo "ccflags-y += -DCONFIG_VHOST_IOTLB_MODULE=1
obj-m += vdpa.o vringh.o vdpa_sim.o vdpa_sim_net.o vp_vdpa.o vhost_vdpa.o" >"$tree/vdpa/Kbuild"
  echo "ccflags-y += -DCONFIG_VFIO_NOIOMMU=1
obj-m += vfio.o
vfio-y := vfio_main.o container.o iova_bitmap.o" >"$tree/vfio/Kbuild"
  for name in vdpa vfio; do
    make -s -C "$tree/usr/src/linux-headers-$release" M="$tree/$name" modules >"$tree/make.out" 2>&1 ||
      { cat "$tree/make.out"; fail "building $name"; }
  done
  cp "$tree"/vdpa/*.ko "$folder/vdpa/"
  cp "$tree"/vfio/vfio.ko "$work/noiommu/noiommu/"
  pack noiommu
  mkdir -p "$folder/bin"
  cp -L "$(command -v vdpa)" "$folder/bin/vdpa"
  with_libraries "$folder" "$folder/bin/vdpa"
  pack vdpa
}

# pack NAME: makes an archive of the folder $work/NAME. It appears whole or not at all, also when this is interrupted.
pack() {
  (cd "$work/$1" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$work/$1.cpio" || fail "packing $1"
  mv "$work/$1.cpio" "$store/$1.cpio"
  echo "$1.cpio: $(($(stat -c %s "$store/$1.cpio") >> 20)) MB"
}

# with_libraries FOLDER program...: copies the libraries that they are linked to, to the same place there. Links stay
# links: DPDK opens some libraries a second time by another name and has to see that they are the same.
with_libraries() {
  local folder=$1 file real
  shift
  # Lines are "name => /path (address)", and "/path (address)" for the loader. A program may need no library.
  ldd "$@" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p' | sort -u | while read -r file; do
    case $file in "$build"/*) continue ;; esac
    real=$(readlink -f "$file")
    mkdir -p "$folder/${file%/*}" "$folder/${real%/*}"
    cp "$real" "$folder/$real"
    [ "$real" = "$file" ] || ln -sf "$real" "$folder/$file"
  done
}

make_system() {
  local folder=$work/system name
  mkdir -p "$folder"/{bin,dev,proc,run,sys,tmp,var}
  cp -a "$store/modules/." "$folder/"
  cp "$(command -v busybox)" "$folder/bin/busybox"
  ln -s bin "$folder/sbin"
  ln -s ../run "$folder/var/run"
  for name in sh mount; do ln -s busybox "$folder/bin/$name"; done
  install -m 755 "$here/init" "$folder/init"
  pack system
}

# The folders are those of build/, because the examples look for the library beside them.
make_vionet() {
  local folder=$work/vionet name
  mkdir -p "$folder/vionet/examples" "$folder/vionet/bin"
  for name in large-frames odd-frames odd-frames-vdpa pci-port transfer tuner vdpa-port vhost-net-port; do
    # shellcheck disable=SC2016 # $ORIGIN is the loader's
    compile "Tests/guest/programs/$name.c" -I"$root/Tests/support" -Wl,--no-as-needed,-lbsd,-rpath,'$ORIGIN/..' || fail "compiling $name.c"
    cp "$build/test-bin/programs-$name" "$folder/vionet/bin/$name"
  done
  cp -a "$build"/libvionet{,-control}.so* "$folder/vionet/"
  cp -a "$examples"/* "$folder/vionet/examples/"
  with_libraries "$folder" "$examples"/* "$build"/libvionet{,-control}.so
  pack vionet
}

make_testpmd() {
  local folder=$work/testpmd program place name
  program=$(command -v dpdk-testpmd)
  mkdir -p "$folder/bin"
  cp -L "$program" "$folder/bin/testpmd"
  # DPDK looks for its drivers in a folder that was fixed when it was built, by its real name.
  place=$(dirname "$(ldd "$program" | sed -n 's|.* => \(/[^ ]*/librte_eal\.so[^ ]*\).*|\1|p' | xargs readlink -f)")
  place=$(find "$place/dpdk" -maxdepth 1 -name 'pmds-*' | sort -V | tail -n 1)
  [ -n "$place" ] || fail "DPDK's drivers are not where its libraries are"
  mkdir -p "$folder/$place"
  for name in $plugins; do
    cp -L "$place/$name".so.*.* "$folder/$place/" || fail "DPDK has no $name"
  done
  with_libraries "$folder" "$program" "$folder/$place"/*
  pack testpmd
}

# vionetctl lies beside the library, which it looks for from its own place.
make_vionetctl() {
  local folder=$work/vionetctl
  mkdir -p "$folder/vionet/bin"
  cp "$build/bin/vionetctl" "$folder/vionet/bin/"
  with_libraries "$folder" "$build/bin/vionetctl"
  pack vionetctl
}

make_iperf3() {
  local folder=$work/iperf3
  mkdir -p "$folder/bin"
  cp -L "$(command -v iperf3)" "$folder/bin/iperf3"
  with_libraries "$folder" "$folder/bin/iperf3"
  pack iperf3
}

# The test with its folders, in a tree of its own. The library is in another archive.
make_cgroups() {
  local folder=$work/cgroups file
  compile Tests/support/short_of_memory.c || fail "compiling short_of_memory.c"
  for file in Tests/abi/memory_pressure.sh Tests/support/{cgroups,compile,lib}.sh; do
    install -D -m 755 "$root/$file" "$folder/tree/$file"
  done
  install -D -m 755 "$build/test-bin/support-short_of_memory" "$folder/tree/build/test-bin/support-short_of_memory"
  mkdir -p "$folder/bin"
  for file in bash flock; do cp -L "$(command -v $file)" "$folder/bin/$file"; done
  with_libraries "$folder" "$folder/bin/bash" "$folder/bin/flock" "$build/libvionet.so"
  pack cgroups
}

# stale ARCHIVE source...: one of the sources is newer.
stale() {
  local archive=$store/$1.cpio source
  shift
  [ -e "$archive" ] || return 0
  for source; do
    [ -z "$(find "$source" -newer "$archive" -print -quit)" ] || return 0
  done
  return 1
}

testpmd=0 vionetctl=0 iperf3=0 modules_too=0 cgroups=0
for argument; do
  case $argument in
    --testpmd) testpmd=1 ;;
    --vionetctl) vionetctl=1 ;;
    --iperf3) iperf3=1 ;;
    --cgroups) cgroups=1 ;;
    --vdpa | --noiommu) modules_too=1 ;;
    *) echo "usage: Tests/guest/build-guest.sh [--testpmd] [--vionetctl] [--iperf3] [--vdpa] [--noiommu] [--cgroups]" >&2; exit 2 ;;
  esac
done
need busybox busybox-static
need cpio cpio
need depmod kmod
need dpkg dpkg
need ldd libc-bin
need unxz xz-utils
file=$(ldd "$(command -v busybox)" 2>&1) && skip "busybox is linked to ${file//[[:space:]]/ }: install busybox-static"
[ -e "$build/libvionet.so" ] || fail "the library is not built: run make first"
mkdir -p "$store"
# Two tests at the same time would write the same files.
exec 9>"$store/lock"
flock 9

# This script decides what is in the parts, so each of them is also older than it. The kernel stays until this script
# names other modules.
if ! [ -d "$store/modules" ] || [ "$(cat "$store/modules.wanted" 2>&1)" != "$modules" ]; then make_kernel; fi
stale system "$0" "$here/init" "$store/vmlinuz" && make_system
stale vionet "$0" "$build"/libvionet{,-control}.so.*.*.* "$examples"/ "$here"/programs/*.[ch] "$root"/Tests/support/*.h && make_vionet
if [ "$vionetctl" -eq 1 ]; then
  [ -x "$build/bin/vionetctl" ] || fail "vionetctl is not built: run make vionetctl first"
  stale vionetctl "$0" "$build/bin/vionetctl" && make_vionetctl
fi
if [ "$iperf3" -eq 1 ]; then
  need iperf3 iperf3
  stale iperf3 "$0" "$(command -v iperf3)" && make_iperf3
fi
if [ "$cgroups" -eq 1 ]; then
  stale cgroups "$0" "$build"/libvionet.so.*.*.* "$root"/Tests/abi/memory_pressure.sh "$root"/Tests/support/{short_of_memory.c,*.sh,*.h} &&
    make_cgroups
fi
if [ "$modules_too" -eq 1 ]; then
  need vdpa iproute2
  { stale vdpa "$store/vmlinuz" "$(command -v vdpa)" || stale noiommu "$store/vmlinuz"; } && make_modules
fi
if [ "$testpmd" -eq 1 ]; then
  need dpdk-testpmd dpdk-dev
  stale testpmd "$0" "$(command -v dpdk-testpmd)" && make_testpmd
fi
exit 0

# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: packages of another release of Debian than this machine's, from where this machine's come. Nothing is installed, and
# the lists of this machine stay as they are.

# mirror_of_debian: where this machine's packages come from, by the file that says so.
sources=/etc/apt/sources.list.d/debian.sources
[ -e $sources ] || sources=/etc/apt/sources.list
mirror_of_debian() { awk '/^URIs:/ { print $2; exit } $1 == "deb" { print $2; exit }' $sources; }

# lists_of SUITE FOLDER: fetches the suite's list of packages into the folder, and sets "suite" to the options by which apt-get
# and apt-cache use it.
lists_of() {
  local mirror
  mirror=$(mirror_of_debian)
  mkdir -p "$2"/{lists,cache/archives}/partial || return
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$2/sources"
  chmod -R a+rX "$2"
  suite=(-o Dir::Etc::SourceList="$2/sources" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$2/lists"
    -o Dir::Cache="$2/cache" -o APT::Sandbox::User=root)
  apt-get -q "${suite[@]}" update
}

# unpack_closure SUITE FOLDER PACKAGE...: unpacks the newest of these packages, which may be newer than this machine's, with all
# that they depend on.
unpack_closure() (
  local from=$1 folder=$2 scratch
  shift 2
  mkdir -p "${folder%/*}" && scratch=$(mktemp -d "${folder%/*}/new.XXXXXX") || return
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$scratch/debs" "$scratch/tree"
  lists_of "$from" "$scratch/apt" && : >"$scratch/none" || return
  # As on a machine that has nothing yet.
  apt-get -qy "${suite[@]}" -o Dir::State::status="$scratch/none" --no-install-recommends --download-only install "$@" || return
  mv "$scratch/apt/cache/archives"/*.deb "$scratch/debs/" && cd "$scratch/debs" && unpack_debs "$scratch/tree" "$folder"
)

# unpack_debs SCRATCH FOLDER: the packages that lie here, and a list of their versions. FOLDER is there whole or not at all.
unpack_debs() {
  local package
  for package in *.deb; do
    dpkg -x "$package" "$1" && echo "$(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version)" >>"$1/versions" || return
  done
  rm -rf "$2" && mv "$1" "$2"
}

# version_in FOLDER PACKAGE
version_in() { awk -v package="$2" '$1 == package { print $2; exit }' "$1/versions"; }

# libraries_of FOLDER: sets "libraries", and "loader", by which a program of the folder runs with them on this machine.
libraries_of() {
  loader=$(echo "$1"/usr/lib/*/ld-linux-*.so.*)
  libraries=${loader%/*}
}

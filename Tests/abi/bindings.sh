#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Python and Rust: the declarations in examples/ are those that Tools/bindings.py writes from vionet.h; sizes, offsets and
# constants are C's; every function that the library exports is declared there and called through them.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
need rustc rustc
export LC_ALL=C LD_LIBRARY_PATH=$stage/lib VIONET_LIBRARY=$stage/lib/libvionet.so.0
export PYTHONPATH=$root/examples/python PYTHONDONTWRITEBYTECODE=1

rust() { # source, program
  rustc --edition 2021 -O -D warnings -A dead_code "$1" -L "$stage/lib" -o "$2" || fail "compiling $1"
}

up_to_date() {
  "$root/Tools/bindings.py" --check || fail "the bindings are not those of vionet.h"
  # It can fail: a tree whose header has one function more, and one with a form that the script does not read.
  mkdir -p "$work/tree/Tools"
  cp -r "$root/include" "$root/examples" "$work/tree/"
  cp "$root/Tools/bindings.py" "$work/tree/Tools/"
  sed -i 's/^int vionet_stop(/int vionet_pause(uint16_t port);\n&/' "$work/tree/include/vionet.h"
  gives 1 "$work/tree/Tools/bindings.py" --check
  said 'examples/python/vionet.py, examples/rust/vionet.rs'
  gives 1 "$work/tree/Tools/bindings.py" --wrong
  "$work/tree/Tools/bindings.py" || fail "a new function cannot be written"
  "$work/tree/Tools/bindings.py" --check || fail "what was written is not up to date"
  grep -q '"vionet_pause"' "$work/tree/examples/python/vionet.py" || fail "a new function was not written"
  sed -i 's/^int vionet_stop(/union vionet_strange { int a; };\n&/' "$work/tree/include/vionet.h"
  gives 1 "$work/tree/Tools/bindings.py" --check
  said 'union vionet_strange'
}

same_layout() { # language whose numbers are in $work/layout
  [ "$(wc -l <"$work/layout-c")" -gt 150 ] || fail "hardly any layout was found"
  diff "$work/layout-c" "$work/layout" || fail "sizes, offsets and constants of C (<) and $1 (>) differ"
}

python_layout() {
  "$root/Tools/bindings.py" --layout python >"$work/layout.py"
  python3 "$work/layout.py" >"$work/layout" || fail "the layout in Python"
  same_layout Python
}

rust_layout() {
  "$root/Tools/bindings.py" --layout rust >"$work/layout.rs"
  cp "$root/examples/rust/vionet.rs" "$work/vionet.rs"
  rust "$work/layout.rs" "$work/layout-rust"
  "$work/layout-rust" >"$work/layout" || fail "the layout in Rust"
  same_layout Rust
}

# every_function FILE TEST: the file has the name of every function of vionet.map; the others are to be called in TEST.
every_function() {
  local missing
  missing=$(comm -23 "$work/exported" "$1")
  [ -z "$missing" ] || fail "exported and not called by $2: $(tr '\n' ' ' <<<"$missing")- add a call there"
  comm -13 "$work/exported" "$1" | grep . && fail "called by $2 and not exported"
  echo "$(wc -l <"$1") functions called"
}

every_python_call() {
  python3 "$root/Tests/abi/every_call.py" >"$work/called" || fail "Tests/abi/every_call.py"
  every_function "$work/called" Tests/abi/every_call.py
}

every_rust_call() {
  rust "$root/Tests/abi/every_call.rs" "$work/every-call"
  "$work/every-call" "$work/socket" >"$work/called" || fail "Tests/abi/every_call.rs"
  every_function "$work/called" Tests/abi/every_call.rs
}

declared() {
  "$root/Tools/bindings.py" --functions >"$work/functions"
  diff "$work/exported" "$work/functions" || fail "vionet.map (<) and what Tools/bindings.py finds in vionet.h (>) differ"
  # A function that nobody calls is noticed.
  sed 1d "$work/exported" >"$work/fewer"
  (every_function "$work/fewer" a-test) >"$work/said" && fail "a function without a call went unseen"
  said 'a-test: vionet_.* - add a call there'
}

sed -n 's/^[[:space:]]*\(vionet_[a-z0-9_]*\);.*/\1/p' "$root/vionet.map" | sort >"$work/exported"
"$root/Tools/bindings.py" --layout c >"$work/layout.c"
# shellcheck disable=SC2046
gcc -std=gnu11 $(pkg-config --cflags vionet) "$work/layout.c" -o "$work/layout-of-c" || fail "compiling the layout in C"
"$work/layout-of-c" >"$work/layout-c"

run_case "the bindings are up to date" up_to_date
run_case "every exported function is declared" declared
run_case "Python has C's sizes, offsets and constants" python_layout
run_case "Rust has C's sizes, offsets and constants" rust_layout
run_case "Python calls every function" every_python_call
run_case "Rust calls every function" every_rust_call

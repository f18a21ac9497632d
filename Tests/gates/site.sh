#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The web site is made of the pages and the manual without a warning, and each link inside leads somewhere. A page that links
# to nothing makes it fail.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need sphinx-build python3-sphinx
need mandoc mandoc
cd "$root" || exit 1

whole() {
  make --no-print-directory site >"$work/said" 2>&1 || { cat "$work/said"; fail "make site"; }
  said '[0-9]* pages, [0-9]* links inside'
  [ "$(sed -n 's/ pages, [0-9]* links inside$//p' "$work/said")" -gt 100 ] || { cat "$work/said"; fail "hardly any page"; }
  local page
  for page in index docs/faq manual/vionet_rx_burst.3; do [ -s "build/site/$page.html" ] || fail "no page $page"; done
}
planted() {
  mkdir -p "$work/tree/docs" "$work/manual"
  cp -r Tools Makefile LICENSE include ./*.md docs "$work/tree"
  echo "[there](nowhere.md)" >>"$work/tree/docs/faq.md"
  echo "[there](addresses.md#nowhere)" >>"$work/tree/docs/tuning.md"
  sees 'faq.md.*nowhere' "$work/tree/Tools/site/build.py" "$work/site" build/man/html
  said 'tuning.md.*nowhere'
}

run_case "the pages and the manual" whole
run_case "links to nowhere" planted

# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of front-ends that are killed, after lib.sh: compares the counts of Tests/wire/front-end-restarts.c
# with those of the back-end.

killed=$(program front-end-restarts) || exit 1
failed=0

heading() {
  echo "                              from the front-end that is killed    | to it"
  echo "rings  back-end times tracked    handed     taken   fetched   lost |     sent     taken   fetched   lost |  fds     KiB"
}

# kill_often RINGS BACK-END PROCESS TIMES: leaves the program's counts in "said". The sockets are $work/a and $work/b.
kill_often() {
  local keys=packed_vq=0
  [ "$1" = split ] || keys=packed_vq=1
  "$killed" "vhost-user:$work/a,$keys" "vhost-user:$work/b,$keys" "$3" "$4" >"$work/killed.out" 2>&1 ||
    { cat "$work/killed.out"; fail "$1, $2"; }
  said=$(cat "$work/killed.out")
}
of() { sed -n "s/.*\\b$1=\\(-*[0-9]*\\).*/\\1/p" <<<"$said"; }

wrong() { echo "wrong: $*"; failed=$((failed + 1)); }
equal() { [ "$2" -eq "$3" ] || wrong "$1: $2 and $3"; } # WHAT A B
within() { # WHAT LEAST A MOST
  if [ "$3" -lt "$2" ] || [ "$3" -gt "$4" ]; then wrong "$1: $3, not $2 to $4"; fi
}

# compare RINGS BACK-END TAKEN GIVEN LOST BACK-TAKEN BACK-GIVEN BACK-LOST: the counts of the back-end. Only frames in the
# rings of a killed front-end may be missing, 256 at most for each; and it may not have counted its last burst.
compare() {
  local times
  times=$(of times)
  printf '%-6s %-8s %5d %7d  %8d  %8d  %8d %6d | %8d  %8d  %8d %6d | %d->%d %5d\n' "$1" "$2" "$times" "$(of tracked)" \
    "$(of handed)" "$3" "$(of fetched)" "$5" "$(of back_handed)" "$6" "$(of back_fetched)" "$8" \
    "$(of fds)" "$(of fds_after)" "$(of kib)"
  within "handed over and not taken" $((-32 * times)) $(($(of handed) - $3)) $((256 * times))
  equal "taken from the killed front-end, given to the other or lost" "$3" $(($4 + $5))
  equal "given to the other, received there" "$4" "$(of fetched)"
  equal "sent by the other, taken from it" "$(of back_handed)" "$6"
  equal "taken from the other, given to the killed front-end or lost" "$6" $(($7 + $8))
  within "given to the killed front-end and not received" 0 $(($7 - $(of back_fetched))) $((256 * times))
  equal "descriptors of the back-end" "$(of fds)" "$(of fds_after)"
  within "KiB more of the back-end" -1000000 "$(of kib)" 1024
}

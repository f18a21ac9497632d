# SPDX-License-Identifier: BSD-2-Clause
# Reads what a test printed, and prints its results: a line "pass NAME", "skip NAME<tab>REASON" or "fail NAME" for each
# case, and below a failure what the case printed, each line after "    | ".
#
#     awk -v test=NAME -v status=EXIT_STATUS -v deadline=SECONDS -f results.awk LOG
#
# A test that prints TAP (a plan "1..N" and a line per case) has those cases. Any other test is one case, judged by its
# exit status: 0 is a pass, 77 a skip whose reason is the last line.

function show(from, to) {
  for (; from <= to; from++) print "    | " line[from]
}

# The lines since the last result, 25 at most.
function show_tail(from, to) {
  show(from < to - 24 ? to - 24 : from, to)
}

function ending() {
  if (status == 124 || status == 137) return "not done after " deadline " s"
  return "ended with status " status
}

{ line[++lines] = $0 }

/^1\.\.[0-9]+$/ { planned += substr($0, 4); has_plan = 1 }

/^(not )?ok [0-9]+ - / {
  name = $0
  sub(/^(not )?ok [0-9]+ - /, "", name)
  results++
  if (/^not/) {
    failures++
    print "fail " name
    show_tail(shown + 1, lines - 1)
  } else if (match(name, / # SKIP /)) {
    print "skip " substr(name, 1, RSTART - 1) "\t" substr(name, RSTART + 8)
  } else {
    print "pass " name
  }
  shown = lines
}

END {
  if (!has_plan && !results) {
    if (status == 0) print "pass " test
    else if (status == 77) print "skip " test "\t" line[lines]
    else {
      print "fail " test
      show_tail(1, lines)
      if (status > 1) print "    | " ending()
    }
  } else if (results != planned || (status != 0 && !failures)) {
    print "fail the end of " test
    show_tail(shown + 1, lines)
    print "    | " ending() " after " results + 0 " of " (has_plan ? planned : "an unknown number of") " cases"
  }
}

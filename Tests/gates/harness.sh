#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The harness itself: cases that fail, crash, hang or leave the program early are reported under their names, the other
# cases of their file still run, and a skip that is not on the list fails the run.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
cd "$root" || exit 1
mkdir "$work/planted"

cat >"$work/planted/in_c.c" <<END
/* deadline: 2 */
#include "$root/Tests/support/cases.h"
static const char *title(unsigned int row) { return row == 0 ? "a row" : "another row"; }
CASE("passes") { same(1, 1); }
CASE("fails") { same(1, 2); }
CASE("crashes") { raise(SIGSEGV); }
CASE("hangs") { if (fork() == 0) pause(); for (;;) pause(); }
CASE("is skipped") { skip("there is no moon"); }
CASE("ends the program") { exit(3); }
CASES(2, title) { yes(row == 0); }
CASE("passes behind all of them") { yes(case_argument(0, 5) == 5); }
END
cat >"$work/planted/in_shell.sh" <<END
#!/usr/bin/env bash
. "$root/Tests/support/lib.sh"
set_it() { changed=1; sleep 1000 & children+=(\$!); }
not_set() { [ -z "\${changed-}" ] || fail "a variable of another case"; }
run_case "passes" set_it
run_case "fails" fail "on purpose"
run_case "is skipped" skip "there is no moon"
run_case "passes behind a failure" not_set
END
cat >"$work/planted/kept.c" <<END
#include "$root/Tests/support/cases.h"
#include "$root/Tests/support/kept.h"
static const char *const setting = "$work/setting";
static void change(void) { yes(keep(setting)); yes(setting_write(setting, "other\\n")); }
CASE("gives back") { change(); give_back(); }
/* What gives back is late: the next case has to wait for it. */
static void be_late(void)
{
	kill(kept.keeper, SIGSTOP);
	pid_t late = fork();
	if (late == 0) {
		setsid();
		sleep(1);
		kill(kept.keeper, SIGCONT);
		_exit(0);
	}
	while (getsid(late) != late) /* until then it ends with the case */
		usleep(100);
}
CASE("fails") { change(); be_late(); same(1, 2); }
CASE("crashes") { change(); be_late(); raise(SIGKILL); }
CASE("gives back, too") { change(); same(strcmp(kept.value, "old\n"), 0); give_back(); }
END
cat >"$work/planted/kept.sh" <<END
#!/usr/bin/env bash
. "$root/Tests/support/lib.sh"
keep "$work/setting"
echo other >"$work/setting"
case \$1 in
  end) give_back ;;
  fail) trap 'give_back; clean_up' EXIT; fail "on purpose" ;;
  group) kill -KILL 0 ;;
  *) kill "-\$1" \$\$; sleep 1000 ;;
esac
END
printf '#!/usr/bin/env bash\necho "ok 1 - the only one"\necho 1..2\n' >"$work/planted/short.sh"
printf '#!/usr/bin/env bash\necho said; exit 4\n' >"$work/planted/plain.sh"
# Beside a guest that takes long, other tests end soon.
for name in guest-1 guest-2 guest-3 guest-4 other; do
  # shellcheck disable=SC2016 # for the script that is written
  printf '#!/usr/bin/env bash\necho "$(basename "$0") $VIONET_TEST_TAG" >>"%s/ran"\n[ "$(basename "$0")" != guest-1.sh ] || sleep 5\n' \
    "$work" >"$work/planted/$name.sh"
done
chmod +x "$work"/planted/*.sh

# harness ARGUMENTS...: what Tests/run.sh says of the planted tests, in $work/said.
harness() { VIONET_TEST_SKIPS=$work/skips Tests/run.sh "$@" >"$work/said" 2>&1; }
has() { grep -qE -- "$1" "$work/said" || { cat "$work/said"; fail "not said: $1"; }; }
has_not() { if grep -qE -- "$1" "$work/said"; then cat "$work/said"; fail "said: $1"; fi; }

c_cases() {
  echo 'in-c: is skipped :: there is no moon :: the sky lacks it' >"$work/skips"
  if harness "$work/planted/in_c.c"; then fail "failures were taken for a pass"; fi
  has '^FAIL  in-c +[0-9.]+ s  9 cases$'
  has '^  not ok: fails$'
  has '^    \| # .*in_c.c:5: 1 is 1, 2 is 2$'
  has '^  not ok: crashes$'
  has '^    \| # ended by signal 11 '
  has '^  not ok: hangs$'
  has '^    \| # not done after 2 s$'
  has '^  not ok: ends the program$'
  has '^    \| # ended with status 3$'
  has '^  not ok: another row$'
  has '^  skipped: is skipped: there is no moon$'
  has '^3 passed, 5 failed, 1 skipped$'
  sed 's/^/  /' "$work/said"
}

shell_cases() {
  echo 'in-shell: is skipped :: there is no .* :: the sky lacks it' >"$work/skips"
  if harness "$work/planted/in_shell.sh"; then fail "a failure was taken for a pass"; fi
  has '^  not ok: fails$'
  has '^    \| FAIL: on purpose$'
  has '^2 passed, 1 failed, 1 skipped$'
}

skips() {
  echo 'another: is skipped :: there is no moon :: the sky lacks it' >"$work/skips"
  if harness "$work/planted/in_shell.sh"; then fail "a skip that is not listed was accepted"; fi
  has '^  not ok: is skipped: skipped, and Tests/skips.txt does not list the reason: there is no moon$'
  has '^2 passed, 2 failed, 0 skipped$'
  # Without a word about why, a line is none.
  echo 'in-shell: is skipped :: there is no moon ::' >"$work/skips"
  harness "$work/planted/in_shell.sh"
  has '^2 passed, 2 failed, 0 skipped$'
}

cut_short() {
  : >"$work/skips"
  if harness "$work/planted/short.sh"; then fail "a plan of two and one result passed"; fi
  has '^  not ok: the end of short$'
  has '^1 passed, 1 failed, 0 skipped$'
  if harness "$work/planted/plain.sh"; then fail "exit status 4 passed"; fi
  has '^    \| said$'
  has '^    \| ended with status 4$'
  has_not 'case_'
}

# Each guest runs once, in the lane that is free: the other three while the first one takes its time.
guests_shared() {
  [ "$(nproc)" -gt 1 ] || skip "one processor: the guests run behind the other tests"
  : >"$work/skips"
  harness "$work"/planted/{guest-*,other}.sh || fail "a test failed"
  has '^5 passed, 0 failed, 0 skipped$'
  [ "$(cut -d ' ' -f 1 "$work/ran" | sort | uniq -d | wc -l)" -eq 0 ] || fail "a test ran twice"
  [ "$(grep -c -- '-o$' "$work/ran")" -ge 2 ] || { cat "$work/ran"; fail "no guest ran in the lane of the others"; }
  [ -z "$(find "$build/test-logs" -name 'claims.*' -newer "$work/planted/guest-1.sh")" ] || fail "the claims were left behind"
}

# Settings of the machine: by a case that ends well, fails, is killed; by a script that is killed alone or with its group.
has_old() { [ "$(cat "$work/setting")" = old ]; }
settings() {
  local how
  echo old >"$work/setting"
  : >"$work/skips"
  harness "$work/planted/kept.c"
  has '^2 passed, 2 failed, 0 skipped$'
  until_true 10 has_old || fail "a C test left $(cat "$work/setting")"
  for how in end fail KILL TERM group; do
    echo old >"$work/setting"
    # One that is killed leaves its folder, which goes with this one.
    TMPDIR=$work setsid "$work/planted/kept.sh" $how >"$work/said" 2>&1
    until_true 10 has_old || fail "a script left $(cat "$work/setting") ($how)"
  done
}

run_case "a C program's cases are reported one by one" c_cases
run_case "a script's cases are reported one by one" shell_cases
run_case "a skip that is not on the list fails the run" skips
run_case "a test that ends before its plan fails" cut_short
run_case "guests are taken by whoever is free, each once" guests_shared
run_case "settings of the machine are given back, whatever ends a test" settings

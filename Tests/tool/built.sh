#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# vionetctl needs libvionet and the libraries of every Debian, none of Swift; version, help, completions and manual are
# those of its commands; make install-vionetctl installs it, and make uninstall-vionetctl removes it.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
cd "$root" || exit 1

needed_libraries() {
  needed=$(readelf -dW "$vionetctl" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  grep -qx libvionet.so.0 <<<"$needed" || fail "it does not ask for libvionet.so.0: $needed"
  others=$(grep -vxE 'lib(vionet|c|m|gcc_s|stdc\+\+)\.so\.[0-9]+|ld-linux-x86-64\.so\.2' <<<"$needed")
  [ -z "$others" ] || fail "it asks for $others"
}

help() {
  prints 0 "$vionetctl" --version <<<"vionetctl with libvionet $(sed -n 's/^VERSION := //p' Makefile)"
  gives 0 "$vionetctl"
  names=(list info doctor bind unbind serve stats dump set events bench)
  for name in "${names[@]}"; do
    said "^  $name  "
  done
  for name in "${names[@]}"; do
    gives 0 "$vionetctl" "$name" --help
    said "usage: vionetctl $name"
    case $name in set) words="a.sock mtu 1400" ;; *) words="vfio-pci 00:05.0" ;; esac
    # shellcheck disable=SC2086
    gives 64 "$vionetctl" "$name" --colour $words
    said "colour"
  done
  gives 64 "$vionetctl" frobnicate
}

# Each shell completes the name of every command and an option of one.
completions() {
  local shell
  need zsh zsh
  need fish fish
  mkdir -p "$work/shells" "$work/bin" && ln -sf "$vionetctl" "$work/bin/vionetctl"
  export PATH=$work/bin:$PATH HOME=$work
  for shell in bash zsh fish; do
    "$vionetctl" --generate-completion-script $shell >"$work/shells/_vionetctl" || fail "no completions for $shell"
    $shell -n "$work/shells/_vionetctl" || fail "the completions are no script of $shell"
    case $shell in
      bash) completed_by_bash ;;
      zsh) completed_by_zsh ;;
      fish) completed_by_fish ;;
    esac
  done
}
completed() { # SHELL WORD: among the lines of $work/completed
  grep -qE -- "^$2([^a-z-]|\$)" "$work/completed" || { cat "$work/completed"; fail "$1 does not complete $2"; }
}
completed_by_bash() {
  local words
  for words in "" "doctor --js" "bench --pack"; do
    # shellcheck disable=SC2016
    bash -c '. "$0"; words=$1 COMP_WORDS=(vionetctl $1) COMP_CWORD=${#COMP_WORDS[@]}
      if [ -n "$1" ]; then COMP_CWORD=$((COMP_CWORD - 1)); else COMP_WORDS+=(""); fi
      COMP_LINE="vionetctl $1" COMP_POINT=${#COMP_LINE}
      function_name=$(complete -p vionetctl | sed "s/.*-F \([^ ]*\).*/\1/")
      "$function_name" vionetctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
      printf "%s\n" "${COMPREPLY[@]}"' "$work/shells/_vionetctl" "$words" >"$work/completed" 2>&1
    case $words in
      "") for name in doctor dump bench list; do completed bash $name; done ;;
      doctor*) completed bash --json ;;
      *) completed bash --packets ;;
    esac
  done
}
# Its completion system runs in a terminal only: python3 is one.
completed_by_zsh() {
  python3 - "$work/shells" >"$work/completed" <<'END' || fail "zsh"
import os, pty, re, select, sys, time
def complete(line, wanted):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="dumb", PS1="> ", COLUMNS="200")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    said = ""
    def wait(word, text):
        nonlocal said
        os.write(terminal, text.encode())
        end = time.time() + 120
        while word not in said and time.time() < end:
            if select.select([terminal], [], [], 1)[0]:
                said += os.read(terminal, 65536).decode(errors="replace")
    wait("is-there", f"fpath=({sys.argv[1]} $fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''; print is-'there'\n")
    said = ""
    wait(wanted, line + "\t\t")
    os.write(terminal, b"\x15exit\n")
    os.close(terminal)
    os.waitpid(child, 0)
    print(wanted if wanted in said else f"no {wanted} in {said!r}")
complete("vionetctl do", "doctor")
complete("vionetctl ben", "bench")
complete("vionetctl dum", "dump")
complete("vionetctl bench --pack", "--packets")
END
  for name in doctor bench dump --packets; do completed zsh $name; done
}
completed_by_fish() {
  local words
  # shellcheck disable=SC2016 # variables of fish
  for words in "vionetctl " "vionetctl doctor --js" "vionetctl bench --pack"; do
    fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$work/shells/_vionetctl" "$words" >"$work/completed" 2>&1
    case $words in
      "vionetctl ") for name in doctor dump bench list; do completed fish $name; done ;;
      *doctor*) completed fish --json ;;
      *) completed fish --packets ;;
    esac
  done
}

# The manual has every command and option of the tool, with every word about them.
manual() {
  need python3 python3
  "$vionetctl" --experimental-dump-help >"$work/help" || fail "the tool does not list its commands"
  python3 - "$work/help" Tools/vionetctl/man/vionetctl.1 <<'END' || fail "the manual is not that of this tool: make vionetctl-manual"
import json, re, sys
command, page = json.load(open(sys.argv[1]))["command"], open(sys.argv[2]).read()
said = 0
def words(text):
    return " ".join(text.split())
def plain(page):
    """The words of a page, without its macros for paragraphs, examples and functions."""
    page = re.sub(r"^\.(?:Pp|Bd|Ed)\b.*\n", "", page, flags=re.M).replace(r"\&", "")
    return words(re.sub(r"^\.Fn (\w+) ?(.*)$", lambda match: f"{match[1]}(){match[2].replace(' ', '')}", page, flags=re.M))
def look(command, page):
    global said
    for name in ("abstract", "discussion"):
        assert words(command.get(name, "").rstrip(".")) in plain(page), command[name]
    for argument in command.get("arguments", []):
        assert words(argument.get("abstract", "")) in plain(page), argument
        long = [name["name"] for name in argument.get("names", []) if name["kind"] == "long"]
        assert all(f"-{name}" in page for name in long), long
        said += 1
    for sub in command.get("subcommands", []):
        if sub["commandName"] == "help":
            continue
        parts = re.split(rf"^\.It Em {sub['commandName']}$", page, flags=re.M)
        assert len(parts) == 2, sub["commandName"]
        look(sub, re.split(r"^\.It Em ", parts[1], flags=re.M)[0])
look(command, page)
assert said > 30, said
END
}

manual_form() {
  need mandoc mandoc
  mandoc -T lint Tools/vionetctl/man/vionetctl.1 || fail "mandoc has complaints"
  cp Tools/vionetctl/man/vionetctl.1 "$work/page"
  Tools/vionetctl/tidy-manual.py "$work/page" || fail "Tools/vionetctl/tidy-manual.py"
  diff Tools/vionetctl/man/vionetctl.1 "$work/page" || fail "a tidy page was changed"
}

installation() {
  places=(DESTDIR="$work/tree" PREFIX=/opt/v)
  make -s install-files install-vionetctl "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "installing"; }
  (cd "$work/tree/opt/v" && find bin share -type f | LC_ALL=C sort) >"$work/found"
  diff - "$work/found" <<'LIST' || fail "installed (>) is not what was expected (<)"
bin/vionetctl
share/bash-completion/completions/vionetctl
share/fish/vendor_completions.d/vionetctl.fish
share/man/man1/vionetctl.1
share/vionet/extcap/vionet-extcap
share/zsh/site-functions/_vionetctl
LIST
  # It finds the library that is installed with it.
  ldd "$work/tree/opt/v/bin/vionetctl" | grep -q "libvionet.so.0 => $work/tree/opt/v/" || fail "it does not find its library"
  "$work/tree/opt/v/bin/vionetctl" info soft:sink >"$work/said" || fail "the installed one does not run"
  make -s uninstall uninstall-vionetctl "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "uninstalling"; }
  left=$(find "$work/tree" ! -type d)
  [ -z "$left" ] || fail "left behind: $left"
}

run_case "the libraries that it needs" needed_libraries
run_case "version, help and wrong options" help
run_case "bash, zsh and fish complete commands and options" completions
run_case "the manual is that of the commands" manual
run_case "the manual is clean" manual_form
run_case "it is installed and removed" installation

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Records what a terminal shows of "make demo" and of "vionetctl stats --watch", with asciinema, into docs/recordings: NAME.cast,
# which asciinema plays. `make recordings` runs it, and draws NAME.svg, a moving picture, from each with termtosvg.
set -eu
cd "$(dirname "$0")/../.."

case ${1-} in
  "")
    # asciinema keeps a file of its own in the home of whoever runs it.
    home=$(mktemp -d)
    trap 'rm -rf "$home"' EXIT
    for each in demo:28 stats:9; do
      name=${each%:*}
      # The file says nothing of this machine; pauses are of 2 s at most.
      env -i PATH="$PATH" HOME="$home" TERM=xterm-256color LC_ALL=C.UTF-8 asciinema rec -q --overwrite -i 2 --cols 118 --rows "${each#*:}" \
        --env TERM -t "vionet: $name" -c "Tools/recording/record.sh $name" "docs/recordings/$name.cast" </dev/null
    done
    ;;
  demo)
    echo '$ make demo'
    make -s demo
    ;;
  stats)
    socket=$(mktemp -d)/fwd.sock
    trap 'kill $forwarder; wait $forwarder; rmdir "${socket%/*}"' EXIT
    echo '$ vionet-fwd-control fwd.sock soft:generate,rate=200000 soft:sink &'
    build/examples/vionet-fwd-control "$socket" soft:generate,rate=200000 soft:sink >/dev/null &
    forwarder=$!
    until [ -S "$socket" ]; do sleep 0.1; done
    echo '$ vionetctl stats --watch fwd.sock'
    timeout -s INT 8 build/bin/vionetctl stats --watch "$socket" || [ $? -eq 124 ]
    ;;
esac

# SPDX-License-Identifier: BSD-2-Clause
"""Two parts of the page: our figures beside those of the same work in C, and latency beside DPDK's."""
import figures
import latency
from figures import rate, ratio, table


def fair(content):
    """A row for each direction and kind, with both forms."""
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        found = {one["form"]: one for one in content["rows"] if one["row"] == name and figures.is_headline(one)}
        cells = []
        for form in ("inline", "cores"):
            one = found.get(form)
            cells += [rate(one["fronts"].get(who)) if one else "-" for who in ("vionet", "fair")] + [ratio(one, "of_fair")]
        lines.append([name] + cells)
    return (f"Measured {content['machine']['time'][:10]}, {content['rounds']} rounds. 64-byte frames, bursts of 32, rings of "
            "1024 (255 where the row says so), one queue pair. A cell has millions of packets per second and, in brackets, "
            "nanoseconds per packet; `of fair C` is the first divided by the second.\n\n" +
            table(["row"] + [f"{who} `{form}`" for form in ("inline", "cores") for who in ("vionet", "fair C", "of fair C")],
                  lines))


def trips(content):
    def cell(one, front, name, digits):
        return figures.formatted(one["fronts"].get(front, {}).get(name), digits=digits)

    lines = [[f"{one['kind']}, {one['way']}"] + [cell(one, front, name, 2 if one["way"] == "polling" else 1)
                                                 for name in latency.FIGURES for front in latency.FRONTS]
             for one in content["rows"]]
    calls = [[one["kind"]] + [cell(one, front, "nothing_cycles", 1) for front in latency.FRONTS] for one in content["nothing"]]
    polled, slept = (latency.WAYS[way][0] for way in ("polling", "sleeping"))
    return (f"Measured {content['machine']['time'][:10]}. One frame of 64 bytes goes out, a peer in another process and on "
            "another core copies it into the receive ring, and the next one follows when it is back "
            "(`bench/harness/reflect.c`). Microseconds from the transmit burst to the receive burst that returns it, for "
            f"{polled} frames, polling, and {slept} frames for which the front-end sleeps: in `vionet_rx_wait`, or in "
            "`rte_epoll_wait` after `rte_eth_dev_rx_intr_enable`. The peer polls in both cases. It keeps those frames for "
            f"{latency.HOLD} µs, which are subtracted. Plain rings, the same features for both. A cell has the median of "
            f"{content['rounds']} processes, which alternate, and the least and the most in brackets.\n\n" +
            table(["ring"] + [f"{who} {what}, µs" for what in ("p50", "p99", "p99.9") for who in ("vionet", "DPDK")], lines) +
            "\nA receive burst that finds nothing, in cycles of the core, in a loop:\n\n" +
            table(["ring", "vionet", "DPDK"], calls))

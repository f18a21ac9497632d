# SPDX-License-Identifier: BSD-2-Clause
"""The tables and the chart of docs/performance.md, from the files in build/bench/."""
import json
import pathlib

import beside
import chart
import figures
import machine
import rows
import software
import waiting
from figures import rate, ratio, table

PAGE = machine.ROOT / "docs/performance.md"
BEGIN, END = "<!-- begin: written by bench/run.py -->", "<!-- end -->"


def load(name):
    path = machine.BUILD / f"bench/{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def best(one):
    front = one["fronts"].get(one["best"])
    return rate(front) + (" v" if one["best"] == "dpdk-vectorized" else "")


def only(found, **wanted):
    return [one for one in found if all(one[key] == value for key, value in wanted.items())]


def first(found, **wanted):
    return next(iter(only(found, **wanted)), None)


def headline(content):
    """A row for each direction and kind, with both forms."""
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        chosen = [one for one in content["rows"] if one["row"] == name and figures.is_headline(one)]
        inline, cores = first(chosen, form="inline"), first(chosen, form="cores")
        if inline is None:
            continue
        lines.append([name, rate(inline["fronts"].get("vionet")), best(inline), ratio(inline),
                      rate(cores["fronts"].get("vionet")) if cores else "-", best(cores) if cores else "-",
                      ratio(cores), rate(cores["fronts"].get("lean")) if cores else "-", ratio(cores, "of_limit")])
    return ("64-byte frames, bursts of 32, rings of 1024 (255 where the row says so), one queue pair. A cell has millions "
            "of packets per second and, in brackets, nanoseconds per packet. `v`: DPDK's fastest path was its vectorized "
            "one.\n\n" +
            table(["row", "vionet `inline`", "DPDK `inline`", "ratio", "vionet `cores`", "DPDK `cores`", "ratio", "limit",
                   "of limit"], lines))


def apart(content):
    """A row for each direction and kind, with a ratio and rates for each number of entries marked used at a time."""
    counts = sorted({int(one["form"].split("-")[1]) for one in content["rows"]})
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        line = [name]
        for count in counts:
            one = first(content["rows"], row=name, form=f"process-{count}")
            line += [rate(one["fronts"].get("vionet")), best(one), ratio(one), ratio(one, "of_fair")] if one else ["-"] * 4
        lines.append(line)
    heads = [f"{what}, {count} at a time" for count in counts for what in ("vionet", "DPDK", "ratio", "of fair C")]
    return (f"Measured {content['machine']['time'][:10]} on {content['machine']['cpu']}. As above, but the back-end is in a "
            "process of its own, takes entries as soon as there are so many, and marks as many used at a time. Where the "
            "back-end is slower than the front-end, the back-end's time is what is measured.\n\n" +
            table(["row"] + heads, lines))


def variations(content):
    """The ratio in the form inline for other bursts, lengths and rings, and for two queue pairs."""
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        chosen = only(content["rows"], row=name, form="inline")
        ring = chosen[0]["ring"] if name.endswith("-255") else rows.HEADLINE["ring"]
        cells = [ratio(first(chosen, burst=burst, bytes=64, ring=ring, pairs=1)) for burst in rows.BURSTS]
        cells += [ratio(first(chosen, burst=32, bytes=length, ring=ring, pairs=1)) for length in rows.LENGTHS[1:]]
        cells += [ratio(first(chosen, burst=32, bytes=64, ring=256, pairs=1)),
                  ratio(first(chosen, burst=32, bytes=64, ring=ring, pairs=2))]
        lines.append([name] + cells)
    return ("How many times faster than DPDK's fastest path, in the form `inline`, with one thing changed at a time:\n\n" +
            table(["row"] + [f"burst {burst}" for burst in rows.BURSTS] + [f"{length} bytes" for length in rows.LENGTHS[1:]] +
                  ["ring 256", "2 pairs"], lines))


def forwarding(content):
    lines = []
    for one in only(content["rows"], form="inline"):
        cores = first(content["rows"], row=one["row"], form="cores")
        lines.append([one["row"], rate(one["fronts"].get("vionet")), best(one), ratio(one),
                      rate(cores["fronts"].get("vionet")) if cores else "-", best(cores) if cores else "-", ratio(cores)])
    return ("One thread forwards between two ports, both ways. `io` leaves frames alone, `macswap` swaps their "
            "addresses.\n\n" +
            table(["row", "vionet `inline`", "DPDK `inline`", "ratio", "vionet `cores`", "DPDK `cores`", "ratio"], lines))


def whole_programs(content):
    lines = [[one["row"], rate(one["fronts"].get("vionet")), rate(one["fronts"].get("dpdk")), ratio(one)]
             for one in content["rows"]]
    text = ("`vionet-fwd` and `dpdk-testpmd` forward 64-byte frames between two sockets of a back-end that copies "
            "nothing:\n\n" +
            table(["row", "vionet-fwd", "testpmd", "ratio"], lines))
    if content["af_packet"]:
        text += ("\nFor comparison, a forwarder over AF_PACKET sockets between two TAP interfaces, 64 frames per call: " +
                 ", ".join(f"{rate(one)} Mpps (ns) at {length} bytes" for length, one in content["af_packet"].items()) + ".\n")
    return text


def copied(content):
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        cells = []
        for length in rows.LENGTHS:
            one = first(content["rows"], row=name, bytes=length)
            cells += [rate(one["fronts"].get("vionet")), best(one), ratio(one)] if one else ["-", "-", "-"]
        lines.append([name] + cells)
    head = ["row"] + [f"{who} {length} B" for length in rows.LENGTHS for who in ("vionet", "DPDK", "ratio")]
    return ("Bursts of 32, rings of 1024. The peer is testpmd, which sends (rx) or receives (tx); each direction and round "
            "has a process of its own. It copies every byte. When it receives, the ring is always full, so its own time is "
            "measured, and front-ends differ only by how little they disturb it.\n\n" + table(head, lines))


def devices(content):
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        cells = []
        for length in (64, 1518):
            one = first(content["rows"], row=name, bytes=length)
            cells += [rate(one["fronts"].get("vionet")), rate(one["fronts"].get("dpdk")), ratio(one)] if one else ["-"] * 3
        lines.append([name] + cells)
    head = ["row"] + [f"{who} {length} B" for length in (64, 1518) for who in ("our device", "testpmd", "ratio")]
    return ("This compares back-ends. Each runs on one core, and the same front-end, ours, on another. `rx` sets "
            "`soft:generate` beside testpmd's `txonly`. `echo` sets `soft:loopback` beside testpmd's `io`: each frame goes to "
            "the device and comes back. `soft:loopback` copies it from ring to ring, testpmd into its own memory and out "
            "again. Bursts of 32, rings of 1024.\n\n" +
            table(head, lines))


def waited(content):
    lines = []
    for one in content["rows"]:
        def cell(front, name, by=1, digits=1):
            return figures.formatted(one["fronts"][front].get(name), by, digits=digits)
        shown = [("cpu_share", 100, 3 if one["rate"] == 0 else 1)]
        shown += [("p50_us", 1, 1), ("p99_us", 1, 1)] if one["rate"] else []
        cells = []
        for how in shown:
            ratio = one["ratios"].get(how[0])
            cells += [cell(front, *how) for front in waiting.FRONTS] + [f"{ratio['median']:.2f}" if ratio else "-"]
        lines.append([f"{one['rate']}/s"] + cells + [""] * (9 - len(cells)))
    head = ["packets"] + [f"{who} {what}".strip() for what in ("CPU, %", "p50, µs", "p99, µs")
                          for who in ("vionet", "DPDK", "ratio of")]
    return ("Frames are written into a TAP interface whose other side is our device, on another core, for both front-ends. "
            f"The front-end polls while packets come and sleeps after {content['patience_us']} µs without one: in "
            "`vionet_rx_wait`, or in `rte_epoll_wait` with the queue's interrupt enabled, as DPDK's l3fwd-power does. Each "
            "uses the features that it supports; ours supports EVENT_IDX. CPU is the share of a core that the whole "
            "front-end process takes. p50 and p99 are the time from the write of a frame that finds the front-end asleep to "
            "the return of that call, with the time of the back-end, which sleeps too. 100000 frames per second come 10 at a "
            "time. Every frame sent was received. A cell has the median over processes, and the least and the most in "
            "brackets. The ratio, where less is better, is the median over pairs of processes that ran one after the "
            "other.\n\n" + table(head, lines))


def grown(content):
    lines = []
    for name in dict.fromkeys(one["row"] for one in content["rows"]):
        for who in ("vionet", "dpdk"):
            def nanoseconds(**wanted):
                one = first(content["rows"], row=name, **wanted)
                return f"{one['fronts'][who]['median']:.2f}" if one and who in one["fronts"] else "-"
            lines.append([f"{name}, {who}"] + [nanoseconds(ring=ring, pairs=1) for ring in rows.GROWTH_RINGS] +
                         [nanoseconds(ring=rows.HEADLINE["ring"], pairs=pairs) for pairs in rows.GROWTH_PAIRS[1:]])
    return ("Nanoseconds per packet in the form `inline`, with 64-byte frames and bursts of 32. Several queue pairs share one "
            "thread and have rings of 1024.\n\n" +
            table(["row"] + [f"ring {ring}" for ring in rows.GROWTH_RINGS] +
                  [f"{pairs} pairs" for pairs in rows.GROWTH_PAIRS[1:]], lines))


def counted(content):
    lines = [[one["row"]] + [f"{one[front]:.0f}" if one.get(front) else "-" for front in ("vionet", "dpdk", "fair", "lean")]
             for one in content["rows"]]
    return ("Instructions per packet of the timed loops, with the pool, counted by callgrind. DPDK runs without its "
            "vectorized paths. `Tests/gates/instructions.txt` has a ceiling for each of our paths, which `make test` "
            "checks.\n\n" +
            table(["row", "vionet", "DPDK", "fair C", "limit"], lines))


def footprint(content):
    lines = []
    for key, what in (("start_ms", "from nothing to a started port, ms"), ("resident_kib", "resident memory after traffic, KiB"),
                      ("pair_kib", "each further queue pair, KiB"),
                      ("used_resident_kib", "resident, with every packet used once before, KiB"),
                      ("used_pair_kib", "each further queue pair then, KiB")):
        def cell(who):
            value = content.get(who, {}).get(key)
            return "-" if value is None else f"{value['median']:.1f}" if isinstance(value, dict) else f"{value:.0f}"
        lines.append([what, cell("vionet"), cell("dpdk")])
    return ("One port, one queue pair, rings of 1024, 32768 packets in the pool, no hugepages. Start-up includes the "
            "library's own set-up (for DPDK, its environment layer) and the handshake. Resident memory is that of the "
            "process without what the measuring program itself needs. DPDK writes into each buffer of its pool at the start, "
            "one to a page; ours takes memory for a buffer when it is used first, so that the packets which a further queue "
            "pair has in its rings count for ours alone. With every packet used once before, they count for both from the "
            "start: then only the pair's own memory is left.\n\n" + table(["", "vionet", "DPDK"], lines))


def in_software(content):
    names = {"checksum-66": "checksum of a frame of 66 bytes", "checksum-512": "of 512 bytes", "checksum-1514": "of 1514 bytes",
             "segments": "one of 46 segments of 1448 bytes"}

    lines = [[names[one["row"]], *[figures.formatted(one["fronts"].get(front), digits=0) for front in software.FRONTS],
              ratio(one)] for one in content["rows"]]
    return (f"Measured {content['machine']['time'][:10]}. Nanoseconds, the median of {content['rounds']} rounds of one process "
            "that takes turns, with the lowest and the highest; each is the median of 201 samples of 0.1 ms. Checksums: "
            "`vionet_tx_prepare()` for a device without VIRTIO_NET_F_CSUM, which checks the packet too, and DPDK's "
            "`rte_ipv4_udptcp_cksum()`. Segments: `vionet_packet_segment()`, and `rte_gso_segment()` followed by the checksums "
            "that it leaves out, both with the return of the segments to their pools; and `rte_gso_segment()` alone.\n\n" +
            table(["", "vionet", "DPDK", "DPDK, no checksums", "ratio"], lines))


PARTS = [("nocopy", "Each path", headline), ("nocopy", "Beside the same work in C", beside.fair),
         ("process", "Back-end in another process", apart),
         ("nocopy", "Bursts, lengths, rings", variations),
         ("forward", "Forwarding", forwarding), ("programs", "Whole programs", whole_programs),
         ("net_vhost", "Against a peer that copies", copied), ("devices", "Our device beside DPDK's", devices),
         ("waiting", "Waiting", waited), ("latency", "Latency", beside.trips), ("growth", "Growth", grown),
         ("software", "Offloads in software", in_software),
         ("instructions", "Instructions", counted), ("footprint", "Start-up and memory", footprint)]


def missing(contents):
    """What was not measured: the kinds, by front-end and reason."""
    found = {}
    for content in contents.values():
        for one in content["findings"] if content else ():
            pairs = f" with {one['pairs']} queue pairs" if one["pairs"] > 1 else ""
            found.setdefault((one["front"], one["reason"]), []).append(one["kind"] + pairs)
    lines = [f"* {front}: {reason}: {', '.join(dict.fromkeys(kinds))}" for (front, reason), kinds in found.items()]
    disturbed = sum(len(content.get("disturbed", ())) for content in contents.values() if content)
    if disturbed:
        lines.append(f"* {disturbed} points were disturbed each time they were tried.")
    return "## Not measured\n\n" + "\n".join(lines) + "\n" if lines else ""


def write_some(page, contents):
    """Replaces the parts of the page that were measured, or puts them where they belong."""
    head, text = page.split(BEGIN)
    text, tail = text.split(END)
    intro, *parts = text.rstrip().split("\n## ")
    order = [title for _, title, _ in PARTS]
    by_title = {one.split("\n")[0]: one for one in parts}
    for name, title, part in PARTS:
        if contents[name]:
            by_title[title] = f"{title}\n\n{part(contents[name])}"
            print(f"written: {title}")
    titles = sorted(by_title, key=lambda title: order.index(title) if title in order else len(order))
    text = "\n## ".join([intro.rstrip() + "\n"] + [by_title[title].rstrip() + "\n" for title in titles])
    PAGE.write_text(f"{head}{BEGIN}{text}\n{END}{tail}")


def write():
    contents = {name: load(name) for name in dict.fromkeys(name for name, *_ in PARTS)}
    page = PAGE.read_text()
    if contents["nocopy"] is None:
        return write_some(page, contents)
    about = contents["nocopy"]["machine"]
    text = (f"Measured {about['time'][:10]} on {about['cpu']}, {about['cores']} cores, kernel {about['kernel']}, "
            f"{'with' if contents['nocopy']['hugepages'] else 'without'} hugepages.\n\n"
            "![packets per second, each path](performance.svg)\n\n")
    for name, title, part in PARTS:
        if contents[name]:
            text += f"## {title}\n\n{part(contents[name])}\n"
    text += missing(contents)
    head, tail = page.split(BEGIN)[0], page.split(END)[-1]
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}")
    draw()
    print(f"written: {PAGE.relative_to(machine.ROOT)} and its chart")


def draw():
    """The chart of the page's first table."""
    chart.draw(PAGE.read_text(), [PAGE.with_suffix(".svg"), PAGE.with_suffix(".png")])

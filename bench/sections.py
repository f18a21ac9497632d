# SPDX-License-Identifier: BSD-2-Clause
"""The sections of a run. Each takes the options and returns a dictionary for its JSON file; "findings" says what
could not be measured."""
import os
import statistics

import copies
import devices
import figures
import instructions
import latency
import machine
import nocopy
import programs
import rows
import software
import waiting

HEADLINE_RING = rows.HEADLINE["ring"]


def wanted(options, kind, directions):
    return [direction for direction in directions if options.rows.search(f"{direction}-{kind.name}")]


def result(bench, is_shown=lambda row: True):
    """The content of a section's file. Prints the rows that `is_shown` chooses."""
    found = figures.summaries(bench)
    figures.print_table(row for row in found if is_shown(row))
    return {"unit": "ns per packet", "rows": found, "findings": bench.findings,
            "disturbed": bench.disturbed, "left_out": bench.left_out}


def nocopy_section(options):
    """Every row with its bursts, lengths and rings, and with two queue pairs on one thread."""
    jobs = []
    for kind in rows.KINDS:
        directions = wanted(options, kind, ("rx", "tx"))
        if not directions:
            continue
        for ring in kind.rings[:1] if options.quick else kind.rings:
            jobs.append((kind, ring, 1, rows.points(directions, options.quick), rows.fronts(kind), ()))
        if not options.quick:
            two = [rows.point("inline", direction) for direction in directions]
            jobs.append((kind, kind.rings[0], 2, two, [*rows.libraries(kind), "lean"], ()))
    if not jobs:
        return None
    bench = nocopy.Bench(options.rounds, 40 if options.quick else 25)
    bench.all(jobs, "no-copy back-end")
    return result(bench, lambda row: figures.is_headline(row) or options.all)


def process_section(options):
    """The back-end in a process of its own. It takes entries as they come and marks a few used at a time."""
    jobs = []
    for kind in rows.KINDS:
        points = [rows.point("process", direction) for direction in wanted(options, kind, ("rx", "tx"))]
        for count in rows.COMPLETED[:1] if options.quick else rows.COMPLETED:
            more = ("--apart", "--complete", count, "--look", count)
            if points:
                jobs.append((kind, kind.rings[0], 1, points, rows.fronts(kind), more))
    if not jobs:
        return None
    bench = nocopy.Bench(options.rounds, 40)
    bench.all(jobs, "back-end in a process")
    return result(bench)


def forward_section(options):
    """Two ports on one thread, each packet received on one and sent on the other."""
    jobs = []
    for kind in rows.KINDS:
        directions = wanted(options, kind, rows.FORWARDED)
        points = [rows.point(form, direction) for direction in directions for form in ("inline", "cores")]
        if points:
            jobs.append((kind, kind.rings[0], 1, points, rows.libraries(kind), ()))
    if not jobs:
        return None
    bench = nocopy.Bench(options.rounds, 40)
    bench.all(jobs, "forwarding")
    return result(bench)


def growth_section(options):
    """From small rings to the largest, and from one queue pair to eight on one thread."""
    jobs = []
    for kind in map(rows.kind_of, rows.GROWTH_KINDS):
        points = [rows.point("inline", direction) for direction in wanted(options, kind, ("rx", "tx"))]
        sizes = [(ring, 1) for ring in rows.GROWTH_RINGS] + [(HEADLINE_RING, pairs) for pairs in rows.GROWTH_PAIRS[1:]]
        if points:
            jobs += [(kind, ring, pairs, points, ("vionet", "dpdk"), ("--packets", 2 * ring * pairs + 8192))
                     for ring, pairs in sizes]
    if options.quick or not jobs:
        return None
    bench = nocopy.Bench(options.rounds, 40)
    bench.all(jobs, "growth")
    return result(bench)


def net_vhost_section(options):
    """Front-ends against testpmd, which copies."""
    chosen = [(kind, wanted(options, kind, ("rx", "tx"))) for kind in rows.KINDS if kind.rings == rows.RINGS]
    chosen = [(kind, directions) for kind, directions in chosen if directions]
    if options.quick or not chosen:
        return None
    bench = copies.Copying(min(options.rounds, 3), 100)
    bench.run(chosen)
    return result(bench)


def devices_section(options):
    """Back-ends behind our front-end: our own device and testpmd."""
    chosen = [(kind, wanted(options, kind, devices.DOINGS)) for kind in map(rows.kind_of, devices.KINDS)]
    chosen = [(kind, doings) for kind, doings in chosen if doings]
    if options.quick or not chosen:
        return None
    bench = devices.Devices(options.rounds, 100)
    bench.run(chosen)
    return result(bench)


def programs_section(options):
    """Forwarders as whole programs, with the no-copy back-end in another program; and one over AF_PACKET."""
    chosen = [(mode, kind) for kind in map(rows.kind_of, rows.GROWTH_KINDS) for mode in wanted(options, kind, rows.FORWARDED)]
    if options.quick or not chosen:
        return None
    findings, rounds, found = [], min(options.rounds, 3), []
    for (mode, kind), samples in programs.forwarders(rounds, chosen, findings).items():
        one = {"row": f"{mode}-{kind}", "fronts": {who: figures.spread(values) for who, values in samples.items()}}
        figures.compare(one)
        found.append(one)
        print(f"{one['row']:<24} vionet-fwd {figures.formatted(one['fronts'].get('vionet')):>22}   "
              f"testpmd {figures.formatted(one['fronts'].get('dpdk')):>22}   ns per packet, ratio {one['ratio'] or 0:.2f}")
    kernel = {str(length): figures.spread(values) for length, values in programs.af_packet(rounds).items()}
    for length, one in kernel.items():
        print(f"AF_PACKET over TAP, {length} bytes: {figures.formatted(one)} ns per packet")
    return {"unit": "ns per packet", "rows": found, "af_packet": kernel, "findings": findings}


def waiting_section(options):
    """Front-ends that sleep: how late they wake, and their processor time."""
    if options.quick or options.filtered:
        return None
    bench = waiting.Waiting(options.rounds)
    reason = waiting.forbidden()
    if reason is None:
        bench.run()
    else:
        bench.finding("both", reason)
    found = bench.summaries() if reason is None else []
    for one in found:
        for name, unit, by in (("p50_us", "us", 1), ("p99_us", "us", 1), ("cpu_share", "% of a core", 100),
                               ("sleeps_per_second", "sleeps/s", 1)):
            print(f"{one['rate']:>6} packets/s  " + "   ".join(
                f"{front} {figures.formatted(one['fronts'][front].get(name), by):>28}" for front in waiting.FRONTS) +
                f"   ratio {figures.formatted(one['ratios'].get(name))}   {name.split('_')[0]}, {unit}")
    return {"unit": "microseconds, and shares of a core", "patience_us": waiting.PATIENCE, "rows": found,
            "findings": bench.findings, "left_out": bench.left_out}


def latency_section(options):
    """A frame out and back through another process."""
    if options.quick or options.filtered:
        return None
    bench = latency.Latency(options.rounds)
    bench.run()
    trips, nothing = bench.summaries()
    for one in trips + nothing:
        for name in latency.FIGURES if "way" in one else ("nothing_cycles",):
            print(f"{one['kind']:<7} {one.get('way', 'call'):<9} " + "   ".join(
                f"{front} {figures.formatted(found[name]):>24}" for front, found in one["fronts"].items()) + f"   {name}")
    return {"unit": "microseconds, and cycles of the core", "rows": trips, "nothing": nothing, "findings": bench.findings}


def instructions_section(options):
    """Instructions, which are counted, not timed."""
    chosen = [(kind, wanted(options, kind, ("rx", "tx"))) for kind in rows.KINDS]
    chosen = [(kind, directions) for kind, directions in chosen if directions]
    if options.quick or not chosen:
        return None
    if not instructions.available():
        print("instructions: valgrind is not installed (Debian package valgrind)")
        return None
    found = instructions.all_of(chosen)
    for one in found:
        print(f"{one['row']:<34} " + "  ".join(f"{front} {one[front] or 0:6.1f}" for front in instructions.FRONTS) +
              "  instructions per packet")
    return {"unit": "instructions per packet", "rows": found, "findings": []}


def footprint_lives(bench, rounds, front, pairs, *more):
    """The last points of so many processes, which received and sent."""
    points, lives = [rows.point("inline", direction) for direction in ("rx", "tx")], []
    try:
        for _ in range(rounds):
            lives.append(bench.life(front, rows.KINDS[0], HEADLINE_RING, pairs, points, "--packets", 32768, *more)[-1])
    except nocopy.NotMeasured as reason:
        bench.finding(front, rows.KINDS[0], HEADLINE_RING, pairs, str(reason))
    return lives


def footprint_section(options):
    """Start-up time and memory. Without hugepages, which resident memory does not include."""
    if options.quick or options.filtered:
        return None
    os.environ.pop("BENCH_HUGEPAGES", None)
    found = {}
    bench = nocopy.Bench(1, 20)
    for front in ("vionet", "dpdk"):
        starts, found[front] = [], {}
        for used, more in (("", ()), ("used_", ("--use-packets",))):
            resident = {}
            for pairs in (1, 8):
                lives = footprint_lives(bench, options.rounds, front, pairs, *more)
                starts += [life["front"]["start_ms"] for life in lives if pairs == 1 and not used]
                if lives:
                    resident[pairs] = statistics.median(life["resident_kib"] for life in lives)
            if 1 in resident:
                found[front][f"{used}resident_kib"] = resident[1]
            if len(resident) == 2:
                found[front][f"{used}pair_kib"] = (resident[8] - resident[1]) / 7
        if starts:
            found[front]["start_ms"] = figures.spread(starts)
        print(f"{front:<7} " + "  ".join(f"{key} {figures.formatted(value) if isinstance(value, dict) else round(value)}"
                                        for key, value in found[front].items()))
    found["findings"] = bench.findings
    return found


# In this order. Those of the second list run without hugepages.
def software_section(options):
    """Checksums and segments in software."""
    if options.quick or options.filtered:
        return None
    found, findings = software.run(options.rounds)
    for one in found:
        print(f"{one['row']:<16}" + "   ".join(f"{front} {figures.formatted(spread):>24}"
                                               for front, spread in one["fronts"].items()) + f"   ratio {one['ratio']:.2f}")
    return {"unit": "ns", "rows": found, "findings": findings}


WITH_HUGEPAGES = {"nocopy": nocopy_section, "process": process_section, "forward": forward_section, "growth": growth_section,
                  "net_vhost": net_vhost_section, "devices": devices_section, "programs": programs_section,
                  "waiting": waiting_section, "latency": latency_section}
WITHOUT = {"instructions": instructions_section, "footprint": footprint_section, "software": software_section}

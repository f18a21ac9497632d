# SPDX-License-Identifier: BSD-2-Clause
"""Figures from samples: medians over rounds, DPDK's fastest path, ratios, and tables for the terminal."""
import statistics

import rows


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": len(values)}


def mpps(nanoseconds):
    return 1e3 / nanoseconds


def summaries(bench):
    """A dictionary for each point, with the nanoseconds per packet of every front-end."""
    found, clock = {}, statistics.median(bench.clocks)
    for (front, row, form, burst, length, ring, pairs), samples in bench.samples.items():
        key = (row, form, burst, length, ring, pairs)
        one = found.setdefault(key, {"row": row, "form": form, "burst": burst, "bytes": length, "ring": ring,
                                     "pairs": pairs, "fronts": {}})
        if form in ("inline", "parts"):
            one["ghz"] = clock
        # Cycles of the core are converted at its usual clock.
        by = one.get("ghz", 1)
        one["fronts"][front] = spread([sample["all"] / by for sample in samples])
        one["fronts"][front]["path"] = bench.paths[front, row]
        for part in ("receive", "free", "allocate", "send"):
            if part in samples[0]:
                one["fronts"][front][part] = statistics.median(sample[part] / by for sample in samples)
        if form == "cores":
            one["fronts"][front]["peer_idle"] = statistics.median(sample["peer_idle"] for sample in samples)
    for one in found.values():
        compare(one)
    names = [f"{direction}-{kind.name}" for direction in ("rx", "tx", "echo", *rows.FORWARDED) for kind in rows.KINDS]
    return sorted(found.values(), key=lambda one: (names.index(one["row"]), one["form"], one["ring"], one["pairs"],
                                                   one["burst"], one["bytes"]))


def compare(one):
    """Adds DPDK's fastest path for the same features, how many times faster ours is, and how fast it is beside the fair
    front-end and beside the limit."""
    theirs = {name: front for name, front in one["fronts"].items() if name.startswith("dpdk")}
    ours, limit, fair = (one["fronts"].get(name) for name in ("vionet", "lean", "fair"))
    one["best"] = min(theirs, key=lambda name: theirs[name]["median"]) if theirs else None
    one["ratio"] = theirs[one["best"]]["median"] / ours["median"] if ours and theirs else None
    one["of_limit"] = limit["median"] / ours["median"] if ours and limit else None
    one["of_fair"] = fair["median"] / ours["median"] if ours and fair else None


def is_headline(one):
    """Whether a row is one of the main table. Rows with rings of 255 have no other size."""
    return all(one[name] == value for name, value in rows.HEADLINE.items()
               if not (name == "ring" and one["row"].endswith("-255")))


HEADING = (f"{'row':<34} {'form':<7} {'burst':>5} {'bytes':>5} {'ring':>5} {'q':>2}   {'vionet':>20}   "
           f"{'DPDK, its best':>22}   {'fair C':>6}   {'limit':>6}   ratio  of fair C  of limit      "
           "per packet: cycles (cores, peer: ns)")


def formatted(front, by=1, marked="", digits=2):
    if front is None:
        return "-"
    median, least, most = (f"{front[name] * by:.{digits}f}" for name in ("median", "min", "max"))
    return f"{median} ({least}-{most}){marked}"


def line(one):
    """A line for the terminal: cycles where one core works alone, since they do not depend on its clock; else
    nanoseconds."""
    fronts, by = one["fronts"], one.get("ghz", 1)
    best = formatted(fronts.get(one["best"]), by, " v" if one["best"] == "dpdk-vectorized" else "  ")
    fair, limit = (f"{fronts[name]['median'] * by:.2f}" if name in fronts else "-" for name in ("fair", "lean"))
    ratio, of_fair, share = (f"{one[name]:.2f}" if one[name] else "-" for name in ("ratio", "of_fair", "of_limit"))
    text = (f"{one['row']:<34} {one['form']:<7} {one['burst']:>5} {one['bytes']:>5} {one['ring']:>5} "
            f"{one['pairs']:>2}   {formatted(fronts.get('vionet'), by):>20}   {best:>22}   {fair:>6}   {limit:>6}   "
            f"{ratio:>5}  {of_fair:>9}  {share:>8}")
    parts = [f"{name} " + " + ".join(f"{part} {front[part] * by:.1f}" for part in
                                    ("allocate", "receive", "send", "free") if part in front)
             for name, front in fronts.items() if one["form"] == "parts" and name != "lean"]
    return text + ("   " + "; ".join(parts) if parts else "")


def print_table(chosen):
    print("\n" + HEADING)
    for one in chosen:
        print(line(one))


# ---- of a page


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] +
                     ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def rate(front):
    """Mpps, then nanoseconds in brackets."""
    return "-" if front is None else f"{mpps(front['median']):.1f} ({front['median']:.2f})"


def ratio(one, name="ratio"):
    return "-" if one is None or one.get(name) is None else f"{one[name]:.2f}"

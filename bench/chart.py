# SPDX-License-Identifier: BSD-2-Clause
"""The chart: a bar for each front-end and row, packets per second of the forms inline (filled) and cores (outlined)."""
import re

FRONTS = (("vionet", "vionet", "#1b6ca8"), ("dpdk", "DPDK 22.11, its best", "#d98032"))


def table_of(page):
    """The rows of the page's first table: {name: {(front-end, form): Mpps, "ratio": text}}. The chart shows what the page says."""
    found = {}
    for line in re.search(r"^## Each path\n.*?^\|---.*?\n(.*?)(?:\n\n|\Z)", page, re.S | re.M)[1].split("\n"):
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        def mpps(cell):
            return float(cell.split(" ")[0]) if cell != "-" else 0
        found[name] = {("vionet", "inline"): mpps(cells[0]), ("dpdk", "inline"): mpps(cells[1]), "ratio": cells[2],
                       ("vionet", "cores"): mpps(cells[3]), ("dpdk", "cores"): mpps(cells[4])}
    return found


def panel(axes, found, direction):
    names = [name for name in found if name.startswith(direction)]
    for place, name in enumerate(names):
        one = found[name]
        for number, (who, label, colour) in enumerate(FRONTS):
            at = place + (number - 0.5) * 0.38
            axes.barh(at, one[who, "inline"], 0.36, color=colour, label=label if place == 0 else None)
            axes.barh(at, one[who, "cores"], 0.2, color="white", edgecolor="black", linewidth=0.6,
                      label="of these, with the back-end on another core" if place == 0 and number == 1 else None)
        if one["ratio"] != "-":
            axes.text(max(one[who, "inline"] for who, *_ in FRONTS) * 1.01, place, f"{float(one['ratio']):.1f} x", va="center",
                      fontsize=8)
    axes.set_yticks(range(len(names)), [name[3:] for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("million packets per second")
    axes.spines[["top", "right"]].set_visible(False)


def draw(page, paths):
    found = table_of(page)
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "vionet", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as plot
    figure, (left, right) = plot.subplots(1, 2, figsize=(11, 5.4))
    figure.subplots_adjust(left=0.15, right=0.98, top=0.88, bottom=0.17, wspace=0.42)
    panel(left, found, "rx")
    panel(right, found, "tx")
    left.set_title("receive")
    right.set_title("transmit")
    figure.suptitle("64-byte frames, bursts of 32, rings of 1024, a back-end that copies nothing")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, fontsize=9, frameon=False)
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
    plot.close(figure)

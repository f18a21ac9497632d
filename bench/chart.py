# SPDX-License-Identifier: BSD-2-Clause
"""The chart: a bar for each front-end and row, packets per second of the forms inline (filled) and cores (outlined)."""
import figures

FRONTS = (("vionet", "vionet", "#1b6ca8"), ("dpdk", "DPDK 22.11, its best", "#d98032"))


def value(one, who):
    front = one["fronts"].get(one["best"] if who == "dpdk" else who) if one else None
    return figures.mpps(front["median"]) if front else 0


def panel(axes, found, direction):
    names = [name for name in dict.fromkeys(one["row"] for one in found) if name.startswith(direction)]
    for place, name in enumerate(names):
        forms = {one["form"]: one for one in found if one["row"] == name and figures.is_headline(one)}
        for number, (who, label, colour) in enumerate(FRONTS):
            at = place + (number - 0.5) * 0.38
            axes.barh(at, value(forms.get("inline"), who), 0.36, color=colour, label=label if place == 0 else None)
            axes.barh(at, value(forms.get("cores"), who), 0.2, color="white", edgecolor="black", linewidth=0.6,
                      label="of these, with the back-end on another core" if place == 0 and number == 1 else None)
        ratio = forms["inline"]["ratio"] if "inline" in forms else None
        if ratio:
            axes.text(max(value(forms["inline"], who) for who, *_ in FRONTS) * 1.01, place, f"{ratio:.1f} x", va="center",
                      fontsize=8)
    axes.set_yticks(range(len(names)), [name[3:] for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("million packets per second")
    axes.spines[["top", "right"]].set_visible(False)


def draw(found, paths):
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

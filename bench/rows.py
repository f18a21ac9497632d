# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: kinds of ring, and the points of each. A row is a direction and a kind, "rx-packed-in-order"."""

# Feature bits that show whether a row got what it asked for.
MRG_RXBUF, EVENT_IDX, VERSION_1, RING_PACKED, IN_ORDER = 1 << 15, 1 << 29, 1 << 32, 1 << 34, 1 << 35
OFFLOADS = sum(1 << bit for bit in (0, 1, *range(7, 15)))  # in no row: a back-end would read headers of one side
KIND_BITS = MRG_RXBUF | EVENT_IDX | VERSION_1 | RING_PACKED | IN_ORDER | OFFLOADS

BURSTS, LENGTHS, RINGS = (1, 4, 32, 64), (64, 512, 1518), (1024, 256)
HEADLINE = {"burst": 32, "bytes": 64, "ring": 1024, "pairs": 1}


class Kind:
    """A set of features to negotiate, and the paths that DPDK has for it beyond its standard one."""

    def __init__(self, name, packed=False, mergeable=False, in_order=False, event_index=False, rings=RINGS,
                 vectorized=False):
        self.name, self.packed, self.mergeable, self.in_order = name, packed, mergeable, in_order
        self.event_index, self.rings, self.vectorized = event_index, rings, vectorized

    def features(self, front):
        """The features that this front-end must have negotiated. DPDK's has no EVENT_IDX, so its figure is the one
        without."""
        return (VERSION_1 | (RING_PACKED if self.packed else 0) | (MRG_RXBUF if self.mergeable else 0) |
                (IN_ORDER if self.in_order else 0) | (EVENT_IDX if self.event_index and front[:4] != "dpdk" else 0))

    def options(self):
        """Options of a measuring program."""
        return [option for option, wanted in (("--packed", self.packed), ("--mergeable", self.mergeable),
                                              ("--in-order", self.in_order),
                                              ("--event-idx", self.event_index)) if wanted]

    def keys(self):
        """Keys of a device address; DPDK's device arguments have the same names."""
        return f"packed_vq={self.packed:d},mrg_rxbuf={self.mergeable:d},in_order={self.in_order:d}"


# Where DPDK has a vectorized path for at least one direction: reference, the driver's own selection rules.
KINDS = [
    Kind("split-plain", vectorized=True),
    Kind("split-mergeable", mergeable=True),
    Kind("split-in-order", in_order=True),
    Kind("split-in-order-mergeable", in_order=True, mergeable=True),
    Kind("packed-plain", packed=True),
    Kind("packed-mergeable", packed=True, mergeable=True),
    Kind("packed-in-order", packed=True, in_order=True, vectorized=True),
    Kind("packed-in-order-mergeable", packed=True, in_order=True, mergeable=True, vectorized=True),
    Kind("split-event-idx", event_index=True, rings=(1024,), vectorized=True),
    Kind("packed-event-idx", packed=True, event_index=True, rings=(1024,)),
    Kind("packed-255", packed=True, in_order=True, rings=(255,), vectorized=True),
]


def libraries(kind):
    """The libraries that are measured on a kind: ours, and DPDK's paths."""
    return ["vionet", "dpdk"] + (["dpdk-vectorized"] if kind.vectorized else [])


def fronts(kind):
    """All front-ends: the libraries, the limit, and the same work in C."""
    return [*libraries(kind), "lean", "fair"]


def point(form, direction, burst=HEADLINE["burst"], length=HEADLINE["bytes"]):
    return f"{form}/{direction}/{burst}/{length}"


GROWTH_RINGS, GROWTH_PAIRS = tuple(256 << n for n in range(8)), (1, 2, 4, 8)
GROWTH_KINDS = ("split-plain", "packed-plain")
FORWARDED = ("io", "macswap")
COMPLETED = (1, 8, 32, 64)  # entries that a back-end in another process marks used at a time


def kind_of(name):
    return next(kind for kind in KINDS if kind.name == name)


def points(directions, quick):
    """The points that one process measures on the no-copy back-end: all bursts at one length, all lengths at one
    burst. The back-end looks at neither, so that they cannot influence each other."""
    chosen = []
    for direction in directions:
        for burst in (HEADLINE["burst"],) if quick else BURSTS:
            chosen += [point("inline", direction, burst), point("cores", direction, burst)]
        chosen += [point("inline", direction, length=length) for length in (() if quick else LENGTHS[1:])]
        chosen.append(point("parts", direction))
    return chosen

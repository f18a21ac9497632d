#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Calls every function of vionet.h through examples/python/vionet.py, on soft: devices, and requires the right results.

Prints the names of the functions that it called. Tests/abi/bindings.sh compares them with vionet.map: a new function
needs a call here, in the chapter of the header that declares it.
"""
import ctypes
import errno
import mmap
import os
import sys
import tempfile
import time

import vionet
from vionet import check, sized

CALLED = set()
WATCH = vionet.WatchCallback(lambda watched, user: None)
ROOM = ctypes.POINTER(ctypes.POINTER(vionet.Packet))
POOL_PACKETS = 2048
LENGTH = 100


def counted(name, function):
    def call(*arguments):
        CALLED.add(name)
        return function(*arguments)
    return call


for name_in_c, each in vionet.functions.items():
    setattr(vionet, name_in_c.removeprefix("vionet_"), counted(name_in_c, each))


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}; the last sentence is: {vionet.error().decode()}")


def library():
    lines = []
    log = vionet.LogCallback(lambda level, line, user: lines.append((level, line)))
    same(vionet.version().decode(), f"{vionet.VERSION_MAJOR}.{vionet.VERSION_MINOR}.{vionet.VERSION_PATCH}")
    same(vionet.version_number(), vionet.VERSION)
    vionet.log_set(vionet.LOG_DEBUG, log, None)
    port = ctypes.c_uint16(7)
    same(vionet.probe(b"soft:nothing", port), -errno.EINVAL)
    same(b"nothing" in vionet.error(), True)
    same(vionet.open(b"soft:sink", port), 0)
    vionet.close(port)
    same(vionet.open_config(b"soft:sink", sized(vionet.Config), port), 0)
    vionet.close(port)
    vionet.log_set(vionet.LOG_OFF, vionet.LogCallback(), None)
    same(len(lines) > 5 and all(0 < level <= vionet.LOG_DEBUG and line for level, line in lines), True)


def devices():
    found = vionet.devices(None, 0)
    same(found >= 0 or found == -errno.ENOENT, True)


def made_pool():
    config, pool = sized(vionet.PoolConfig), ctypes.c_uint16()
    config.packets, config.private_size = POOL_PACKETS, 16
    check(vionet.pool_create(config, pool))
    return pool.value


def free_in(pool):
    info = sized(vionet.PoolInfo)
    check(vionet.pool_info(pool, info))
    same(info.packets, POOL_PACKETS)
    return info.available


def life(pool, other_pool):
    port = ctypes.c_uint16()
    config = sized(vionet.Config)
    config.pool, config.queue_pairs = pool, 2
    check(vionet.probe(b"soft:loopback,queues=2,cq=1,rx_csum=1,vlan_filter=1", port))
    port = port.value
    check(vionet.rx_pool_set(port, 1, pool))
    check(vionet.init(port, config))
    check(vionet.pool_share(other_pool, port))
    check(vionet.start(port))
    check(vionet.stop(port))
    check(vionet.start(port))
    same(vionet.port_next(0), port)
    return port


def information(port, pool):
    info = sized(vionet.Info)
    check(vionet.info(port, info))
    same(info.device.startswith(b"soft:loopback"), True)
    same((info.state, info.queue_pairs, info.pool), (vionet.STATE_STARTED, 2, pool))
    same(vionet.feature_name(5), b"VIRTIO_NET_F_MAC")
    same(vionet.feature_name(127), None)


def made_packet(pool, length):
    packet = vionet.packet_alloc(pool)
    ctypes.memset(vionet.packet_append(packet, length), 2, length)
    return packet


def packets(pool):
    head, tail = made_packet(pool, LENGTH), made_packet(pool, 20)
    same(head.contents.length, LENGTH)
    same(vionet.packet_tailroom(head), head.contents.size - vionet.HEADROOM - LENGTH)
    same(vionet.packet_prepend(head, 4), head.contents.data)
    same(vionet.packet_prepend(head, 1000), None)
    same(vionet.packet_adjust(head, 4), head.contents.data)
    same((vionet.packet_trim(head, 10), head.contents.length), (0, LENGTH - 10))
    same(vionet.packet_chain(head, tail), 0)
    same((head.contents.segments, head.contents.total_length), (2, LENGTH + 10))
    same(vionet.packet_append(head, 1), None)
    check(vionet.packet_reference(head))
    vionet.packet_free(head)
    same(head.contents.references, 1)
    vionet.packet_free(head)


def received(port, count, room):
    got = 0
    for _ in range(1000):
        check(vionet.rx_wait(port, 0, 1000))
        rest = ctypes.cast(ctypes.byref(room, got * ctypes.sizeof(ctypes.c_void_p)), ROOM)
        got += vionet.rx_burst(port, 0, rest, count - got)
        if got == count:
            return
    raise AssertionError(f"{got} packets came back, not {count}")


def parts(pool):
    """Packets made of others."""
    packet = made_packet(pool, LENGTH)
    ctypes.memset(vionet.packet_private(packet), 7, 16)
    same(ctypes.string_at(vionet.packet_private(packet), 16), b"\7" * 16)
    packet.contents.flags = vionet.PACKET_TUNNEL4 | vionet.PACKET_TCP4
    same(vionet.packet_tunnel_set(packet, 34, 64), 0)
    outer, inner = ctypes.c_uint16(), ctypes.c_uint16()
    same(vionet.packet_tunnel(packet, ctypes.byref(outer), ctypes.byref(inner)), 0)
    same((outer.value, inner.value), (34, 64))
    packet.contents.flags = 0
    view = vionet.packet_view(packet, 20, 30)
    same((view.contents.data, view.contents.length), (packet.contents.data + 20, 30))
    same(vionet.packet_linearise(view), 0)
    vionet.packet_free(view)
    copy = vionet.packet_copy(packet, pool)
    rest = vionet.packet_split(copy, 60)
    same((copy.contents.total_length, rest.contents.total_length), (60, LENGTH - 60))
    segments = (ctypes.POINTER(vionet.Packet) * 1)()
    same(vionet.packet_segment(packet, segments, 1), 1)
    same(segments[0].contents.total_length, LENGTH)
    for each_part in (packet, copy, rest, segments[0]):
        vionet.packet_free(each_part)


def attached(pool):
    """A packet on the program's own memory."""
    given_back = []
    done = vionet.AttachedCallback(lambda data, user: given_back.append(data))
    memory = mmap.mmap(-1, 65536)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    config, region = sized(vionet.PoolConfig), ctypes.c_uint16()
    config.flags, config.memory, config.memory_length, config.memory_fd = vionet.POOL_REGION, start, len(memory), -1
    check(vionet.pool_create(config, region))
    packet = vionet.packet_attach(pool, start + 64, LENGTH, done, None)
    same((packet.contents.data, packet.contents.length), (start + 64, LENGTH))
    vionet.packet_free(packet)
    same(given_back, [start + 64])
    check(vionet.pool_destroy(region))


def bursts(port, pool):
    count = 8
    room = (ctypes.POINTER(vionet.Packet) * count)()
    same(vionet.packet_alloc_bulk(pool, room, count), count)
    for each in room:
        ctypes.memset(vionet.packet_append(each, LENGTH), 2, LENGTH)
    same(vionet.tx_prepare(port, 0, room, count), count)
    same(vionet.rx_arm(port, 0), 0)
    same(vionet.tx_burst(port, 0, room, count), count)
    received(port, count, room)
    same([each.contents.total_length for each in room], [LENGTH] * count)
    same(ctypes.string_at(room[0].contents.data, 3), b"\2\2\2")
    vionet.packet_free_bulk(room, count)
    vionet.tx_done(port, 0)
    same(vionet.rx_fd(port, 0) >= 0, True)


def waiting(port):
    """An idle port has room to send at once, and receives nothing."""
    same(vionet.tx_fd(port, 0) >= 0, True)
    same((vionet.tx_arm(port, 0), vionet.tx_wait(port, 0, 1000)), (1, 1))
    queues = (vionet.WaitQueue * 2)((port, 0, vionet.WAIT_RX), (port, 0, vionet.WAIT_TX))
    same((vionet.wait(queues, 2, 1000), queues[0].ready, queues[1].ready), (1, 0, 1))
    same(vionet.wait(queues, 1, 0), 0)


def buffered(port, pool):
    """A transmit buffer of two packets."""
    config, stats, room = sized(vionet.TxBufferConfig), sized(vionet.TxBufferStats), (ctypes.POINTER(vionet.Packet) * 2)()
    config.port, config.room, config.deadline = port, 2, 60000000
    buffer = ctypes.POINTER(vionet.TxBuffer)()
    check(vionet.tx_buffer_create(config, buffer))
    same(vionet.packet_alloc_bulk(pool, room, 2), 2)
    for each in room:
        vionet.packet_append(each, LENGTH)
    same(vionet.tx_buffer_put(buffer, room, 1), 1)
    same(0 < vionet.tx_buffer_due(buffer) <= 60000000, True)
    same(vionet.tx_buffer_flush(buffer), 0)
    received(port, 1, room)
    same(vionet.tx_buffer_put(buffer, room, 1), 1)
    check(vionet.tx_buffer_stats(buffer, stats))
    same((stats.put, stats.sent, stats.buffered, stats.by_flush), (2, 1, 1, 1))
    same(vionet.tx_buffer_destroy(buffer), 1)
    vionet.packet_free(room[1])


def settings(port):
    mac, unsupported = (ctypes.c_uint8 * 6)(2, 0, 0, 0, 0, 9), -errno.ENOTSUP
    rss = sized(vionet.Rss)
    results = [
        vionet.promiscuous_set(port, 1), vionet.all_multicast_set(port, 1), vionet.rx_filter_set(port, 0),
        vionet.mac_set(port, mac), vionet.mac_list_set(port, mac, 1), vionet.vlan_filter_set(port, 5, 1),
        vionet.queue_pairs_set(port, 1), vionet.queue_pairs_set(port, 2), vionet.mtu_set(port, 1400),
        vionet.rx_offloads_set(port, vionet.RX_VLAN_FILTER), vionet.rx_queue_restart(port, 1, 128),
        vionet.tx_queue_restart(port, 1, 128), vionet.rx_coalesce_set(port, vionet.ALL_QUEUES, 8, 100),
        vionet.tx_coalesce_set(port, vionet.ALL_QUEUES, 8, 100), vionet.rx_coalesce_set(port, vionet.ALL_QUEUES, 0, 0),
        vionet.tx_coalesce_set(port, vionet.ALL_QUEUES, 0, 0)]
    same(results, [0] * len(results))
    # What was not agreed on is refused with the name of the feature.
    same(vionet.toeplitz((ctypes.c_uint8 * 40)(*b"\x80"), 40, b"\x80", 1), 1 << 31)
    for result in (lambda: vionet.rss_set(port, rss), lambda: vionet.rss_get(port, rss)):
        same(result(), unsupported)
        same(b"VIRTIO_NET_F_" in vionet.error(), True)


def statistics(port):
    totals, rx, tx = sized(vionet.Stats), sized(vionet.QueueStats), sized(vionet.QueueStats)
    check(vionet.stats(port, totals))
    check(vionet.rx_queue_stats(port, 0, rx))
    check(vionet.tx_queue_stats(port, 0, tx))
    same((totals.rx.packets, totals.tx.packets), (rx.packets, tx.packets))
    same(totals.rx.packets >= 8, True)
    count = check(vionet.xstats(port, None, 0))
    values, name = (ctypes.c_uint64 * count)(), ctypes.create_string_buffer(vionet.XSTAT_NAME)
    same(vionet.xstats(port, values, count), count)
    check(vionet.xstat_name(port, 0, name, len(name)))
    same(vionet.xstat_id(port, name.value), 0)
    same(values[vionet.xstat_id(port, b"rx_good_packets")], totals.rx.packets)
    check(vionet.stats_reset(port))
    check(vionet.stats(port, totals))
    same(totals.rx.packets, 0)
    same(vionet.drop_name(vionet.DROP_SHORT), b"short")
    check(vionet.watch_set(port, WATCH, None))
    check(vionet.watch_set(port, vionet.WatchCallback(), None))


def served():
    device, port, stats = ctypes.c_uint16(), ctypes.c_uint16(), sized(vionet.SoftStats)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        check(vionet.soft_serve(path.encode(), b"sink", device))
        check(vionet.open(f"vhost-user:{path}".encode(), port))
        for _ in range(1000):
            check(vionet.soft_stats(device, stats))
            if stats.connections == 1:
                break
            time.sleep(0.01)
        same(stats.connections, 1)
        vionet.close(port)
        vionet.soft_stop(device)
        same(os.path.exists(path), False)


def main():
    events = []
    follow = vionet.EventCallback(lambda port, event, user: events.append(event))
    library()
    devices()
    check(vionet.event_add(follow, None))
    pool, other_pool = made_pool(), made_pool()
    port = life(pool, other_pool)
    information(port, pool)
    packets(pool)
    parts(pool)
    attached(pool)
    bursts(port, other_pool)
    waiting(port)
    buffered(port, other_pool)
    settings(port)
    same(vionet.event_fd(port) >= 0, True)
    check(vionet.event_handle(port))
    check(vionet.announce(port, 0, None, 0))
    statistics(port)
    vionet.close(port)
    same((events[0], events[-1]), (vionet.EVENT_NEW, vionet.EVENT_CLOSED))
    check(vionet.event_remove(follow, None))
    for each_pool in (pool, other_pool):
        same(free_in(each_pool), POOL_PACKETS)
        check(vionet.pool_destroy(each_pool))
    served()
    print("\n".join(sorted(CALLED)))


sys.exit(main())

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-control.h - a local socket through which other programs watch this program's ports and
 * change their settings
 *
 * Its clients are vionetctl (stats, dump, set, events, capture) and, by HTTP, anything that reads
 * Prometheus text. A program opens the socket with one call and serves it from its own loop; there
 * is no thread.
 *
 *     struct vionet_control *control;
 *     vionet_control_open("/run/app.sock", &control);
 *     ... poll vionet_control_fd(control) for POLLIN with everything else, and then:
 *     vionet_control_process(control);
 *
 *     cc app.c $(pkg-config --cflags --libs vionet-control)
 *
 * libvionet-control is a library of its own, which uses vionet.h like any program. libvionet does
 * not need it.
 *
 * Calls that return int return 0 or more, or a negative errno. vionet_control_error() then says
 * what is wrong.
 *
 * The socket has mode 0600: only the same user and root can open it, and they may do everything
 * below. A request is one line. The answer is one or more lines, of which the last begins with
 * "ok" or "error".
 *
 *     help                            these requests
 *     list                            port NUMBER STATE DEVICE
 *     info PORT                       KEY VALUE
 *     stats PORT                      NAME VALUE, of vionet_xstats()
 *     pools                           pool NUMBER KEY VALUE, of vionet_pool_info()
 *     error                           sentence TEXT, if a call on the thread that serves the socket
 *                                     has failed: the last of vionet_error() there
 *     set PORT mac 02:00:00:00:00:01
 *     set PORT mtu 1400
 *     set PORT promiscuous on|off
 *     set PORT all_multicast on|off
 *     set PORT vlan add|remove ID
 *     set PORT queue_pairs COUNT
 *     set PORT coalesce rx|tx all|QUEUE PACKETS MICROSECONDS
 *     set PORT rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]
 *                                     TYPE: ipv4, tcp4, udp4, ipv6, tcp6, udp6, ipv6_ex, tcp6_ex or
 *                                     udp6_ex. What is not named keeps its value
 *     events                          from then on a line for each event: TIME port NUMBER EVENT,
 *                                     with TIME in seconds since 1970
 *     filter HEX                      adds instructions to the filter of this connection's capture
 *     capture [port=NUMBER] [direction=rx|tx] [snaplen=BYTES] [ring=KIB]
 *                                     from then on packets, in a ring; see below
 *     GET /metrics HTTP/1.1           all counters of all ports as Prometheus text, for
 *                                     curl --unix-socket /run/app.sock http://localhost/metrics
 *
 * "error" is followed by the number of the errno and a sentence. A request has at most 4095 bytes.
 * At most 16 connections may be open. A connection is closed if it sends no request, or does not
 * read an answer, for 5 s; one that follows events may stay silent.
 *
 * A capture sees the packets that bursts receive, send and drop, of all ports, also of those that
 * come later, through vionet_watch_set(); a port that has a watcher already refuses it. It ends with
 * its connection. The first line of its answer, "ring BYTES", comes with two files, by SCM_RIGHTS.
 * The first has 4096 bytes and then BYTES of records, and can only be read; the other is written by
 * the client. All numbers are in this machine's byte order:
 *
 *     first file     0  8  bytes of records so far, since the beginning; read it with acquire
 *                    8  8  packets that were lost, because the ring was full or another thread wrote
 *     second file    0  8  bytes of records that the client has read; write it with release
 *     record         0  4  bytes of the record, a multiple of 8
 *                    4  4  bytes of the packet that it has; 0xffffffff: the rest of the ring is unused
 *                    8  8  time, in nanoseconds since 1970
 *                   16  4  bytes of the whole packet
 *                   20  2  port, then queue, 2 bytes too
 *                   24  1  0 received, 1 sent or to be sent
 *                   25  1  255, or why the packet was dropped: enum vionet_drop
 *                   26  1  1 the checksum is left to the device; 2 to be cut into segments; 4 the tag
 *                          at 28 is not in the packet; 8 packets that cannot be shown: how many is
 *                          at 16
 *                   28  2  VLAN tag control information; bytes of each segment, 2 bytes too
 *                   32     the packet
 *
 * A filter is a program for the classic BSD packet filter, of 16 hexadecimal digits for each
 * instruction: code, jump if true, jump if false, value. Packets that cannot be shown pass it.
 *
 * A socket belongs to the process that made it. In a forked child vionet_control_fd() and
 * vionet_control_process() return -EPERM, and vionet_control_close() does nothing.
 */
#ifndef VIONET_CONTROL_H
#define VIONET_CONTROL_H

#include <vionet.h>

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct vionet_control; /* one socket */

/*
 * Makes a control socket, which shows all ports of this process. If the file is a socket of a
 * program that has ended, it is replaced. A socket that another program serves, and a file that is
 * no socket, stay as they are. The first socket of a process takes one place of vionet_event_add().
 * Any thread. Since 0.1. Errors:
 *   -EINVAL        an argument is NULL, or the path is empty
 *   -ENAMETOOLONG  the path has more than 107 bytes
 *   -EADDRINUSE    another program serves the socket, or the file is no socket
 *   -ENOSPC        4 sockets are open, or vionet_event_add() has no place left
 *   -ENOENT        the folder does not exist
 *   -EACCES        this process may not write to the folder
 *   -ENOMEM        no memory
 *   -EMFILE        no file descriptor
 */
int vionet_control_open(const char *VIONET_NULLABLE path,
                        struct vionet_control *VIONET_NULLABLE *VIONET_NULLABLE control);

/*
 * Returns a descriptor for poll or epoll, which is readable when vionet_control_process() has
 * something to do. It belongs to the library. Any thread. Since 0.1.
 */
int vionet_control_fd(const struct vionet_control *VIONET_NONNULL control);

/*
 * Does what there is to do, at most one request of each connection. Returns the number of
 * requests. It never waits for a connection. But a request that calls the device waits as the call
 * of vionet.h does: settings and a device's own counters take up to 3 s for each command. A
 * program that cannot wait calls this from a thread of its own. One thread at a time. Since 0.1.
 */
int vionet_control_process(struct vionet_control *VIONET_NONNULL control);

/*
 * Closes all connections and removes the socket. NULL is ignored. No other thread may use the
 * socket meanwhile or later. Since 0.1.
 */
void vionet_control_close(struct vionet_control *VIONET_NULLABLE control);

/*
 * Returns what was wrong in this thread's last vionet_control_open() that failed, or in its last
 * call in a forked child; "" if none has. Any thread. Since 0.1.
 */
const char *VIONET_NONNULL vionet_control_error(void);

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif

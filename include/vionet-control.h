/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-control.h - a local socket through which others look at this program's ports and set them
 *
 * For vionetctl (stats, set, events) and, by HTTP, for whatever reads Prometheus text. A program opts in with one call
 * and then serves the socket from its own loop: there is no thread.
 *
 *     struct vionet_control *control;
 *     vionet_control_open("/run/app.sock", &control);
 *     ... poll vionet_control_fd(control) for POLLIN with everything else, and then:
 *     vionet_control_process(control);
 *
 *     cc app.c $(pkg-config --cflags --libs vionet-control)
 *
 * It is a library of its own, libvionet-control, which knows vionet.h and no more; libvionet does not need it.
 *
 * Errors: calls that return int return 0 or more, or a negative errno; vionet_control_error() then says what is wrong.
 *
 * The socket has mode 0600: whoever can open it, the same user and root, may do all of the following. A request is one
 * line, the answer some lines of which the last begins with "ok" or "error":
 *
 *     help                            these requests
 *     list                            port NUMBER STATE DEVICE
 *     info PORT                       KEY VALUE
 *     stats PORT                      NAME VALUE, of vionet_xstats()
 *     set PORT mac 02:00:00:00:00:01
 *     set PORT mtu 1400
 *     set PORT promiscuous on|off
 *     set PORT all_multicast on|off
 *     set PORT vlan add|remove ID
 *     set PORT queue_pairs COUNT
 *     set PORT coalesce rx|tx all|QUEUE PACKETS MICROSECONDS
 *     set PORT rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]
 *                                     TYPE: ipv4, tcp4, udp4, ipv6, tcp6, udp6, and the last three with _ex; what is not
 *                                     named stays as it is
 *     events                          then, one a line as they happen: TIME port NUMBER EVENT, TIME in seconds of 1970
 *     GET /metrics HTTP/1.1           all counters of all ports as Prometheus text, for
 *                                     curl --unix-socket /run/app.sock http://localhost/metrics
 *
 * "error" is followed by the errno's number and a sentence. Connections that ask nothing for 5 s, or leave an answer
 * unread for so long, are closed; 16 may be open. A request has at most 4095 bytes.
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
 * Makes the socket. A socket of a program that is no more is replaced; one that is served, and a file that is none, are
 * left alone. The ports that are shown are all of this process at any time. Takes one place of vionet_event_add().
 * -EINVAL; -ENAMETOOLONG the path has more than 107 bytes; -EADDRINUSE; -ENOSPC 4 sockets are open, or no place for a
 * callback is left; -ENOENT, -EACCES, -ENOMEM, -EMFILE. Any thread. Since 0.1.
 */
int vionet_control_open(const char *VIONET_NULLABLE path,
                        struct vionet_control *VIONET_NULLABLE *VIONET_NULLABLE control);

/* A descriptor that is readable when there is something to do, for poll or epoll. The library's own. Since 0.1. */
int vionet_control_fd(const struct vionet_control *VIONET_NONNULL control);

/*
 * Does what there is to do, at most one request of each connection, and returns how many requests that were. Never waits
 * for a connection. A request may wait for a device, though, as the call that it stands for: settings and a device's own
 * counters for up to 3 s a command, so that a program which cannot have that calls this from a thread of its own.
 * One thread at a time. Since 0.1.
 */
int vionet_control_process(struct vionet_control *VIONET_NONNULL control);

/* Ends all connections and removes the socket. NULL is ignored. Since 0.1. */
void vionet_control_close(struct vionet_control *VIONET_NULLABLE control);

/* The sentence of this thread's last failed vionet_control_open(), "" before the first. Since 0.1. */
const char *VIONET_NONNULL vionet_control_error(void);

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* How lwIP is built for vionet-httpd: one thread, IPv4 and TCP, and nothing that would make it copy what it sends. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 1
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_ICMP 1
#define LWIP_UDP 0
/* What the server says at its end: frames that were dropped for their checksums. */
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define SYS_LIGHTWEIGHT_PROT 0

/* Received packets stay where they are. Each is a pbuf of its own kind in the packet's private bytes. */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
/* A segment is a pbuf of headers and pbufs that refer to the file. One pbuf would be a copy. */
#define LWIP_NETIF_TX_SINGLE_PBUF 0

/* The device or the library finishes the checksums of TCP, and says of each received packet whether it is checked. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

#define MEM_ALIGNMENT 16
#define MEM_SIZE (32 << 20)
#define MEMP_NUM_PBUF 16384
#define MEMP_NUM_TCP_PCB 512
#define MEMP_NUM_TCP_SEG 16384

#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 2
#define TCP_WND (128 * 1024)
#define TCP_SND_BUF (512 * 1024)
#define TCP_SND_QUEUELEN 2048
#define TCP_SNDLOWAT (32 * 1024)
#define TCP_LISTEN_BACKLOG 1
/* They want lwIP's own buffers to be enough for a window. The pool of vionet has more. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1

/* Files come from vionet-httpd, with the header of the answer before their data. */
#define LWIP_HTTPD_CUSTOM_FILES 1
#define LWIP_HTTPD_DYNAMIC_HEADERS 0
#define HTTPD_LIMIT_SENDING_TO_2MSS 0
/* A connection on which nothing was acknowledged for this many times 2 s is closed. Clients pause, and networks lose. */
#define HTTPD_MAX_RETRIES 60
#define HTTPD_FSDATA_FILE "no-files.h"

#endif

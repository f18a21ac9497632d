/* SPDX-License-Identifier: BSD-2-Clause */
/* What a forked child leaves to its parent. Part of CLinux.h, which defines RESULT. */
#pragma clang assume_nonnull begin

/* The parts of the library that have something to leave to the parent. */
enum { FORK_STORAGE, FORK_EVENTS, FORK_GROUPS, FORK_POOLS, FORK_PORTS, FORK_SERVED, FORK_GUARDS, FORK_FILES, FORK_PARTS };
/* From now on `leave` runs first thing in a forked child, in its only thread. It may call what a signal handler may. */
void fork_leaves(int part, void (*leave)(void));
/* How many forks lie between this process and the one that loaded the library, since it first called the library. */
uint32_t fork_generation(void);
/*
 * A descriptor that the library has made, which a forked child closes. Returns it, or a failure as it is given. One of the
 * three standard numbers is exchanged for another: a program that has closed its own goes on printing to 1 and 2, and must
 * not print into a socket of ours.
 */
int descriptor_own(int fd);
void descriptor_disown(int fd);
void sentence_in_child(void);
/* A call that makes a descriptor: its number, or -errno. */
#define OWN(call) descriptor_own(RESULT(call))

#pragma clang assume_nonnull end

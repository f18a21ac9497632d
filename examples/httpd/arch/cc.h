/* SPDX-License-Identifier: BSD-2-Clause */
/* What lwIP wants to know about the compiler and the system. */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include <stdlib.h>
#include <sys/time.h>

#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_RAND() ((u32_t)arc4random())
#define LWIP_ERRNO_STDINCLUDE 1

#endif

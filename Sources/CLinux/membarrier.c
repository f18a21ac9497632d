/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel is told early that this process uses membarrier(2): later, with threads, that takes it long. */
#include "CLinux.h"

#include <sys/single_threaded.h>

static _Atomic bool ready;

int sys_membarrier_register(void)
{
	int status = RESULT((int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	if (status == 0)
		ready = true;
	return status;
}

bool sys_membarrier_is_ready(void) { return ready; }

__attribute__((constructor)) static void when_loaded(void)
{
	if (__libc_single_threaded)
		(void)sys_membarrier_register();
}

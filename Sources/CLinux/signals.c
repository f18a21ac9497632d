/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing without the signals that a write may raise: whoever asked for the write gets an error instead. */
#include "CLinux.h"

#include <signal.h>

ssize_t sys_write_quietly(int fd, const void *buffer, size_t length)
{
	sigset_t quiet, before;
	const struct timespec now = {0, 0};
	sigemptyset(&quiet);
	sigaddset(&quiet, SIGPIPE);
	sigaddset(&quiet, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &quiet, &before);
	ssize_t result = RESULT(write(fd, buffer, length));
	/* The signal of this write waits for this thread. One that was blocked already, another may be waiting for. */
	int raised = result == -EPIPE ? SIGPIPE : result == -EFBIG ? SIGXFSZ : 0;
	if (raised != 0 && !sigismember(&before, raised)) {
		sigemptyset(&quiet);
		sigaddset(&quiet, raised);
		(void)sigtimedwait(&quiet, NULL, &now);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

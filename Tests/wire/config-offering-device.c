/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user back-end that offers CONFIG to everybody, until SIGTERM.
 *
 *     config-offering-device
 *
 * prints "ready" and the path of its socket.
 */
#include "../support/peer.h"

#include <signal.h>

int main(void)
{
	static struct peer p;
	sigset_t end;
	int number;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	peer_start(&p);
	printf("ready %s\n", p.path);
	fflush(stdout);
	sigwait(&end, &number);
	peer_end(&p);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

#include <dlfcn.h>
#include <signal.h>

int sys_thread_start(pthread_t *thread, const char *name, void *(*body)(void *), void *argument)
{
	sigset_t all, before;
	sigfillset(&all);
	/* A fault of the thread's own ends the process if it is blocked, and no handler hears of it. */
	static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(thread, NULL, body, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_setname_np(*thread, name);
	return -error;
}

/* A program that is linked with everything static has none of these, and unloads nothing. */
#pragma weak dladdr
#pragma weak dlopen
#pragma weak dlclose

static void *_Atomic self; /* the same handle each time; the loader counts */

void library_keep(void)
{
	Dl_info here;
	if (dladdr == NULL || dlopen == NULL || dladdr(&self, &here) == 0 || here.dli_fname == NULL)
		return;
	void *handle = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (handle != NULL)
		self = handle;
}

void library_release(void)
{
	if (self != NULL && dlclose != NULL)
		dlclose(self);
}

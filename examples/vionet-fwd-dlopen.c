/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd-dlopen - the forwarder of fwd.h, with the library loaded while it runs
 *
 * For a program that must start where vionet is not installed, or loads its drivers as plugins. It needs the header to
 * compile and nothing of the library to link.
 *
 *     cc vionet-fwd-dlopen.c $(pkg-config --cflags vionet) -lbsd
 *     VIONET_LIBRARY=build/libvionet.so.0 vionet-fwd-dlopen soft:generate soft:sink
 *
 * Without VIONET_LIBRARY the usual search path is used.
 */
#define _GNU_SOURCE
#include "fwd.h"

#include <dlfcn.h>
#include <string.h>

/* The number in the file's name is the promise that calls and structs fit this header; without it there is none. */
static void *load(void)
{
	const char *name = getenv("VIONET_LIBRARY");
	void *library = dlopen(name != NULL ? name : "libvionet.so.0", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		errx(1, "%s (VIONET_LIBRARY names another place)", dlerror());
	return library;
}

/* Copied as bytes: C has no cast from an object pointer to a function pointer. */
static void look_up(void *library, const char *name, void *function)
{
	void *address = dlsym(library, name);
	if (address == NULL)
		errx(1, "%s", dlerror());
	memcpy(function, &address, sizeof(address));
}

int main(int argc, char **argv)
{
	struct vionet_calls calls;
	void *library = load();
#define LOADED(name) look_up(library, "vionet_" #name, &calls.name);
	VIONET_CALLS(LOADED)

	int status = forwarder_main(argc, argv, &calls, NULL);
	dlclose(library);
	return status;
}

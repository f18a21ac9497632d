/* SPDX-License-Identifier: BSD-2-Clause */
/* libvionet-control loaded with dlopen, used, and unloaded: nothing of it stays behind. */
#include "../support/cases.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <vionet-control.h>

static char path[64];

#define FIND(library, name) \
	({ \
		__typeof__(name) *found_ = (__typeof__(name) *)(uintptr_t)dlsym(library, #name); \
		yes(found_ != NULL); \
		found_; \
	})

static int connected(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	same(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void use(const char *file)
{
	static const char request[] = "dance\n", refusal[] = "error 22 there is no request \"dance\": ";
	char answer[200] = "";
	struct vionet_control *control;
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		FAILED("%s", dlerror());
	__typeof__(vionet_control_process) *process = FIND(library, vionet_control_process);
	same(FIND(library, vionet_control_open)("", &control), -EINVAL);
	same(FIND(library, vionet_control_open)(path, &control), 0);
	int fd = connected(), other = connected();
	same(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	same(process(control), 0); /* the connections are accepted */
	same(process(control), 1);
	yes(read(fd, answer, sizeof(answer) - 1) > 0 && strncmp(answer, refusal, sizeof(refusal) - 1) == 0);
	/* What a request says does not take the place of what vionet_control_open() said. */
	yes(strstr(FIND(library, vionet_control_error)(), "empty") != NULL);
	FIND(library, vionet_control_close)(control);
	close(fd);
	close(other);
	same(dlclose(library), 0);
	yes(dlopen(file, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

CASE("the library of the control socket is loaded and unloaded two hundred times")
{
	/* A copy of the file is a library of its own, also if this program is linked with the library. */
	const char *stage = getenv("VIONET_TEST_STAGE");
	char copy[] = "/tmp/vionet-test-XXXXXX", command[4200];
	if (stage == NULL)
		skip("run by Tests/run.sh, which says where the library is");
	snprintf(path, sizeof(path), "/tmp/vionet-test-%d-unload", (int)getpid());
	int fd = mkstemp(copy);
	yes(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "cp '%s/lib/libvionet-control.so.0' %s", stage, copy);
	same(system(command), 0);
	vionet_close(opened("soft:sink")); /* what libvionet keeps is there by then */

	for (int i = 0; i < 20; i++)
		use(copy);
	struct holdings before = holdings();
	for (int i = 0; i < 200; i++)
		use(copy);
	held_as_before(before, 512);
	unlink(copy);
}

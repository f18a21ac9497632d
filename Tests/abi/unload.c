/* SPDX-License-Identifier: BSD-2-Clause */
/* The library loaded with dlopen(), every symbol of vionet.map found, used, and unloaded. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <dlfcn.h>
#include <malloc.h>

static char names[256][64];
static int name_count;

/* The global names of the version script. */
static void read_map(const char *file)
{
	char line[200];
	FILE *f = fopen(file, "re");
	yes(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " vionet_%49[a-z0-9_];", names[name_count] + 7) == 1) {
			memcpy(names[name_count], "vionet_", 7);
			yes(++name_count < 256);
		}
	fclose(f);
	yes(name_count > 30);
}

static void *find(void *library, const char *name)
{
	void *address = dlsym(library, name);
	if (address == NULL)
		FAILED("%s", dlerror());
	return address;
}

static void use(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	uint16_t port;
	if (library == NULL)
		FAILED("%s", dlerror());
	for (int i = 0; i < name_count; i++)
		find(library, names[i]);
	__typeof__(vionet_open) *open_port = (__typeof__(open_port))(uintptr_t)find(library, "vionet_open");
	__typeof__(vionet_close) *close_port = (__typeof__(close_port))(uintptr_t)find(library, "vionet_close");
	__typeof__(vionet_packet_alloc) *alloc = (__typeof__(alloc))(uintptr_t)find(library, "vionet_packet_alloc");
	__typeof__(vionet_packet_free) *release = (__typeof__(release))(uintptr_t)find(library, "vionet_packet_free");
	__typeof__(vionet_error) *error = (__typeof__(error))(uintptr_t)find(library, "vionet_error");
	same(open_port("soft:nothing", &port), -EINVAL);
	yes(strstr(error(), "nothing") != NULL);
	same(open_port("soft:loopback", &port), 0);
	struct vionet_packet *p = alloc(0);
	yes(p != NULL);
	release(p);
	close_port(port);
	same(dlclose(library), 0);
	yes(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

static char copy[] = "/tmp/vionet-test-XXXXXX";

/* This program is linked with the library like every test; a second copy of the file is another library. */
BEFORE_EACH
{
	const char *stage = getenv("VIONET_TEST_STAGE");
	char command[9000];
	if (getenv("VIONET_TEST_ROOT") == NULL || stage == NULL)
		skip("run by Tests/run.sh, which says where the library is");
	int fd = mkstemp(copy);
	yes(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "cp '%s/lib/libvionet.so.0' %s", stage, copy);
	same(system(command), 0);
}

AFTER_EACH { unlink(copy); }

CASE("the library is loaded and unloaded two hundred times")
{
	char file[4096];
	snprintf(file, sizeof(file), "%s/vionet.map", getenv("VIONET_TEST_ROOT"));
	read_map(file);
	for (int i = 0; i < 20; i++)
		use(copy);
	malloc_trim(0); /* what the allocator keeps of freed memory is not the library's */
	struct holdings before = holdings();
	for (int i = 0; i < 200; i++)
		use(copy);
	malloc_trim(0);
	held_as_before(before, 512);
}

CASE("a library that is unloaded while it serves a device stays until the device is stopped")
{
	char socket[80], address[100];
	uint16_t device;
	void *library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
	yes(library != NULL);
	__typeof__(vionet_soft_serve) *serve = (__typeof__(serve))(uintptr_t)find(library, "vionet_soft_serve");
	snprintf(socket, sizeof(socket), "%s.sock", copy);
	snprintf(address, sizeof(address), "vhost-user:%s", socket);
	same(serve(socket, "loopback", &device), 0);
	for (int i = 0; i < 3; i++)
		same(dlclose(i == 0 ? library : dlopen(copy, RTLD_NOW | RTLD_LOCAL)), 0);
	uint16_t port = opened(address);
	back_and_forth(port);
	vionet_close(port);
	yes((library = dlopen(copy, RTLD_NOW | RTLD_LOCAL)) != NULL);
	__typeof__(vionet_soft_stop) *stop = (__typeof__(stop))(uintptr_t)find(library, "vionet_soft_stop");
	stop(device);
	yes(access(socket, F_OK) < 0);
	same(dlclose(library), 0);
	yes(dlopen(copy, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

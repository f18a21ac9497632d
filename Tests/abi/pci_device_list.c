/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet_devices() agrees with sysfs on the machine's virtio-net functions, whatever the size of the caller's struct and
 * list; with vdpa=1 each function is skipped.
 */
#include "../support/cases.h"

enum { ROOM = 256 };
static const char folder[] = "/sys/bus/pci/devices";
static struct vionet_device list[ROOM];

static unsigned long number_in(const char *name, const char *leaf)
{
	char path[300];
	unsigned long value = 0;
	snprintf(path, sizeof(path), "%s/%s/%s", folder, name, leaf);
	FILE *f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%lx", &value) != 1)
		value = 0;
	if (f != NULL)
		fclose(f);
	return value;
}

/* The last component of the link's target, "" if there is no link. */
static const char *linked(const char *name, const char *leaf)
{
	static char target[300];
	char path[300];
	snprintf(path, sizeof(path), "%s/%s/%s", folder, name, leaf);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = 0;
	return strrchr(target, '/') == NULL ? target : strrchr(target, '/') + 1;
}

static int is_virtio_net(const struct dirent *entry)
{
	unsigned long device = number_in(entry->d_name, "device");
	return number_in(entry->d_name, "vendor") == 0x1af4 && (device == 0x1000 || device == 0x1041);
}

/* Looked up the other way round than in the library: the interface whose device is the function, "" if there is none. */
static const char *interface_of(const char *name)
{
	static char found[300];
	char path[400], target[4096];
	DIR *interfaces = opendir("/sys/class/net");
	found[0] = 0;
	for (struct dirent *entry; interfaces != NULL && (entry = readdir(interfaces)) != NULL;) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device/..", entry->d_name);
		if (entry->d_name[0] != '.' && realpath(path, target) != NULL && strcmp(strrchr(target, '/') + 1, name) == 0)
			snprintf(found, sizeof(found), "%s", entry->d_name);
	}
	if (interfaces != NULL)
		closedir(interfaces);
	return found;
}

static void agrees(const struct vionet_device *device, const char *name)
{
	const char *group = linked(name, "iommu_group");
	uint16_t port = 77;

	same(strncmp(device->address, "pci:", 4), 0);
	same(strcmp(device->address + 4, name), 0);
	same(device->iommu_group, group[0] == 0 ? -1 : atoi(group));
	same(device->kind, number_in(name, "device") == 0x1000 ? VIONET_DEVICE_TRANSITIONAL : VIONET_DEVICE_MODERN);
	same(strcmp(device->driver, linked(name, "driver")), 0);
	same(strcmp(device->interface, interface_of(name)), 0);
	same(device->ready != 0, device->reason[0] == 0);
	if (strcmp(device->driver, "vfio-pci") == 0 || strcmp(device->driver, "uio_pci_generic") == 0)
		return; /* another program may use it */
	same(device->ready, 0);
	yes(vionet_probe(device->address, &port) < 0);
	same(port, 77);
	same(strcmp(vionet_error(), device->reason), 0);
}

static int compared(void)
{
	struct dirent **names = NULL;
	int wanted = scandir(folder, &names, is_virtio_net, alphasort);
	memset(list, 0x55, sizeof(list));
	list[0].size = sizeof(list[0]);
	if (wanted < 0) { /* a machine without PCI */
		err(vionet_devices(list, ROOM), -ENOENT);
		return 0;
	}
	yes(wanted <= ROOM);
	same(vionet_devices(list, ROOM), wanted);
	for (int i = 0; i < wanted; i++) {
		same(list[i].size, sizeof(list[0]));
		agrees(&list[i], names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return wanted;
}

static void sizes(int count)
{
	struct longer {
		struct vionet_device known;
		char unknown[40];
	} longer[ROOM + 1];
	struct shorter {
		size_t size;
		uint32_t kind;
		int32_t iommu_group;
	} shorter[ROOM + 1];

	memset(longer, 0x55, sizeof(longer));
	longer[0].known.size = sizeof(longer[0]);
	same(vionet_devices(&longer[0].known, ROOM), count);
	shorter[0].size = sizeof(shorter[0]);
	memset(&shorter[count], 0x55, sizeof(shorter[0]));
	same(vionet_devices((struct vionet_device *)(void *)shorter, ROOM), count);
	for (int i = 0; i < count; i++) {
		same(longer[i].known.size, sizeof(longer[0]));
		same(memcmp(&longer[i].known.kind, &list[i].kind, sizeof(list[0]) - sizeof(size_t)), 0);
		same(longer[i].unknown[0] == 0x55 && longer[i].unknown[39] == 0x55, 1);
		same(shorter[i].size, sizeof(shorter[0]));
		same(shorter[i].kind, list[i].kind);
		same(shorter[i].iommu_group, list[i].iommu_group);
	}
	same(longer[count].known.kind, 0x55555555);
	same(shorter[count].kind, 0x55555555);
}

static void limits(int count)
{
	static const size_t wrong[] = {0, 4, 20, 4097, SIZE_MAX};

	same(vionet_devices(NULL, 0), count);
	memset(list, 0x55, sizeof(list));
	list[0].size = sizeof(list[0]);
	same(vionet_devices(list, 0), count);
	same(list[0].kind, 0x55555555);
	same(vionet_devices(list, 1), count);
	same(list[count == 0 ? 0 : 1].kind, 0x55555555);
	err(vionet_devices(NULL, 1), -EINVAL);
	says("list is NULL");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		list[0].size = wrong[i];
		err(vionet_devices(list, ROOM), -EINVAL);
		says("size");
	}
}

static void is_skipped(const char *address)
{
	char text[64];
	uint16_t port = 77;

	snprintf(text, sizeof(text), "%s,vdpa=1", address);
	same(vionet_probe(text, &port), VIONET_SKIPPED);
	same(port, VIONET_PORT_NONE);
	says("vDPA");
	says(address + 4);
	port = 77;
	same(vionet_open(text, &port), VIONET_SKIPPED);
	same(port, VIONET_PORT_NONE);
	same(vionet_port_next(0), VIONET_PORT_NONE);
	err(vionet_init(port, NULL), -ENODEV);
	snprintf(text, sizeof(text), "%s,vdpa=1,colour=red", address);
	err(vionet_probe(text, &port), -EINVAL);
	says("colour");
}

static void all(void)
{
	int count = compared();
	for (int i = 0; i < count; i++)
		is_skipped(list[i].address);
	if (access(folder, F_OK) != 0)
		return;
	sizes(count);
	limits(count);
}

CASE("the list agrees with sysfs, whatever the sizes of struct and list, and leaves nothing behind")
{
	all();
	struct holdings before = holdings();
	all();
	held_as_before(before, 128);
	printf("%d virtio-net functions\n", vionet_devices(NULL, 0));
}

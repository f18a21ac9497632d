/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's vhost devices and their TAP interfaces: requests by number, and what takes a struct. Part of CLinux.h. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vhost.h>

#pragma clang assume_nonnull begin

static const unsigned long SYS_VHOST_GET_FEATURES = VHOST_GET_FEATURES;
static const unsigned long SYS_VHOST_SET_FEATURES = VHOST_SET_FEATURES;
/* Since Linux 6.17: all words of features, which are counted before them. */
static const unsigned long SYS_VHOST_GET_FEATURES_ARRAY = _IOR(VHOST_VIRTIO, 0x83, uint64_t);
static const unsigned long SYS_VHOST_SET_FEATURES_ARRAY = _IOW(VHOST_VIRTIO, 0x83, uint64_t);
static const unsigned long SYS_VHOST_SET_OWNER = VHOST_SET_OWNER;
static const unsigned long SYS_VHOST_SET_MEM_TABLE = VHOST_SET_MEM_TABLE;
static const unsigned long SYS_VHOST_SET_VRING_NUM = VHOST_SET_VRING_NUM;
static const unsigned long SYS_VHOST_SET_VRING_ADDR = VHOST_SET_VRING_ADDR;
static const unsigned long SYS_VHOST_SET_VRING_BASE = VHOST_SET_VRING_BASE;
static const unsigned long SYS_VHOST_SET_VRING_KICK = VHOST_SET_VRING_KICK;
static const unsigned long SYS_VHOST_SET_VRING_CALL = VHOST_SET_VRING_CALL;
static const unsigned long SYS_VHOST_SET_VRING_ERR = VHOST_SET_VRING_ERR;
static const unsigned long SYS_VHOST_NET_SET_BACKEND = VHOST_NET_SET_BACKEND;
static const unsigned long SYS_VHOST_SET_BACKEND_FEATURES = VHOST_SET_BACKEND_FEATURES;
static const unsigned long SYS_VHOST_GET_BACKEND_FEATURES = VHOST_GET_BACKEND_FEATURES;
static const unsigned long SYS_VDPA_GET_DEVICE_ID = VHOST_VDPA_GET_DEVICE_ID;
static const unsigned long SYS_VDPA_GET_STATUS = VHOST_VDPA_GET_STATUS;
static const unsigned long SYS_VDPA_SET_STATUS = VHOST_VDPA_SET_STATUS;
static const unsigned long SYS_VDPA_GET_CONFIG = VHOST_VDPA_GET_CONFIG;
static const unsigned long SYS_VDPA_GET_CONFIG_SIZE = VHOST_VDPA_GET_CONFIG_SIZE;
static const unsigned long SYS_VDPA_SET_CONFIG_CALL = VHOST_VDPA_SET_CONFIG_CALL;
static const unsigned long SYS_VDPA_GET_VRING_NUM = VHOST_VDPA_GET_VRING_NUM;
static const unsigned long SYS_VDPA_SET_VRING_ENABLE = VHOST_VDPA_SET_VRING_ENABLE;
static const unsigned long SYS_VDPA_GET_IOVA_RANGE = VHOST_VDPA_GET_IOVA_RANGE;
static const unsigned long SYS_VDPA_GET_VQS_COUNT = VHOST_VDPA_GET_VQS_COUNT;
static const unsigned long SYS_VDPA_GET_AS_NUM = VHOST_VDPA_GET_AS_NUM;
static const unsigned long SYS_VDPA_GET_VRING_GROUP = VHOST_VDPA_GET_VRING_GROUP;
static const unsigned long SYS_VDPA_SET_GROUP_ASID = VHOST_VDPA_SET_GROUP_ASID;
static const unsigned long SYS_VDPA_SUSPEND = VHOST_VDPA_SUSPEND;

static const unsigned long SYS_TUNSETCARRIER = TUNSETCARRIER;
/* By name of an interface, or as here by its own descriptor. */
static const unsigned long SYS_SIOCSIFHWADDR = SIOCSIFHWADDR;

/* Of TUNSETOFFLOAD, since Linux 6.2. */
enum { TUN_USO = 0x20 | 0x40 };
/* Likewise, since Linux 6.17. */
enum { TUN_TUNNEL = 0x80, TUN_TUNNEL_CHECKSUM = 0x100 };

/* What a queue's interface was set to when it was opened, all of which outlasts the queue. 0 and -1: not known. */
struct tap_settings { int header_bytes, offloads; };
void tap_keep(int file, struct tap_settings *kept);
void tap_give_back(int file, const struct tap_settings *kept);

/* Whether the interface of that name is up and has its carrier, which another program's queue gives it. */
int tap_has_carrier(const char *name);

/* Whether there is an interface of that name, whatever it is. */
SHIM int sys_has_interface(const char *name) { return if_nametoindex(name) != 0; }

SHIM int sys_link_socket(void)
{
	return OWN(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
}

/* One VHOST_GET_CONFIG of up to 64 bytes; 0 or -errno. */
SHIM int vdpa_read_config(int fd, uint32_t offset, void *target, uint32_t count)
{
	struct { uint32_t offset, length; uint8_t room[64]; } request = {offset, count, {0}};
	if (count > sizeof(request.room))
		return -EINVAL;
	int result = RESULT(ioctl(fd, VHOST_VDPA_GET_CONFIG, &request));
	if (result >= 0)
		memcpy(target, request.room, count);
	return result;
}

/* One message about what a device may touch, by the addresses that it is told; 0 or -errno. */
SHIM int vdpa_tell_memory(int fd, uint8_t type, uint32_t space, uint64_t address, uint64_t length)
{
	struct vhost_msg_v2 message = {.type = VHOST_IOTLB_MSG_V2, .asid = space};
	message.iotlb.iova = address;
	message.iotlb.size = length;
	message.iotlb.uaddr = address;
	message.iotlb.perm = VHOST_ACCESS_RW;
	message.iotlb.type = type;
	ssize_t result = RESULT(write(fd, &message, sizeof(message)));
	return result < 0 ? (int)result : 0;
}

#pragma clang assume_nonnull end

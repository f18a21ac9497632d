/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated /dev/vhost-net, /dev/net/tun and /dev/vhost-vdpa-7, as strict as the real ones about the order of calls. Any
 * call can be refused.
 */
#include "simulated_kernel.h"

#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/eventfd.h>

#define BIT(n) (1ull << (n))
#define NEVER "the kernel was asked for "

enum kind { NONE, NET, TAP, VDPA };

static struct file {
	enum kind kind;
	int owned, backend[2], parts[3], driver_ok_rings, spaces_set;
	uint64_t features, above;
	uint8_t status;
	int batch, maps[2];
	uint64_t first[2][8], last[2][8], memory_first, memory_last;
} files[64];

/* The n-th call from here on fails with this error; 0: none does. */
static int refuse_at, refusal, asked, is_driver_ok_refused;
static uint64_t net_offers, net_above, vdpa_offers, vdpa_first, vdpa_last, vdpa_backend;
static uint32_t vdpa_kind;
static int opened_files;
static int tap_header; /* bytes, as set last */
static int tap_offloads; /* likewise */
static uintptr_t tap_knows = 0x1f; /* of these: a kernel before 6.2 */
static int has_words; /* vhost takes features in words, and offers net_above: since 6.17 */
static int tap_carrier; /* what the interface has: set by a test, then by the library */
static int carrier_calls;

static int made(enum kind kind, int *file)
{
	*file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	yes(*file >= 0 && *file < 64);
	files[*file] = (struct file){.kind = kind, .backend = {-1, -1}};
	opened_files++;
	return 1;
}

static int refused(int *result)
{
	if (++asked != refuse_at)
		return 0;
	*result = fails(refusal);
	return 1;
}

static int my_open(const char *path, int *file)
{
	enum kind kind = strcmp(path, "/dev/vhost-net") == 0   ? NET
	                 : strcmp(path, "/dev/net/tun") == 0   ? TAP
	                 : strcmp(path, "/dev/vhost-vdpa-7") == 0 ? VDPA
	                                                          : NONE;
	if (kind == NONE)
		return 0;
	return refused(file) || made(kind, file);
}

static void my_close(int fd)
{
	if (fd < 0 || fd >= 64 || files[fd].kind == NONE)
		return;
	files[fd].kind = NONE;
	opened_files--;
}

/* ---- a TAP ------------------------------------------------------------------------------------------------------- */

static int tap(unsigned long request, void *argument)
{
	struct ifreq *interface = argument;
	if (request == TUNSETIFF && (interface->ifr_flags & 0xff0f & ~IFF_MULTI_QUEUE) != (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
		FAILED("a tap with flags 0x%x", interface->ifr_flags);
	if (request == TUNGETVNETHDRSZ)
		*(int *)argument = 10;
	if (request == TUNSETVNETHDRSZ)
		tap_header = *(int *)argument;
	if (request == TUNSETCARRIER) {
		tap_carrier = *(int *)argument;
		carrier_calls++;
	}
	if (request == TUNSETOFFLOAD && (uintptr_t)argument & ~tap_knows)
		return fails(EINVAL);
	if (request == TUNSETOFFLOAD)
		tap_offloads = (int)(uintptr_t)argument;
	return 0;
}

/* ---- vhost ------------------------------------------------------------------------------------------------------- */

static int ring_of(struct file *f, unsigned long request, const unsigned *state)
{
	unsigned ring = state[0], most = f->kind == NET ? 2 : 3;
	if (ring >= most)
		return fails(ENOBUFS);
	if (f->kind == NET && f->backend[ring] >= 0 && request != VHOST_NET_SET_BACKEND)
		FAILED(NEVER "0x%lx of a ring that runs", request);
	if (request == VHOST_SET_VRING_NUM && (state[1] == 0 || state[1] & (state[1] - 1)))
		return fails(EINVAL);
	if (request == VHOST_SET_VRING_ADDR) {
		const struct vhost_vring_addr *at = (const void *)state;
		yes(at->flags == 0 && at->desc_user_addr % 16 == 0 && at->avail_user_addr % 2 == 0 && at->used_user_addr % 4 == 0);
	}
	if (request == VHOST_SET_VRING_NUM)
		f->parts[ring] = 0;
	if (request == VHOST_SET_VRING_NUM || request == VHOST_SET_VRING_ADDR || request == VHOST_SET_VRING_KICK)
		f->parts[ring]++;
	return 0;
}

/* An older kernel takes these for requests about a ring. */
enum { GET_FEATURE_WORDS = 0x8008af83, SET_FEATURE_WORDS = 0x4008af83 };

static int feature_words(struct file *f, unsigned long request, uint64_t *words)
{
	if (!has_words)
		return ring_of(f, request, (unsigned *)words);
	same(words[0], 2);
	if (request == GET_FEATURE_WORDS) {
		words[1] = net_offers;
		words[2] = net_above;
		return 0;
	}
	yes((words[1] & ~(net_offers & ~BIT(27))) == 0 && (words[2] & ~net_above) == 0);
	f->features = words[1];
	f->above = words[2];
	return 0;
}

static int net(struct file *f, unsigned long request, void *argument)
{
	const struct vhost_vring_file *ring = argument;
	switch (request) {
	case GET_FEATURE_WORDS: case SET_FEATURE_WORDS: return feature_words(f, request, argument);
	case VHOST_GET_FEATURES: *(uint64_t *)argument = net_offers; return 0;
	case VHOST_SET_FEATURES:
		/* 27 would be a header of vhost's own. */
		yes((*(uint64_t *)argument & ~(net_offers & ~BIT(27))) == 0);
		f->features = *(uint64_t *)argument;
		f->above = 0;
		return 0;
	case VHOST_SET_MEM_TABLE:
		yes(f->backend[0] < 0 && f->backend[1] < 0);
		yes(((struct vhost_memory *)argument)->nregions <= 64 && ((struct vhost_memory *)argument)->padding == 0);
		f->maps[0] = (int)((struct vhost_memory *)argument)->nregions;
		return 0;
	case VHOST_NET_SET_BACKEND:
		if (ring->fd >= 0)
			yes(ring->fd < 64 && files[ring->fd].kind == TAP && tap_header == (f->above ? 24 : 12) && f->parts[ring->index] >= 3 && f->maps[0] >= 2 &&
			    f->features & BIT(VIRTIO_F_VERSION_1));
		f->backend[ring->index] = ring->fd;
		return 0;
	default: return ring_of(f, request, argument);
	}
}

/* ---- vDPA -------------------------------------------------------------------------------------------------------- */

static int set_status(struct file *f, uint8_t status)
{
	yes(status == 0 || (status & f->status) == f->status); /* the real one gives EINVAL */
	if (status & ~f->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		yes(f->driver_ok_rings == 3 && f->maps[0] >= 2 && f->batch == 0);
		if (is_driver_ok_refused)
			status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	}
	if (status == 0)
		f->driver_ok_rings = f->spaces_set = 0;
	f->status = status;
	return 0;
}

static int vdpa(struct file *f, unsigned long request, void *argument)
{
	struct vhost_vring_state *state = argument;
	struct { uint32_t offset, length; uint8_t bytes[64]; } *config = argument;
	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID: *(uint32_t *)argument = vdpa_kind; return 0;
	case VHOST_GET_BACKEND_FEATURES: *(uint64_t *)argument = vdpa_backend; return 0;
	case VHOST_SET_BACKEND_FEATURES: yes((*(uint64_t *)argument & ~vdpa_backend) == 0); return 0;
	case VHOST_VDPA_GET_CONFIG_SIZE: *(uint32_t *)argument = 12; return 0;
	case VHOST_VDPA_GET_IOVA_RANGE: memcpy(argument, (uint64_t[]){vdpa_first, vdpa_last}, 16); return 0;
	case VHOST_GET_FEATURES: *(uint64_t *)argument = vdpa_offers; return 0;
	case VHOST_SET_FEATURES:
		yes(!(f->status & VIRTIO_CONFIG_S_FEATURES_OK) && (*(uint64_t *)argument & ~vdpa_offers) == 0);
		yes(*(uint64_t *)argument & BIT(VIRTIO_F_ACCESS_PLATFORM));
		return 0;
	case VHOST_VDPA_GET_STATUS: *(uint8_t *)argument = f->status; return 0;
	case VHOST_VDPA_SET_STATUS: return set_status(f, *(uint8_t *)argument);
	case VHOST_VDPA_GET_CONFIG:
		yes(config->offset + config->length <= 12);
		memset(config->bytes, 2, config->length);
		return 0;
	case VHOST_VDPA_GET_VQS_COUNT: *(uint32_t *)argument = 3; return 0;
	case VHOST_VDPA_GET_VRING_NUM: *(uint16_t *)argument = 64; return 0;
	case VHOST_VDPA_GET_AS_NUM: *(uint32_t *)argument = 2; return 0;
	case VHOST_VDPA_GET_VRING_GROUP: state->num = state->index == 2; return 0;
	case VHOST_VDPA_SET_GROUP_ASID:
		yes(!(f->status & VIRTIO_CONFIG_S_DRIVER_OK) && state->index == 1 && state->num == 1 && f->maps[1] == 1);
		f->spaces_set++;
		return 0;
	case VHOST_VDPA_SET_VRING_ENABLE:
		yes(!(f->status & VIRTIO_CONFIG_S_DRIVER_OK) && f->parts[state->index] >= 3);
		f->driver_ok_rings++;
		return 0;
	case VHOST_VDPA_SET_CONFIG_CALL:
	case VHOST_VDPA_SUSPEND: return 0;
	default: return ring_of(f, request, argument);
	}
}

static ssize_t message(struct file *f, const struct vhost_msg_v2 *m)
{
	int place;
	uint64_t first = m->iotlb.iova, last = first + m->iotlb.size - 1;
	yes(m->type == VHOST_IOTLB_MSG_V2 && m->asid < 2 && !(f->status & VIRTIO_CONFIG_S_DRIVER_OK));
	if (m->iotlb.type == VHOST_IOTLB_BATCH_BEGIN || m->iotlb.type == VHOST_IOTLB_BATCH_END) {
		f->batch = m->iotlb.type == VHOST_IOTLB_BATCH_BEGIN;
		return 0;
	}
	yes(first % 4096 == 0 && m->iotlb.size % 4096 == 0 && m->iotlb.size != 0 && f->batch == (m->asid == 0));
	for (place = 0; place < f->maps[m->asid]; place++)
		if (f->first[m->asid][place] <= last && f->last[m->asid][place] >= first)
			break;
	if (m->iotlb.type == VHOST_IOTLB_UPDATE) {
		yes(place == f->maps[m->asid] && place < 8 && first >= vdpa_first && last <= vdpa_last && m->iotlb.perm == VHOST_ACCESS_RW);
		f->maps[m->asid]++;
	} else {
		yes(m->iotlb.type == VHOST_IOTLB_INVALIDATE && place < f->maps[m->asid]);
		yes(f->first[m->asid][place] == first && f->last[m->asid][place] == last);
		int end = --f->maps[m->asid];
		first = f->first[m->asid][end];
		last = f->last[m->asid][end];
	}
	f->first[m->asid][place] = first;
	f->last[m->asid][place] = last;
	return 0;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	int result;
	if (kernel.now == 0 || fd < 0 || fd >= 64 || files[fd].kind != VDPA)
		return syscall(SYS_write, fd, bytes, length);
	same(length, sizeof(struct vhost_msg_v2));
	const struct vhost_msg_v2 *m = bytes;
	/* The end of a batch and an unmapping cannot be refused. */
	if (m->iotlb.type == VHOST_IOTLB_UPDATE && refused(&result))
		return fails(EFAULT);
	return message(&files[fd], m) < 0 ? -1 : (ssize_t)length;
}

static int my_control(int fd, unsigned long request, void *argument, int *result)
{
	if (request == SIOCETHTOOL && *(uint32_t *)(void *)((struct ifreq *)argument)->ifr_data == ETHTOOL_GLINK) {
		((struct ethtool_value *)(void *)((struct ifreq *)argument)->ifr_data)->data = (uint32_t)tap_carrier;
		*result = 0;
		return 1;
	}
	if (fd < 0 || fd >= 64 || files[fd].kind == NONE)
		return 0;
	struct file *f = &files[fd];
	if (refused(result))
		return 1;
	if (f->kind != TAP && !f->owned && request != VHOST_SET_OWNER)
		FAILED(NEVER "0x%lx before it had an owner", request);
	if (request == VHOST_SET_OWNER)
		*result = f->owned++ != 0 ? fails(EBUSY) : 0;
	else if (f->kind == TAP)
		*result = tap(request, argument);
	else
		*result = f->kind == NET ? net(f, request, argument) : vdpa(f, request, argument);
	return 1;
}

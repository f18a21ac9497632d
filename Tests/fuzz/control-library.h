/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet.h as the control socket uses it, made of an input's bytes: ports that come and go, counters with any name, and
 * failures. Every call checks what the control socket hands over.
 */
#ifndef CONTROL_LIBRARY_H
#define CONTROL_LIBRARY_H

#include "fuzz.h"

enum { LIBRARY_PORTS = 8, LIBRARY_NAMES = 16 };

static struct {
	uint8_t open;       /* a bit for each port */
	uint32_t counters;  /* of each port */
	uint8_t text;       /* which of the texts below a port shows of itself */
	uint32_t calls;     /* settings that were made */
	uint8_t key_length; /* of the hashing in use */
	uint16_t table_length;
	vionet_event_callback callback;
	uint8_t watched; /* a bit for each port */
} library;

/* What a port may show of itself, as its address or as the reason of a failure. */
static const char *library_text(void)
{
	static char long_text[700];
	static const char *const texts[] = {"soft:sink", "", "a \"quoted\" \\ word", "\001\n\r\t\377\177", "pci:0000:00:05.0,x=1"};
	memset(long_text, 'x', sizeof(long_text) - 1);
	return library.text < sizeof(texts) / sizeof(texts[0]) ? texts[library.text] : long_text;
}

/* Mostly success. */
static int library_result(void)
{
	static const int codes[] = {ENODEV, ENOTSUP, EINVAL, EIO, ETIMEDOUT, ENOMEM, EBUSY, ERANGE};
	uint8_t which = next8(&now_running.input);
	return which < 240 ? 0 : -codes[which % 8];
}

static int library_set(uint16_t port)
{
	yes(port < VIONET_MAX_PORTS);
	library.calls++;
	return library_result();
}

const char *vionet_error(void) { return library_text(); }

uint16_t vionet_port_next(uint16_t from)
{
	for (uint32_t port = from; port < LIBRARY_PORTS; port++)
		if (library.open >> port & 1)
			return (uint16_t)port;
	return VIONET_PORT_NONE;
}

int vionet_info(uint16_t port, struct vionet_info *info)
{
	struct input *i = &now_running.input;
	yes(port < VIONET_MAX_PORTS && info->size == sizeof(*info));
	int result = library_result();
	if (result != 0)
		return result;
	info->offered[0] = next_number(i);
	info->negotiated[1] = next_number(i);
	info->state = next8(i);
	info->ring = next8(i);
	info->queue_pairs = (uint16_t)next_number(i);
	info->mtu = (uint16_t)next_number(i);
	info->link_up = next8(i) & 1;
	info->mac[5] = next8(i);
	snprintf(info->device, sizeof(info->device), "%.*s", (int)sizeof(info->device) - 1, library_text());
	snprintf(info->rx_path, sizeof(info->rx_path), "rx-split-plain");
	return 0;
}

int vionet_xstats(uint16_t port, uint64_t *values, uint32_t count)
{
	yes(port < VIONET_MAX_PORTS && (values != NULL || count == 0));
	int result = library_result();
	if (result != 0)
		return result;
	for (uint32_t id = 0; id < count && id < library.counters; id++)
		values[id] = id % 3 == 0 ? UINT64_MAX : id;
	/* It may have changed between two calls. */
	return (int)(library.counters + (next8(&now_running.input) == 255));
}

int vionet_xstat_name(uint16_t port, uint32_t id, char *name, size_t room)
{
	static const char *const names[LIBRARY_NAMES] = {
		"rx_good_packets", "rx_q0_good_packets", "rx_q1_good_packets", "tx_q0_good_bytes", "tx_q3_drop_short",
		"rx_q0_size_65_127_packets", "rx_q0_undersize_packets", "resets", "rx_q0_", "rx_q_good_packets", "rx_qx_good",
		"tx_q99999999999999999999_a", "rx_q0_size_", "rx_q0_drop_", "rx_q0_good_", "rx_q0_undersize_",
	};
	yes(port < VIONET_MAX_PORTS && room >= VIONET_XSTAT_NAME);
	int result = id % 32 == 31 ? library_result() : 0;
	if (result == 0)
		snprintf(name, room, "%s", names[id % LIBRARY_NAMES]);
	return result;
}

/* As many pools as ports. */
int vionet_pool_info(uint16_t pool, struct vionet_pool_info *info)
{
	yes(info->size == sizeof(*info));
	if (pool == 0 || pool > LIBRARY_PORTS || !(library.open >> (pool - 1) & 1))
		return -ENODEV;
	info->packets = UINT32_MAX;
	info->available = library.counters;
	info->memory = UINT64_MAX;
	return 0;
}

int vionet_watch_set(uint16_t port, vionet_watch_callback callback, void *user)
{
	yes(port < VIONET_MAX_PORTS && user != NULL);
	if (port >= LIBRARY_PORTS)
		return -ENODEV;
	uint8_t bit = (uint8_t)(1 << port);
	if (callback == NULL) {
		library.watched &= (uint8_t)~bit;
		return 0;
	}
	if (library.watched & bit)
		return -EBUSY;
	int result = library_result();
	if (result == 0)
		library.watched |= bit;
	return result;
}

int vionet_event_add(vionet_event_callback callback, void *user)
{
	yes(callback != NULL && user == NULL && library.callback == NULL);
	library.callback = callback;
	return 0;
}

int vionet_event_remove(vionet_event_callback callback, void *user)
{
	yes(callback == library.callback && user == NULL);
	library.callback = NULL;
	return 0;
}

/* ---- settings ----------------------------------------------------------------------------------------------------- */

int vionet_mac_set(uint16_t port, const uint8_t *mac)
{
	uint8_t copy[6];
	memcpy(copy, mac, sizeof(copy));
	return library_set(port);
}

int vionet_mtu_set(uint16_t port, uint16_t mtu) { return (void)mtu, library_set(port); }
int vionet_queue_pairs_set(uint16_t port, uint16_t pairs) { return (void)pairs, library_set(port); }

int vionet_promiscuous_set(uint16_t port, int on)
{
	yes(on == 0 || on == 1);
	return library_set(port);
}

int vionet_all_multicast_set(uint16_t port, int on) { return vionet_promiscuous_set(port, on); }

int vionet_vlan_filter_set(uint16_t port, uint16_t id, int on)
{
	yes(id < 4096);
	return vionet_promiscuous_set(port, on);
}

int vionet_rx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t us)
{
	return (void)queue, (void)packets, (void)us, library_set(port);
}

int vionet_tx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t us)
{
	return vionet_rx_coalesce_set(port, queue, packets, us);
}

int vionet_rss_get(uint16_t port, struct vionet_rss *rss)
{
	yes(port < VIONET_MAX_PORTS && rss->size == sizeof(*rss));
	int result = library_result();
	if (result != 0)
		return result;
	yes(rss->key_length == 255 && rss->table_length == 65535);
	memset(rss->key, 0xa5, library.key_length);
	memset(rss->table, 0, library.table_length * sizeof(rss->table[0]));
	rss->key_length = library.key_length;
	rss->table_length = library.table_length;
	rss->hash_types = next8(&now_running.input);
	return 0;
}

int vionet_rss_set(uint16_t port, const struct vionet_rss *rss)
{
	uint32_t sum = 0;
	yes(rss->size == sizeof(*rss));
	for (int at = 0; at < rss->key_length; at++)
		sum += rss->key[at];
	for (int at = 0; at < rss->table_length; at++)
		sum += rss->table[at];
	yes(sum <= 255 * 255 + 65535u * 65535u && rss->hash_types < 512);
	return library_set(port);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Every function of vionet.h, called with what a program would give it: a list of calls by name. */
#ifndef EACH_FUNCTION_H
#define EACH_FUNCTION_H

#include "ok.h"

/* What the calls are about. */
static struct things {
	uint16_t port, pool, device;
	struct vionet_packet *packet;
	struct vionet_tx_buffer *buffer;
	char path[64];
} the;

static void no_line(int level, const char *line, void *user)
{
	(void)level, (void)line, (void)user;
}

static void no_event(uint16_t port, int event, void *user)
{
	(void)port, (void)event, (void)user;
}

#define SIZED(type, name) struct type name = VIONET_SIZED(struct type)

static struct vionet_packet *list[4];
static uint16_t number;
static uint64_t values[8];
static char text[64];
static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
/* What a function that returns no code gives: a pointer, or nothing. */
#define GIVES(pointer) ((pointer) != NULL ? 0 : -4095)
#define NOTHING(call) ((call), 0)
enum { NULL_RETURNED = -4095 };

#define EACH_FUNCTION(F) \
	F(version, GIVES(vionet_version())) \
	F(version_number, NOTHING(vionet_version_number())) \
	F(error, GIVES(vionet_error())) \
	F(log_set, NOTHING(vionet_log_set(VIONET_LOG_ERROR, no_line, NULL))) \
	F(devices, ({ int n_ = vionet_devices(NULL, 0); n_ == -ENOENT ? 0 : n_; })) \
	F(probe, vionet_probe("soft:sink", &number)) \
	F(init, vionet_init(the.port, NULL)) \
	F(start, vionet_start(the.port)) \
	F(stop, vionet_stop(the.port)) \
	F(close, NOTHING(vionet_close(the.port))) \
	F(open, vionet_open("soft:sink", &number)) \
	F(open_config, vionet_open_config("soft:sink", NULL, &number)) \
	F(port_next, NOTHING(vionet_port_next(0))) \
	F(info, ({ SIZED(vionet_info, i_); vionet_info(the.port, &i_); })) \
	F(feature_name, GIVES(vionet_feature_name(0))) \
	F(pool_create, ({ SIZED(vionet_pool_config, c_); c_.memory_fd = -1; vionet_pool_create(&c_, &number); })) \
	F(pool_destroy, vionet_pool_destroy(the.pool)) \
	F(pool_info, ({ SIZED(vionet_pool_info, i_); vionet_pool_info(the.pool, &i_); })) \
	F(pool_share, vionet_pool_share(the.pool, the.port)) \
	F(rx_pool_set, vionet_rx_pool_set(the.port, 0, the.pool)) \
	F(packet_alloc, GIVES(vionet_packet_alloc(the.pool))) \
	F(packet_alloc_bulk, vionet_packet_alloc_bulk(the.pool, list, 4)) \
	F(packet_free, NOTHING(vionet_packet_free(the.packet))) \
	F(packet_free_bulk, NOTHING(vionet_packet_free_bulk(&the.packet, 1))) \
	F(packet_reference, vionet_packet_reference(the.packet)) \
	F(packet_private, NOTHING(vionet_packet_private(the.packet))) \
	F(packet_tunnel, ({ int n_ = vionet_packet_tunnel(the.packet, NULL, NULL); n_ == -EINVAL ? 0 : n_; })) \
	F(packet_tunnel_set, vionet_packet_tunnel_set(the.packet, 34, 64)) \
	F(packet_view, GIVES(vionet_packet_view(the.packet, 0, 20))) \
	F(packet_attach, GIVES(vionet_packet_attach(0, the.packet->data, 20, NULL, NULL))) \
	F(packet_copy, GIVES(vionet_packet_copy(the.packet, 0))) \
	F(packet_linearise, vionet_packet_linearise(the.packet)) \
	F(packet_split, GIVES(vionet_packet_split(the.packet, 20))) \
	F(packet_segment, ({ int n_ = vionet_packet_segment(the.packet, list, 4); n_ == -EINVAL ? 0 : n_; })) \
	F(packet_append, GIVES(vionet_packet_append(the.packet, 4))) \
	F(packet_prepend, GIVES(vionet_packet_prepend(the.packet, 4))) \
	F(packet_adjust, GIVES(vionet_packet_adjust(the.packet, 4))) \
	F(packet_trim, vionet_packet_trim(the.packet, 4)) \
	F(packet_tailroom, NOTHING(vionet_packet_tailroom(the.packet))) \
	F(packet_chain, ({ struct vionet_packet p_ = *the.packet; vionet_packet_chain(&p_, the.packet); })) \
	F(rx_burst, vionet_rx_burst(the.port, 0, list, 4)) \
	F(tx_burst, vionet_tx_burst(the.port, 0, &the.packet, 1)) \
	F(tx_prepare, vionet_tx_prepare(the.port, 0, &the.packet, 1)) \
	F(tx_done, vionet_tx_done(the.port, 0)) \
	F(tx_buffer_create, ({ SIZED(vionet_tx_buffer_config, c_); c_.port = the.port; vionet_tx_buffer_create(&c_, &the.buffer); })) \
	F(tx_buffer_put, vionet_tx_buffer_put(the.buffer, &the.packet, 1)) \
	F(tx_buffer_flush, vionet_tx_buffer_flush(the.buffer)) \
	F(tx_buffer_due, NOTHING(vionet_tx_buffer_due(the.buffer))) \
	F(tx_buffer_stats, ({ SIZED(vionet_tx_buffer_stats, s_); vionet_tx_buffer_stats(the.buffer, &s_); })) \
	F(tx_buffer_destroy, vionet_tx_buffer_destroy(the.buffer)) \
	F(rx_fd, vionet_rx_fd(the.port, 0)) \
	F(rx_arm, vionet_rx_arm(the.port, 0)) \
	F(rx_wait, vionet_rx_wait(the.port, 0, 0)) \
	F(tx_fd, vionet_tx_fd(the.port, 0)) \
	F(tx_arm, vionet_tx_arm(the.port, 0)) \
	F(tx_wait, vionet_tx_wait(the.port, 0, 0)) \
	F(wait, ({ struct vionet_wait_queue q_ = {.port = the.port, .direction = VIONET_WAIT_RX}; \
	           int n_ = vionet_wait(&q_, 1, 0); q_.ready < 0 ? q_.ready : n_; })) \
	F(promiscuous_set, vionet_promiscuous_set(the.port, 1)) \
	F(all_multicast_set, vionet_all_multicast_set(the.port, 1)) \
	F(rx_filter_set, vionet_rx_filter_set(the.port, 0)) \
	F(mac_set, vionet_mac_set(the.port, mac)) \
	F(mac_list_set, vionet_mac_list_set(the.port, mac, 1)) \
	F(vlan_filter_set, vionet_vlan_filter_set(the.port, 7, 1)) \
	F(queue_pairs_set, vionet_queue_pairs_set(the.port, 1)) \
	F(mtu_set, vionet_mtu_set(the.port, 1400)) \
	F(toeplitz, NOTHING(vionet_toeplitz((const uint8_t *)"key", 3, "data", 4))) \
	F(rss_set, ({ SIZED(vionet_rss, r_); vionet_rss_set(the.port, &r_); })) \
	F(rss_get, ({ SIZED(vionet_rss, r_); vionet_rss_get(the.port, &r_); })) \
	F(rx_offloads_set, vionet_rx_offloads_set(the.port, 0)) \
	F(rx_queue_restart, vionet_rx_queue_restart(the.port, 0, 0)) \
	F(tx_queue_restart, vionet_tx_queue_restart(the.port, 0, 0)) \
	F(rx_coalesce_set, vionet_rx_coalesce_set(the.port, 0, 8, 8)) \
	F(tx_coalesce_set, vionet_tx_coalesce_set(the.port, 0, 8, 8)) \
	F(event_add, vionet_event_add(no_event, &number)) \
	F(event_remove, vionet_event_remove(no_event, NULL)) \
	F(event_fd, vionet_event_fd(the.port)) \
	F(event_handle, vionet_event_handle(the.port)) \
	F(announce, vionet_announce(the.port, 0, NULL, 0)) \
	F(stats, ({ SIZED(vionet_stats, s_); vionet_stats(the.port, &s_); })) \
	F(rx_queue_stats, ({ SIZED(vionet_queue_stats, s_); vionet_rx_queue_stats(the.port, 0, &s_); })) \
	F(tx_queue_stats, ({ SIZED(vionet_queue_stats, s_); vionet_tx_queue_stats(the.port, 0, &s_); })) \
	F(xstats, vionet_xstats(the.port, values, 8)) \
	F(xstat_name, vionet_xstat_name(the.port, 0, text, sizeof(text))) \
	F(xstat_id, vionet_xstat_id(the.port, "rx_good_packets")) \
	F(stats_reset, vionet_stats_reset(the.port)) \
	F(drop_name, GIVES(vionet_drop_name(0))) \
	F(watch_set, vionet_watch_set(the.port, NULL, NULL)) \
	F(soft_serve, vionet_soft_serve(the.path, "sink", &number)) \
	F(soft_stats, ({ SIZED(vionet_soft_stats, s_); vionet_soft_stats(the.device, &s_); })) \
	F(soft_stop, NOTHING(vionet_soft_stop(the.device)))

#define BODY(name, call) static long call_##name(void) { return (long)(call); }
EACH_FUNCTION(BODY)
#define ROW(name, call) {#name, call_##name},
static const struct function {
	const char *name;
	long (*call)(void);
} functions[] = {EACH_FUNCTION(ROW)};
enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

#endif

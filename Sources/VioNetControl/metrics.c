/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All counters of all ports as Prometheus text: every one of vionet_xstats(), whose names become a family of samples
 * and labels. "rx_q3_drop_short" is vionet_queue_drops_total with direction, queue and reason.
 */
#include "control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct sample {
	uint16_t port;
	char name[VIONET_XSTAT_NAME];
	uint64_t value;
	uint32_t family;
};

struct port {
	uint16_t number;
	bool is_read; /* its counters could be had */
	struct vionet_info info;
};

struct scrape {
	struct port *ports;
	uint16_t port_count;
	struct sample *samples;
	size_t count, room;
	char (*families)[64];
	uint32_t family_count;
	bool failed;
};

/* What a counter's name consists of: "rx_q3_drop_short". */
struct parts {
	char direction[4]; /* "" for a counter of the whole port */
	unsigned int queue;
	char family[64], label[16], labelled[VIONET_XSTAT_NAME];
};

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static void take_apart(const char *name, struct parts *parts)
{
	int at = 0;
	*parts = (struct parts){0};
	if (sscanf(name, "%2[rtx]_q%u_%n", parts->direction, &parts->queue, &at) < 2 || at == 0) {
		parts->direction[0] = 0;
		snprintf(parts->family, sizeof(parts->family), "vionet_port_%s_total", name);
		return;
	}
	const char *rest = name + at, *family = rest;
	size_t length = strlen(rest);
	if (begins(rest, "good_")) {
		family = rest + 5;
	} else if (begins(rest, "drop_")) {
		strcpy(parts->label, "reason");
		strcpy(parts->labelled, rest + 5);
		family = "drops";
	} else if (length > 8 && (begins(rest, "size_") || begins(rest, "undersize_"))) {
		const char *size = begins(rest, "size_") ? rest + 5 : rest;
		strcpy(parts->label, "size");
		snprintf(parts->labelled, sizeof(parts->labelled), "%.*s", (int)(length - 8 - (size_t)(size - rest)), size);
		family = "packets_by_size";
	}
	snprintf(parts->family, sizeof(parts->family), "vionet_queue_%s_total", family);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static uint32_t family_of(struct scrape *scrape, const char *name)
{
	struct parts parts;
	uint32_t family = 0;
	take_apart(name, &parts);
	while (family < scrape->family_count && strcmp(scrape->families[family], parts.family) != 0)
		family++;
	if (family < scrape->family_count)
		return family;
	char (*more)[64] = realloc(scrape->families, (family + 1) * sizeof(*more));
	if (more == NULL) {
		scrape->failed = true;
		return 0;
	}
	scrape->families = more;
	memcpy(more[family], parts.family, sizeof(parts.family));
	scrape->family_count++;
	return family;
}

static bool make_room(struct scrape *scrape, size_t more)
{
	if (scrape->count + more <= scrape->room)
		return true;
	struct sample *samples = realloc(scrape->samples, (scrape->count + more) * sizeof(*samples));
	if (samples == NULL) {
		scrape->failed = true;
		return false;
	}
	scrape->samples = samples;
	scrape->room = scrape->count + more;
	return true;
}

static void read_port(struct scrape *scrape, struct port *port)
{
	int count = vionet_xstats(port->number, NULL, 0);
	uint64_t *values = count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*values));
	int known = values == NULL ? count : vionet_xstats(port->number, values, (uint32_t)count);
	port->is_read = known >= 0;
	scrape->failed |= count >= 0 && values == NULL;
	if (values == NULL || known < 0 || !make_room(scrape, (size_t)count))
		count = 0;
	for (int id = 0; id < count && id < known; id++) {
		struct sample *sample = &scrape->samples[scrape->count];
		*sample = (struct sample){.port = (uint16_t)(port - scrape->ports), .value = values[id]};
		if (vionet_xstat_name(port->number, (uint32_t)id, sample->name, sizeof(sample->name)) != 0)
			continue; /* it has fewer by now */
		sample->family = family_of(scrape, sample->name);
		scrape->count++;
	}
	free(values);
}

static void read_all(struct scrape *scrape)
{
	scrape->ports = calloc(VIONET_MAX_PORTS, sizeof(*scrape->ports));
	scrape->failed = scrape->ports == NULL;
	if (scrape->failed)
		return;
	VIONET_FOREACH_PORT(number) {
		struct port *port = &scrape->ports[scrape->port_count];
		*port = (struct port){.number = number, .info = VIONET_SIZED(struct vionet_info)};
		if (vionet_info(number, &port->info) != 0)
			continue; /* closed meanwhile */
		scrape->port_count++;
		read_port(scrape, port);
	}
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void add_port_labels(struct text *answer, const struct port *port)
{
	text_add(answer, "{port=\"%u\",device=\"", port->number);
	text_add_plain(answer, port->info.device, true);
	text_add(answer, "\"");
}

static void add_family(struct text *answer, const struct scrape *scrape, uint32_t family)
{
	const char *name = scrape->families[family];
	for (size_t i = 0, first = 1; i < scrape->count; i++) {
		const struct sample *sample = &scrape->samples[i];
		struct parts parts;
		if (sample->family != family)
			continue;
		if (first)
			text_add(answer, "# HELP %s as %s of vionet_xstats\n# TYPE %s counter\n", name, sample->name, name);
		first = 0;
		take_apart(sample->name, &parts);
		text_add(answer, "%s", name);
		add_port_labels(answer, &scrape->ports[sample->port]);
		if (parts.direction[0] != 0)
			text_add(answer, ",direction=\"%s\",queue=\"%u\"", parts.direction, parts.queue);
		if (parts.label[0] != 0)
			text_add(answer, ",%s=\"%s\"", parts.label, parts.labelled);
		text_add(answer, "} %" PRIu64 "\n", sample->value);
	}
}

enum gauge { IS_READ, LINK_UP, STARTED, MTU, QUEUE_PAIRS, GAUGES };
static const struct { const char *name, *help; } gauges[GAUGES] = {
	[IS_READ] = {"vionet_port_read", "1 if the port's counters could be read"},
	[LINK_UP] = {"vionet_port_link_up", "1 if the link is up or the device does not tell"},
	[STARTED] = {"vionet_port_started", "1 if packets flow, 0 in any other state"},
	[MTU] = {"vionet_port_mtu_bytes", "largest packet after the Ethernet header"},
	[QUEUE_PAIRS] = {"vionet_port_queue_pairs", "queue pairs"},
};

static unsigned int gauge_value(const struct port *port, enum gauge gauge)
{
	switch (gauge) {
	case IS_READ: return port->is_read;
	case LINK_UP: return port->info.link_up;
	case STARTED: return port->info.state == VIONET_STATE_STARTED;
	case MTU: return port->info.mtu;
	default: return port->info.queue_pairs;
	}
}

void add_metrics(struct text *answer)
{
	struct scrape scrape = {0};
	read_all(&scrape);
	for (enum gauge gauge = 0; gauge < GAUGES && scrape.port_count > 0; gauge++) {
		text_add(answer, "# HELP %s %s\n# TYPE %s gauge\n", gauges[gauge].name, gauges[gauge].help, gauges[gauge].name);
		for (uint16_t i = 0; i < scrape.port_count; i++) {
			text_add(answer, "%s", gauges[gauge].name);
			add_port_labels(answer, &scrape.ports[i]);
			text_add(answer, "} %u\n", gauge_value(&scrape.ports[i], gauge));
		}
	}
	for (uint32_t family = 0; family < scrape.family_count; family++)
		add_family(answer, &scrape, family);
	answer->failed |= scrape.failed;
	free(scrape.ports);
	free(scrape.samples);
	free(scrape.families);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* One request, one answer. */
#include "control.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void say_error(struct text *answer, int code)
{
	text_add(answer, "error %d ", -code);
	text_add_plain(answer, vionet_error(), false);
	text_add(answer, "\n");
}

void say_wrong(struct text *answer, int code, const char *format, ...)
{
	char sentence[256];
	va_list list;
	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	text_add(answer, "error %d ", -code);
	text_add_plain(answer, sentence, false);
	text_add(answer, "\n");
}

char *next_word(char **rest)
{
	char *word;
	do
		word = strsep(rest, " \t");
	while (word != NULL && *word == 0);
	return word;
}

bool read_number(const char *word, uint64_t most, uint64_t *number)
{
	char *end;
	if (word == NULL || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 10);
	return errno == 0 && *end == 0 && *number <= most;
}

const char *state_name(uint32_t state)
{
	static const char *const names[] = {"probing", "attached", "initialised", "started", "stopped", "broken", "waiting"};
	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

/* ---- what there is ----------------------------------------------------------------------------------------------- */

static void answer_help(struct text *answer)
{
	text_add(answer, "help\nlist\ninfo PORT\nstats PORT\nevents\nset PORT mac ADDRESS\nset PORT mtu NUMBER\n"
	                 "set PORT promiscuous on|off\nset PORT all_multicast on|off\nset PORT vlan add|remove ID\n"
	                 "set PORT queue_pairs COUNT\nset PORT coalesce rx|tx all|QUEUE PACKETS MICROSECONDS\n"
	                 "set PORT rss [key=HEX] [table=QUEUE,...] [types=TYPE,...|all] [unclassified=QUEUE]\nok\n");
}

static void answer_list(struct text *answer)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	VIONET_FOREACH_PORT(port) {
		if (vionet_info(port, &info) != 0)
			continue; /* closed meanwhile */
		text_add(answer, "port %u %s ", port, state_name(info.state));
		text_add_plain(answer, info.device, false);
		text_add(answer, "\n");
	}
	text_add(answer, "ok\n");
}

static void answer_info(uint16_t port, struct text *answer)
{
	static const char *const rings[] = {"none", "split", "packed"};
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	int result = vionet_info(port, &info);
	if (result != 0) {
		say_error(answer, result);
		return;
	}
	text_add(answer, "device ");
	text_add_plain(answer, info.device, false);
	text_add(answer, "\nstate %s\nlink %s\n", state_name(info.state), info.link_up ? "up" : "down");
	text_add(answer, "mac %02x:%02x:%02x:%02x:%02x:%02x\nmtu %u\n", info.mac[0], info.mac[1], info.mac[2], info.mac[3],
	         info.mac[4], info.mac[5], info.mtu);
	text_add(answer, "queue_pairs %u\nmax_queue_pairs %u\nring %s\nrx_descriptors %u\ntx_descriptors %u\n",
	         info.queue_pairs, info.max_queue_pairs, rings[info.ring < 3 ? info.ring : 0], info.rx_descriptors,
	         info.tx_descriptors);
	text_add(answer, "rx_path %s\ntx_path %s\n", info.rx_path, info.tx_path);
	text_add(answer, "offered 0x%016" PRIx64 "%016" PRIx64 "\nnegotiated 0x%016" PRIx64 "%016" PRIx64 "\n",
	         info.offered[1], info.offered[0], info.negotiated[1], info.negotiated[0]);
	add_hashing(port, answer);
	text_add(answer, "ok\n");
}

static void answer_stats(uint16_t port, struct text *answer)
{
	char name[VIONET_XSTAT_NAME];
	int count = vionet_xstats(port, NULL, 0);
	uint64_t *values = count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*values));
	int known = values == NULL ? count : vionet_xstats(port, values, (uint32_t)count);
	if (known < 0)
		say_error(answer, known);
	else if (values == NULL)
		say_wrong(answer, -ENOMEM, "no memory for %d numbers", count);
	for (int id = 0; known >= 0 && values != NULL && id < count && id < known; id++)
		if (vionet_xstat_name(port, (uint32_t)id, name, sizeof(name)) == 0)
			text_add(answer, "%s %" PRIu64 "\n", name, values[id]);
	if (known >= 0 && values != NULL)
		text_add(answer, "ok\n");
	free(values);
}

/* ---- which of them ----------------------------------------------------------------------------------------------- */

/* The port that the next word names; false, and an error, if it names none. */
static bool read_port(const char *request, char **rest, uint16_t *port, struct text *answer)
{
	const char *word = next_word(rest);
	uint64_t number;
	if (word == NULL)
		say_wrong(answer, -EINVAL, "%s of which port: its number is missing", request);
	else if (!read_number(word, UINT16_MAX, &number))
		say_wrong(answer, -EINVAL, "port \"%.32s\" is no number of a port", word);
	else if (number >= VIONET_MAX_PORTS || vionet_port_next((uint16_t)number) != number)
		say_wrong(answer, -ENODEV, "there is no port %" PRIu64, number);
	else
		return *port = (uint16_t)number, true;
	return false;
}

static bool ends_here(char **rest, struct text *answer)
{
	const char *word = next_word(rest);
	if (word != NULL)
		say_wrong(answer, -EINVAL, "\"%.32s\" is too much", word);
	return word == NULL;
}

bool answer_line(char *line, struct text *answer)
{
	char *rest = line;
	const char *request = next_word(&rest);
	uint16_t port;
	if (request == NULL) {
		say_wrong(answer, -EINVAL, "an empty request: help names those there are");
	} else if (strcmp(request, "help") == 0) {
		if (ends_here(&rest, answer))
			answer_help(answer);
	} else if (strcmp(request, "list") == 0) {
		if (ends_here(&rest, answer))
			answer_list(answer);
	} else if (strcmp(request, "info") == 0) {
		if (read_port(request, &rest, &port, answer) && ends_here(&rest, answer))
			answer_info(port, answer);
	} else if (strcmp(request, "stats") == 0) {
		if (read_port(request, &rest, &port, answer) && ends_here(&rest, answer))
			answer_stats(port, answer);
	} else if (strcmp(request, "set") == 0) {
		if (read_port(request, &rest, &port, answer))
			answer_set(port, rest, answer);
	} else if (strcmp(request, "events") == 0) {
		if (!ends_here(&rest, answer))
			return false;
		text_add(answer, "ok\n");
		return true;
	} else {
		say_wrong(answer, -EINVAL, "there is no request \"%.32s\": help names those there are", request);
	}
	return false;
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------- */

void answer_http(char *line, struct text *answer)
{
	char *rest = line;
	const char *method = next_word(&rest), *path = next_word(&rest);
	struct text body = {0};
	const char *status = "200 OK", *type = "text/plain; version=0.0.4; charset=utf-8";
	if (path == NULL || (strcmp(path, "/metrics") != 0 && strncmp(path, "/metrics?", 9) != 0)) {
		status = "404 Not Found";
		text_add(&body, "there is /metrics only\n");
	} else if (strcmp(method, "GET") != 0) {
		status = "405 Method Not Allowed";
		text_add(&body, "/metrics knows GET only\n");
	} else {
		add_metrics(&body);
	}
	if (body.failed) {
		text_free(&body);
		status = "500 Internal Server Error";
		text_add(&body, "no memory for the answer\n");
	}
	text_add(answer, "HTTP/1.1 %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
	         status[0] == '4' && status[2] == '5' ? "Allow: GET\r\n" : "", status[0] == '2' ? type : "text/plain",
	         body.length);
	if (body.length > 0)
		text_add(answer, "%.*s", (int)body.length, body.bytes);
	text_free(&body);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* set PORT KEY VALUE...: one call of vionet.h each, with its own sentence when it refuses. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>

/* Says "ok", or what vionet_error() says. */
static void say_result(struct text *answer, int result)
{
	if (result < 0)
		say_error(answer, result);
	else
		text_add(answer, "ok\n");
}

static void say_value(struct text *answer, const char *key, const char *value, const char *wanted)
{
	if (value == NULL)
		say_wrong(answer, -EINVAL, "%s has no value: wanted is %s", key, wanted);
	else
		say_wrong(answer, -EINVAL, "%s \"%.64s\": wanted is %s", key, value, wanted);
}

/* All words were asked for; one more is a mistake, which changes nothing. */
static bool is_whole(char **rest, const char *key, struct text *answer)
{
	const char *word = next_word(rest);
	if (word != NULL)
		say_wrong(answer, -EINVAL, "%s: \"%.32s\" is too much", key, word);
	return word == NULL;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_mac(const char *word, uint8_t *mac)
{
	if (word == NULL || strlen(word) != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(word[3 * i]), low = hex_digit(word[3 * i + 1]);
		if (high < 0 || low < 0 || (i < 5 && word[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void set_mac(uint16_t port, char *rest, struct text *answer)
{
	uint8_t mac[6];
	const char *word = next_word(&rest);
	if (!read_mac(word, mac))
		say_value(answer, "mac", word, "an address like 02:00:00:00:00:01");
	else if (is_whole(&rest, "mac", answer))
		say_result(answer, vionet_mac_set(port, mac));
}

static void set_number(uint16_t port, const char *key, char *rest, int (*call)(uint16_t, uint16_t), struct text *answer)
{
	uint64_t number;
	const char *word = next_word(&rest);
	if (!read_number(word, UINT16_MAX, &number))
		say_value(answer, key, word, "a number of at most 65535");
	else if (is_whole(&rest, key, answer))
		say_result(answer, call(port, (uint16_t)number));
}

static void set_switch(uint16_t port, const char *key, char *rest, int (*call)(uint16_t, int), struct text *answer)
{
	const char *word = next_word(&rest);
	bool on = word != NULL && strcmp(word, "on") == 0;
	if (word == NULL || (!on && strcmp(word, "off") != 0))
		say_value(answer, key, word, "on or off");
	else if (is_whole(&rest, key, answer))
		say_result(answer, call(port, on));
}

static void set_vlan(uint16_t port, char *rest, struct text *answer)
{
	uint64_t id;
	const char *word = next_word(&rest), *number = next_word(&rest);
	bool add = word != NULL && strcmp(word, "add") == 0;
	if (word == NULL || (!add && strcmp(word, "remove") != 0))
		say_value(answer, "vlan", word, "add or remove, and an ID");
	else if (!read_number(number, 4095, &id))
		say_value(answer, "vlan", number, "an ID from 0 to 4095");
	else if (is_whole(&rest, "vlan", answer))
		say_result(answer, vionet_vlan_filter_set(port, (uint16_t)id, add));
}

static void set_coalescing(uint16_t port, char *rest, struct text *answer)
{
	uint64_t queue = VIONET_ALL_QUEUES, packets, microseconds;
	const char *word = next_word(&rest), *which = next_word(&rest);
	const char *most = next_word(&rest), *longest = next_word(&rest);
	bool receive = word != NULL && strcmp(word, "rx") == 0;
	__typeof__(vionet_rx_coalesce_set) *call = receive ? vionet_rx_coalesce_set : vionet_tx_coalesce_set;
	if (word == NULL || (!receive && strcmp(word, "tx") != 0))
		say_value(answer, "coalesce", word, "rx or tx");
	else if (which == NULL || (strcmp(which, "all") != 0 && !read_number(which, UINT16_MAX - 1, &queue)))
		say_value(answer, "coalesce", which, "all or a queue's number");
	else if (!read_number(most, UINT32_MAX, &packets))
		say_value(answer, "coalesce", most, "a number of packets");
	else if (!read_number(longest, UINT32_MAX, &microseconds))
		say_value(answer, "coalesce", longest, "a number of microseconds");
	else if (is_whole(&rest, "coalesce", answer))
		say_result(answer, call(port, (uint16_t)queue, (uint32_t)packets, (uint32_t)microseconds));
}

/* ---- RSS --------------------------------------------------------------------------------------------------------- */

static const char *const types[] = {"ipv4", "tcp4", "udp4", "ipv6", "tcp6", "udp6", "ipv6_ex", "tcp6_ex", "udp6_ex"};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

struct hashing {
	struct vionet_rss rss;
	uint8_t key[255];
	uint16_t table[65536];
};

/* As it is in use. NULL without a word if there is no memory; *result is what the library says. */
static struct hashing *hashing_of(uint16_t port, int *result)
{
	struct hashing *hashing = calloc(1, sizeof(*hashing));
	if (hashing == NULL)
		return NULL;
	hashing->rss = VIONET_SIZED(struct vionet_rss);
	hashing->rss.key = hashing->key;
	hashing->rss.key_length = 255;
	hashing->rss.table = hashing->table;
	hashing->rss.table_length = 65535;
	*result = vionet_rss_get(port, &hashing->rss);
	return hashing;
}

void add_hashing(uint16_t port, struct text *answer)
{
	int result;
	struct hashing *hashing = hashing_of(port, &result);
	if (hashing != NULL && result == 0) {
		const struct vionet_rss *rss = &hashing->rss;
		text_add(answer, "rss_key ");
		for (int i = 0; i < rss->key_length; i++)
			text_add(answer, "%02x", rss->key[i]);
		text_add(answer, "\nrss_table");
		for (int i = 0; i < rss->table_length; i++)
			text_add(answer, "%c%u", i == 0 ? ' ' : ',', rss->table[i]);
		text_add(answer, "\nrss_types");
		const char *separator = " ";
		for (int i = 0; i < TYPES; i++) {
			if ((rss->hash_types >> i & 1) == 0)
				continue;
			text_add(answer, "%s%s", separator, types[i]);
			separator = ",";
		}
		text_add(answer, "\nrss_unclassified %u\n", rss->unclassified_queue);
	}
	free(hashing);
}

static bool read_key(struct hashing *hashing, const char *value)
{
	size_t length = strlen(value);
	if (length == 0 || length % 2 != 0 || length > 2 * sizeof(hashing->key))
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int high = hex_digit(value[i]), low = hex_digit(value[i + 1]);
		if (high < 0 || low < 0)
			return false;
		hashing->key[i / 2] = (uint8_t)(high << 4 | low);
	}
	hashing->rss.key_length = (uint8_t)(length / 2);
	return true;
}

static bool read_table(struct hashing *hashing, char *value)
{
	uint64_t queue;
	uint16_t length = 0;
	for (const char *word; (word = strsep(&value, ",")) != NULL;) {
		if (length == UINT16_MAX || !read_number(word, UINT16_MAX, &queue))
			return false;
		hashing->table[length++] = (uint16_t)queue;
	}
	hashing->rss.table_length = length;
	return true;
}

static bool read_types(struct hashing *hashing, char *value)
{
	hashing->rss.hash_types = 0; /* to the library: all there are */
	if (strcmp(value, "all") == 0)
		return true;
	for (const char *word; (word = strsep(&value, ",")) != NULL;) {
		int type = 0;
		while (type < TYPES && strcmp(word, types[type]) != 0)
			type++;
		if (type == TYPES)
			return false;
		hashing->rss.hash_types |= 1u << type;
	}
	return true;
}

static bool read_hashing(struct hashing *hashing, const char *key, char *value)
{
	uint64_t queue;
	if (strcmp(key, "key") == 0)
		return read_key(hashing, value);
	if (strcmp(key, "table") == 0)
		return read_table(hashing, value);
	if (strcmp(key, "types") == 0)
		return read_types(hashing, value);
	if (strcmp(key, "unclassified") != 0 || !read_number(value, UINT16_MAX, &queue))
		return false;
	hashing->rss.unclassified_queue = (uint16_t)queue;
	return true;
}

static void set_rss(uint16_t port, char *rest, struct text *answer)
{
	int result, read = 0;
	struct hashing *hashing = hashing_of(port, &result);
	if (hashing == NULL) {
		say_wrong(answer, -ENOMEM, "no memory for an RSS table");
		return;
	}
	if (result < 0)
		say_error(answer, result);
	for (char *word; result >= 0 && (word = next_word(&rest)) != NULL; read++) {
		char *value = strchr(word, '=');
		if (value != NULL)
			*value++ = 0;
		if (value == NULL || !read_hashing(hashing, word, value)) {
			say_wrong(answer, -EINVAL, "rss %.16s: wanted are key=HEX, table=QUEUE,..., types=TYPE,... or all, %s", word,
			          "unclassified=QUEUE");
			result = -EINVAL;
		}
	}
	if (result >= 0 && read == 0)
		say_wrong(answer, -EINVAL, "rss: nothing is to be set");
	else if (result >= 0)
		say_result(answer, vionet_rss_set(port, &hashing->rss));
	free(hashing);
}

void answer_set(uint16_t port, char *rest, struct text *answer)
{
	const char *key = next_word(&rest);
	if (key == NULL)
		say_wrong(answer, -EINVAL, "set what: help names what there is");
	else if (strcmp(key, "mac") == 0)
		set_mac(port, rest, answer);
	else if (strcmp(key, "mtu") == 0)
		set_number(port, key, rest, vionet_mtu_set, answer);
	else if (strcmp(key, "queue_pairs") == 0)
		set_number(port, key, rest, vionet_queue_pairs_set, answer);
	else if (strcmp(key, "promiscuous") == 0)
		set_switch(port, key, rest, vionet_promiscuous_set, answer);
	else if (strcmp(key, "all_multicast") == 0)
		set_switch(port, key, rest, vionet_all_multicast_set, answer);
	else if (strcmp(key, "vlan") == 0)
		set_vlan(port, rest, answer);
	else if (strcmp(key, "coalesce") == 0)
		set_coalescing(port, rest, answer);
	else if (strcmp(key, "rss") == 0)
		set_rss(port, rest, answer);
	else
		say_wrong(answer, -EINVAL, "there is no setting \"%.32s\": help names those there are", key);
}

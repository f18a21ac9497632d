/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Device addresses with spoilt words, keys and values, and capture files with spoilt bytes, lengths and ends. A call ends
 * with a port or with a sentence; what a capture replays are frames of lengths that a frame may have; and afterwards no port,
 * file or packet is left.
 */
#include "fuzz.h"

enum { PACKETS = 1024, FILE_ROOM = 4096, LONGEST = 9018 };
static const int errors[] = {EINVAL, ENOTSUP, ENOENT, ENODEV, EACCES, EPERM, EIO, ENOBUFS, EEXIST, EADDRINUSE,
                             ENAMETOOLONG, EISDIR, ENXIO, EBUSY, ECONNREFUSED, ERANGE, ENOTDIR, 0};

/* Whatever these name of the system, there is nothing of that name. */
static const char *const addresses[] = {
	"soft:loopback", "soft:sink", "soft:generate", "soft:pcap=@", "soft:pcap=@,follow=1", "soft:pcap,out=@.out", "soft:pipe=fuzz",
	"pci:0000:7f:1f.7", "vhost-user:@.sock", "vhost-vdpa:@.vdpa", "", "soft", ":", "soft:", "soft:nothing", "Soft:sink",
};
static const char *const keys[] = {
	"mac", "queue_size", "queues", "packed_vq", "in_order", "event_idx", "mrg_rxbuf", "rx_csum", "lro", "vlan_strip", "vlan_filter",
	"rss", "rx_hash", "tx_software", "cq", "check_threads", "size_stats", "recover", "speed", "pool_packets", "vdpa", "iova",
	"mtu", "features_off", "length", "rate", "flows", "checksum", "format", "snaplen", "follow", "sealed", "client", "",
};
static const char *const values[] = {
	"0", "1", "2", "16", "64", "68", "255", "256", "257", "1500", "9000", "32768", "32769", "65535", "65536", "2147483648",
	"4294967295", "4294967296", "18446744073709551616", "-1", "", " 1", "0x", "0xffffffffffffffff", "0x8000", "02:00:00:00:00:01",
	"ff:ff:ff:ff:ff:ff", "02:00:00:00:00:0", "auto", "trust", "va", "pa", "pcapng", "pcap-ns", "partial", "valid", "1,1", "\xff",
};
#define COUNT(list) (sizeof(list) / sizeof(list[0]))

/* Requires that a call succeeded, or failed with a code that it may have and a sentence. */
static void is_explained(int result)
{
	int known = result == 0;
	for (int n = 0; errors[n] != 0; n++)
		known |= result == -errors[n];
	if (!known || (result != 0 && vionet_error()[0] == 0))
		FAILED("the result is %d", result);
}

static char folder[] = "/tmp/vionet-fuzz-XXXXXX", capture[60];
static uint32_t opened_ports, refused, records, frames;

/* ---- captures ------------------------------------------------------------------------------------------------------ */

static uint8_t file_bytes[FILE_ROOM];
static size_t file_length;

static void put(const void *bytes, size_t length)
{
	if (file_length + length > FILE_ROOM)
		length = FILE_ROOM - file_length;
	memcpy(file_bytes + file_length, bytes, length);
	file_length += length;
}

static void put32(uint32_t number, int swapped)
{
	number = swapped ? __builtin_bswap32(number) : number;
	put(&number, 4);
}

static void put_numbers(int swapped, int count, const uint32_t *numbers)
{
	for (int n = 0; n < count; n++)
		put32(numbers[n], swapped);
}
#define PUT(swapped, ...) put_numbers(swapped, (int)COUNT(((uint32_t[]){__VA_ARGS__})), (uint32_t[]){__VA_ARGS__})

static uint16_t halves(int swapped, uint16_t number) { return swapped ? __builtin_bswap16(number) : number; }

static void pcap(struct input *i, int swapped, int count)
{
	static const uint8_t frame[64];
	PUT(swapped, next8(i) & 1 ? 0xa1b2c3d4 : 0xa1b23c4d, 0, 0, 0, 65535, 1);
	for (; count > 0; count--, records++) {
		PUT(swapped, 1, 2, 60, 60);
		put(frame, 60);
	}
}

static void pcapng(struct input *i, int swapped, int count)
{
	static const uint8_t frame[64];
	PUT(swapped, 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28);
	PUT(swapped, 1, 20);
	uint16_t link[2] = {halves(swapped, 1), 0};
	put(link, 4);
	PUT(swapped, next8(i) & 1 ? 0 : 65535, 20);
	for (; count > 0; count--, records++) {
		int is_simple = next8(i) & 1;
		if (is_simple)
			PUT(swapped, 3, 76, 60);
		else
			PUT(swapped, 6, 92, 0, 0, 0, 60, 60);
		put(frame, 60);
		put32(is_simple ? 76 : 92, swapped);
	}
}

static void make_capture(struct input *i)
{
	uint8_t kind = next8(i), spoils = next8(i) % 6;
	file_length = 0;
	if (kind & 1)
		pcap(i, kind & 2, kind >> 2 & 15);
	else
		pcapng(i, kind & 2, kind >> 2 & 15);
	for (; spoils > 0 && file_length >= 8; spoils--) {
		size_t at = next_bytes(i, 2) % file_length;
		uint64_t number = next_number(i);
		switch (next8(i) % 4) {
		case 0: file_bytes[at] ^= (uint8_t)number; break;
		case 1: memcpy(file_bytes + at / 4 * 4 % (file_length - 3), &number, 4); break;
		case 2: file_length = at; break; /* cut */
		default: memmove(file_bytes + at / 4 * 4, file_bytes + at, file_length - at); break;
		}
	}
	int file = open(capture, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	yes(file >= 0 && write(file, file_bytes, file_length) == (ssize_t)file_length);
	close(file);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------ */

static void make_address(struct input *i, char *text, size_t room)
{
	uint8_t which = next8(i);
	const char *from = addresses[which & 1 ? 3u + which / 2u % 2 : which / 2 % COUNT(addresses)]; /* mostly a capture */
	size_t at = 0;
	for (; *from != 0; from++)
		at += (size_t)snprintf(text + at, room - at, *from == '@' ? "%s" : "%.1s", *from == '@' ? capture : from);
	text[at] = 0;
	for (int count = which & 16 ? next8(i) % 5 : 0; count > 0; count--)
		at += (size_t)snprintf(text + at, room - at, ",%s=%s", keys[next8(i) % COUNT(keys)], values[next8(i) % COUNT(values)]);
	for (int spoils = next8(i) & 3; at > 0 && spoils == 3; spoils = next8(i) & 3) {
		size_t place = next8(i) % at;
		/* Not one by which the name of a file would be another's. */
		if (text[place] != '/' && text[place] != '.' && text[place] != '@')
			text[place] = (char)(next8(i) % 4 == 0 ? ',' : next8(i) | 0x80);
	}
}

static void receive(uint16_t port)
{
	struct vionet_packet *packets[32];
	for (int tries = 0, got; tries < 20; tries++) {
		got = vionet_rx_burst(port, 0, packets, 32);
		for (int n = 0; n < got; n++) {
			frames++;
			if (packets[n]->total_length < 14 || packets[n]->total_length > LONGEST)
				FAILED("a frame of %u bytes", packets[n]->total_length);
		}
		vionet_packet_free_bulk(packets, (uint16_t)got);
		if (got == 0)
			usleep(100);
	}
}

static void run(struct input *i)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[800];
	uint16_t port = VIONET_PORT_NONE;
	make_capture(i);
	make_address(i, address, sizeof(address));
	config.pool = pool_made(PACKETS);
	if (strstr(address, "queue_size") == NULL)
		config.rx_descriptors = config.tx_descriptors = 64;
	int result = vionet_open_config(address, &config, &port);
	is_explained(result);
	if (result == 0) {
		opened_ports++;
		receive(port);
		same(info_of(port).state == VIONET_STATE_STARTED || info_of(port).state == VIONET_STATE_BROKEN, 1);
		vionet_close(port);
	} else {
		refused++;
		same(port, VIONET_PORT_NONE);
	}
	same(vionet_port_next(0), VIONET_PORT_NONE);
	ok(vionet_pool_destroy(config.pool)); /* this fails if a packet is missing */
}

static void make(struct input *i, struct chance *c)
{
	for (i->size = 0; i->size < 96; i->size++)
		i->bytes[i->size] = (uint8_t)(below(c, 3) == 0 ? below(c, 39) : chance_next(c));
}

static void begin(void)
{
	yes(mkdtemp(folder) != NULL);
	snprintf(capture, sizeof(capture), "%s/c", folder);
}

static void end(void)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -r %s", folder);
	same(system(command), 0);
	printf("%u addresses opened, %u refused with a sentence each; %u records in captures, %u frames received\n", opened_ports,
	       refused, records, frames);
	yes(opened_ports > refused / 10 && refused > opened_ports / 10 && frames > records / 10);
}

static const struct target target = {"addresses-and-captures", 1200, 96, begin, make, NULL, run, end};

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter of a capture beside libpcap's: made-up programs are accepted or refused as libpcap and the kernel do, and take
 * the same bytes of the same packets as libpcap's bpf_filter(). Prints its seed; the first number is one.
 */
#include "../support/cases.h"
#include "../support/control_client.h"
#include "../support/capture_client.h"
#include "../support/frame.h"

#include <dlfcn.h>

struct instruction {
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t value;
};

static unsigned int (*run)(const struct instruction *, const unsigned char *, unsigned int, unsigned int);
static int (*validate)(const struct instruction *, int);
static uint16_t port, pool;
static uint64_t state;

static uint32_t any(uint32_t limit)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((state >> 33) % limit);
}

static const uint16_t codes[] = {0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x81, 0x01, 0xb1, 0x60, 0x61, 0x02, 0x03, 0x04,
	0x14, 0x24, 0x44, 0x54, 0x64, 0x74, 0xa4, 0x84, 0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0x9c, 0xac, 0x34, 0x94,
	0x05, 0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d, 0x06, 0x16, 0x07, 0x87};
enum { CODES = sizeof(codes) / sizeof(codes[0]), LONGEST = 60, PROGRAMS = 400, PACKETS = 6 };

/* What libpcap lets pass and the kernel does not: codes that are none, and shifts whose result nobody defines. */
static int is_known(const struct instruction *one)
{
	for (int i = 0; i < CODES; i++)
		if (codes[i] == one->code)
			return (one->code != 0x64 && one->code != 0x74) || one->value < 32;
	return 0;
}

/* A word that libpcap's interpreter reads before it is written has no value there: all are written first. */
static int made_up(struct instruction *program)
{
	int count = 0, length = 17 + (int)any(LONGEST - 17);
	for (uint32_t word = 0; word < 16; word++)
		program[count++] = (struct instruction){0x02, 0, 0, word};
	while (count < length) {
		struct instruction one = {codes[any(CODES)], 0, 0, 0};
		uint32_t behind = (uint32_t)(length - 1 - count);
		if (one.code == 0x06 && any(4) != 0)
			one.code = 0x30; /* few programs end early */
		one.value = any(3) == 0 ? any(200) : any(3) == 0 ? (uint32_t)state : any(16);
		if ((one.code & 7) == 5) {
			one.if_true = (uint8_t)any(behind + 1);
			one.if_false = (uint8_t)any(behind + 1);
			one.value = one.code == 5 ? any(behind + 1) : one.value;
		} else if (one.code == 0x60 || one.code == 0x61 || one.code == 2 || one.code == 3) {
			one.value = any(100) == 0 ? any(20) : any(16);
		} else if (one.code == 0x64 || one.code == 0x74) {
			one.value = any(50) == 0 ? any(64) : any(32);
		}
		program[count++] = one;
	}
	program[count - 1] = (struct instruction){any(40) == 0 ? 0x00 : any(2) ? 0x16 : 0x06, 0, 0, any(300)};
	if (any(8) == 0)
		program[16 + any((uint32_t)count - 16)].code = (uint16_t)any(0x120);
	return count;
}

static void send_filter(struct capture *c, const struct instruction *program, int count)
{
	char request[16 * LONGEST + 16];
	int length = sprintf(request, "filter ");
	for (int i = 0; i < count; i++)
		length += sprintf(request + length, "%04x%02x%02x%08x", program[i].code, program[i].if_true, program[i].if_false,
		                  program[i].value);
	same(strcmp(capture_answer(c, request), "ok\n"), 0);
}

/* A packet with these bytes, in up to four segments. */
static struct vionet_packet *packet_of(const unsigned char *bytes, uint32_t length)
{
	struct vionet_packet *head = NULL;
	for (uint32_t done = 0; done < length;) {
		struct vionet_packet *part = vionet_packet_alloc(pool);
		uint32_t count = any(2) ? length - done : 14 + any(length - done);
		if (count > length - done || (head != NULL && head->segments == 4))
			count = length - done;
		yes(part != NULL);
		memcpy(vionet_packet_append(part, count), bytes + done, count);
		done += count;
		if (head == NULL)
			head = part;
		else
			same(vionet_packet_chain(head, part), 0);
	}
	return head;
}

static void compare(struct capture *c, const struct instruction *program, int *taken)
{
	for (int i = 0; i < PACKETS; i++) {
		unsigned char bytes[256];
		uint32_t length = 14 + any(200);
		for (uint32_t place = 0; place < length; place++)
			bytes[place] = (unsigned char)any(any(2) ? 256 : 4);
		struct vionet_packet *packet = packet_of(bytes, length);
		unsigned int segments = packet->segments;
		uint32_t wanted = run(program, bytes, length, length);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
		const struct record *record = capture_next(c);
		if (wanted == 0) {
			yes(record == NULL);
			continue;
		}
		++*taken;
		if (record == NULL)
			FAILED("packet %d of %u bytes in %u segments is not taken, libpcap takes %u", i, length, segments, wanted);
		same(record->captured, wanted < length ? wanted : length);
		same(record->length, length);
		same(memcmp(record->data, bytes, record->captured), 0);
		yes(capture_next(c) == NULL);
	}
}

CASE("made-up programs are refused or run as libpcap's")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct instruction program[LONGEST];
	int accepted = 0, refused = 0, taken = 0;
	void *library = dlopen("libpcap.so.0.8", RTLD_NOW);
	if (library == NULL)
		skip("there is no libpcap.so.0.8 (Debian package libpcap0.8)");
	*(void **)&run = dlsym(library, "bpf_filter");
	*(void **)&validate = dlsym(library, "bpf_validate");
	yes(run != NULL && validate != NULL);
	state = (uint64_t)case_argument(0, (long long)microseconds());
	printf("# seed %llu\n", (unsigned long long)state);
	config.pool = pool = pool_made(1024);
	ok(vionet_open_config("soft:sink", &config, &port));
	control_made("filter");
	for (int i = 0; i < PROGRAMS; i++) {
		struct capture c = {.connection = caller()};
		int count = made_up(program), is_right = validate(program, count) != 0;
		for (int place = 0; place < count; place++)
			is_right &= is_known(&program[place]);
		send_filter(&c, program, count);
		if (!is_right) {
			refused++;
			yes(strstr(capture_answer(&c, "capture ring=64"), "error 22 the filter") != NULL);
		} else {
			accepted++;
			capture_begin(&c, "capture direction=tx ring=64");
			compare(&c, program, &taken);
			same(capture_lost(&c), 0);
			capture_forget(&c);
		}
		close(c.connection);
		served();
	}
	printf("# %d accepted, %d refused, %d packets taken of %d\n", accepted, refused, taken, accepted * PACKETS);
	yes(accepted > PROGRAMS / 4 && refused > 5 && taken > PROGRAMS / 4);
	vionet_control_close(control);
	vionet_close(port);
	same(pool_of(pool).available, 1024);
}

CASE("a filter that is no program is refused")
{
	struct capture c;
	char longest[4096];
	port = opened("soft:sink");
	control_made("filter");
	c.connection = caller();
	tells(c.connection, "filter", "error 22 filter: wanted are");
	tells(c.connection, "filter 0", "error 22 filter: wanted are");
	tells(c.connection, "filter 000600000000000g", "error 22 filter: wanted are");
	tells(c.connection, "filter 0006000000000001 1", "is too much");
	memset(longest, '0', sizeof(longest));
	memcpy(longest, "filter ", 7);
	longest[7 + 16 * 128] = 0;
	for (int i = 0; i < 32; i++)
		answers(c.connection, longest, "ok\n");
	tells(c.connection, "filter 0006000000000001", "at most 4096 instructions");
	tells(c.connection, "capture", "error 22 the filter");
	close(c.connection);
	served();
	/* The longest there may be ends, too. */
	c.connection = caller();
	for (int i = 0; i < 31; i++)
		answers(c.connection, longest, "ok\n");
	longest[7 + 16 * 127] = 0;
	answers(c.connection, longest, "ok\n");
	answers(c.connection, "filter 0006000000000007", "ok\n");
	capture_begin(&c, "capture");
	struct vionet_packet *packet = frame_packet(0, 60, 1);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(capture_next(&c)->captured, 7);
	capture_forget(&c);
	close(c.connection);
	served();
	vionet_control_close(control);
	vionet_close(port);
}

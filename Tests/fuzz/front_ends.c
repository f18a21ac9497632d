/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Front-ends that lie to a served device: messages with other fields, cut, too long, or with files of any kind; rings and
 * buffers that change while the device reads them; memory that is shortened or punched; eventfds that are full or made to
 * block. The device writes nothing outside of the memory it was given, keeps no file, answers or ends the connection, and
 * serves the next front-end, whose frame comes back whole. A second thread serves, so a run cannot be repeated exactly.
 */
#include "front-end.h"

enum action {
	NEXT_MESSAGE, SPOILT_MESSAGE, CUT_MESSAGE, EXTRA_FILES, RANDOM_MESSAGE, TRAFFIC, RAW_BYTES, DESCRIPTOR, INDEX,
	SHORTEN, PUNCH, EVENTFD, ASK, AGAIN, SECOND_ONE, UP, ACTIONS,
};
enum { FRAME = 60, HEADER = 12 };
static const char *const wires[] = {"loopback", "sink", "generate,rate=20000", "loopback,queues=2", "sink,sealed=1"};

static struct front front;
static char folder[] = "/tmp/vionet-fuzz-XXXXXX", path[60];
static int maps;
static uint32_t sessions, messages, mutations, files_sent, refused, served, frames;

/* ---- messages ------------------------------------------------------------------------------------------------------- */

static void tell(const struct message *m, const int *files, int count, size_t length)
{
	messages++;
	files_sent += (uint32_t)count;
	front.is_whole &= length == 12 + (size_t)m->size;
	if (!front_send(&front, m, length, files, count))
		front.is_whole = 0;
}

static void next_message(void)
{
	struct message m;
	int files[MOST_FILES + 2], count = front_message(&front, &m, files, front.step++);
	tell(&m, files, count, 12 + m.size);
}

/* All messages up to traffic, as far as they have not been sent. */
static void bring_up(void)
{
	while (front.step < front_steps(&front))
		next_message();
}

static void wrong_message(enum action action, struct input *i)
{
	struct message m;
	int files[2 * MOST_FILES + 2], count;
	uint8_t which = next8(i), how = next8(i);
	/* Mostly the one whose turn it is, since others are refused for that. */
	count = front_message(&front, &m, files, which & 1 ? which / 2u % 48 : front.step);
	front.step += !(which & 1);
	size_t length = 12 + m.size;
	if (action == SPOILT_MESSAGE && how & 1)
		((uint8_t *)&m)[how / 2u % length] ^= (uint8_t)(1 << next8(i) % 8);
	else if (action == SPOILT_MESSAGE) { /* a field of 8 bytes, or of 4 */
		uint64_t number = next_number(i);
		memcpy(m.u.bytes + how / 4u * 4 % 64, &number, how & 2 ? 8 : 4);
	} else if (action == CUT_MESSAGE)
		length = how % length;
	else if (action == EXTRA_FILES)
		for (int more = how % (MOST_FILES + 1); more > 0; more--)
			files[count++] = file_kinds[next8(i) % FILE_KINDS];
	else {
		m.request = which % LAST_REQUEST;
		m.flags = how & 1 ? 9 : how & 2 ? (uint32_t)next_number(i) : 1;
		m.size = how & 4 ? (uint32_t)next_number(i) % 513 : (uint8_t[]){0, 8, 16, 20, 40, 44, 72, 32}[how >> 5];
		for (size_t at = 0; at < m.size; at += 8) {
			uint64_t number = next_number(i);
			memcpy(m.u.bytes + at, &number, 8);
		}
		count = how & 8 ? 1 + next8(i) % MOST_FILES : 0;
		for (int n = 0; n < count; n++)
			files[n] = how & 16 ? front.memory : file_kinds[next8(i) % FILE_KINDS];
		length = 12 + m.size;
	}
	if (length > 0)
		tell(&m, files, count, length);
	/* Where a size was changed, what the device takes for a message does not end where ours does. */
	front.is_whole &= action != SPOILT_MESSAGE || m.size + 12 == length;
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static void traffic(struct input *i)
{
	int queue = next8(i) % front_queues(&front);
	for (int count = 1 + next8(i) % 32; count > 0; count--) {
		uint8_t more = next8(i);
		front_publish(&front, queue, next8(i), queue % 2 == 0 ? BUFFER : HEADER + FRAME,
		              more < 32 ? (uint16_t)(more & VRING_DESC_F_NEXT) : 0);
	}
	front_kick(&front, queue, 1);
}

static void scribble(enum action action, struct input *i)
{
	int queue = next8(i) % front_queues(&front);
	uint8_t *ring = front.base + ring_offset(queue);
	uint16_t at = next8(i) % front.size;
	for (int count = 1 + next8(i) % 16; count > 0; count--, mutations++) {
		uint64_t number = next_number(i);
		if (action == RAW_BYTES) {
			ring[next_bytes(i, 2) % RING_ROOM] = (uint8_t)number;
		} else if (action == DESCRIPTOR) {
			struct vring_desc *d = (struct vring_desc *)(void *)ring + (at + count) % front.size;
			switch (next8(i) % 5) {
			case 0: d->addr = number; break;
			case 1: d->addr = GUEST + (number & (2 * REGION - 1)); break; /* up to the end of a region */
			case 2: d->len = (uint32_t)number; break;
			case 3: d->flags = (uint16_t)number; break;
			default: d->next = (uint16_t)(number % (front.size + 1u));
			}
		} else {
			uint16_t *available = (uint16_t *)(void *)(ring + (front.features >> 34 & 1 ? 8192 : front.size * 16u));
			available[count % 3 == 0 ? at % 8 : 1] = (uint16_t)number;
		}
	}
	front_kick(&front, queue, 1);
}

/* Takes memory away, and gives zeroes back before this program looks at it again. */
static void take_away(enum action action, struct input *i)
{
	off_t at = (off_t)(next_bytes(i, 2) << 4) & ~4095;
	front.is_intact = 0;
	mutations++;
	if (action == PUNCH) {
		same(fallocate(front.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, REGION), 0);
		return;
	}
	same(ftruncate(front.memory, at), 0);
	for (int queue = 0; queue < front_queues(&front); queue++)
		front_kick(&front, queue, 1);
	if (front.is_whole && front_is_answered(&front))
		usleep(50);
	same(ftruncate(front.memory, MEMORY), 0);
}

static void spoil_eventfd(struct input *i)
{
	int queue = next8(i) % front_queues(&front), how = next8(i), file = how & 1 ? front.kick[queue] : front.call[queue];
	uint64_t full = 0xfffffffffffffffe;
	mutations++;
	if (how & 2)
		same(fcntl(file, F_SETFL, 0), 0);
	else
		(void)!write(file, &full, fcntl(file, F_GETFL) & O_NONBLOCK ? sizeof(full) : 0);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static void act(struct input *i)
{
	enum action action = (enum action)(next8(i) % ACTIONS);
	switch (action) {
	case NEXT_MESSAGE: next_message(); break;
	case UP: bring_up(); break;
	case TRAFFIC: traffic(i); break;
	case RAW_BYTES: case DESCRIPTOR: case INDEX: scribble(action, i); break;
	case SHORTEN: case PUNCH: take_away(action, i); break;
	case EVENTFD: spoil_eventfd(i); break;
	case ASK: case SECOND_ONE:
		if (front.is_whole && !front_is_answered(&front)) {
			refused++;
			front_connect(&front, path);
		}
		break;
	case AGAIN: front_connect(&front, path); break;
	default: wrong_message(action, i);
	}
}

/* The next front-end, which lies about nothing: its frame comes back, or is taken. */
static void next_is_served(uint16_t device, const char *wire, uint64_t offered, uint64_t protocol)
{
	struct front good;
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	front_make(&good);
	good.features = offered & (BIT(F_VERSION_1) | BIT(F_PROTOCOL));
	good.protocol = protocol;
	good.size = 64;
	good.pairs = 1;
	same(fcntl(good.memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	front_connect(&good, path);
	ok(vionet_soft_stats(device, &stats));
	uint64_t before = stats.from_driver, dropped = stats.from_driver_drops;
	for (struct message m; good.step < front_steps(&good);) {
		int files[2], count = front_message(&good, &m, files, good.step++);
		yes(front_send(&good, &m, 12 + m.size, files, count));
	}
	yes(front_is_answered(&good));
	uint8_t *sent = good.base + SECOND + BUFFER, *back = good.base + SECOND;
	memset(sent, 0, HEADER);
	memset(sent + HEADER, 0x5a, FRAME);
	front_publish(&good, 0, 0, BUFFER, 0);
	front_publish(&good, 1, 1, HEADER + FRAME, 0);
	front_kick(&good, 0, 1);
	front_kick(&good, 1, 1);
	soon(vionet_soft_stats(device, &stats) == 0 && stats.from_driver + stats.from_driver_drops > before + dropped);
	if (strncmp(wire, "loopback", 8) == 0) {
		soon(__atomic_load_n((uint16_t *)(void *)(good.base + 64 * 16 + 2048 + 2), __ATOMIC_ACQUIRE) == 1);
		same(memcmp(back + HEADER, sent + HEADER, FRAME), 0);
		frames++;
	}
	front_end(&good);
	served++;
}

static void run(struct input *i)
{
	/* The first bytes choose the wire, and the features that the front-end leaves out of those that are offered. */
	static const uint8_t bits[] = {34, 35, 15, 29, 28, 17, 22, 0};
	uint8_t kind = next8(i), without = next8(i), size = next8(i);
	const char *wire = wires[kind % (sizeof(wires) / sizeof(wires[0]))];
	uint16_t device;
	ok(vionet_soft_serve(path, wire, &device));
	front_make(&front);
	front_connect(&front, path);
	uint64_t offered = front_number(&front, GET_FEATURES), protocol = front_number(&front, GET_PROTOCOL_FEATURES);
	yes(offered != 0 && protocol != 0);
	front.features = offered;
	front.protocol = protocol;
	for (unsigned int n = 0; n < sizeof(bits); n++)
		front.features &= without >> n & 1 ? ~BIT(bits[n]) : UINT64_MAX;
	front.pairs = front.features >> 22 & 1 ? 2 : 1;
	front.size = front.features >> 34 & 1 ? 2 + size : (uint16_t)(1 << (1 + size % 8));
	if (front.size > 256)
		front.size = 256;
	if (kind & 128)
		bring_up();
	while (i->at < i->size)
		act(i);
	sessions++;
	front_end(&front);
	next_is_served(device, wire, offered, protocol);
	vionet_soft_stop(device);
	if (sessions == 100)
		maps = count_maps();
}

static void make(struct input *i, struct chance *c)
{
	static const uint8_t usual[] = {NEXT_MESSAGE, UP, TRAFFIC, TRAFFIC, ASK, TRAFFIC};
	uint32_t steps = 4 + below(c, 40), odd = below(c, 8);
	for (int n = 0; n < 3; n++)
		i->bytes[i->size++] = (uint8_t)chance_next(c);
	for (uint32_t n = 0; n < steps; n++) {
		i->bytes[i->size++] = below(c, 8) < odd ? (uint8_t)below(c, ACTIONS) : usual[below(c, sizeof(usual))];
		for (uint32_t more = below(c, 20); more > 0; more--)
			i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 39) : chance_next(c));
	}
}

static void begin(void)
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	file_kinds_begin();
}

static void end(void)
{
	printf("%u front-ends, %u messages with %u files, %u changes of memory, %u connections ended by the device; %u were served "
	       "afterwards, with %u frames back\n", sessions, messages, files_sent, mutations, refused, served, frames);
	same(rmdir(folder), 0);
	yes(served == sessions && refused > sessions / 10 && mutations > sessions);
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings; after 100 front-ends there were %d", count_maps(), maps);
}

static const struct target target = {"front-ends", 1200, INPUT_ROOM, begin, make, NULL, run, end};

/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 120 */
/*
 * A device that writes into the rings what it likes, in between bursts: used indices, ids, lengths and flags, headers,
 * and what is the driver's to write; on rings of every kind. An honest device is believed, a lie that is certain breaks
 * the queue, any other does no harm.
 */
#include "side.h"

enum action {
	TAKE, SEND, DELIVER, FINISH, FREE, SLEEP, CERTAIN_LIE, USED_ENTRY, USED_INDEX, EVENTS, DESCRIPTOR, AVAILABLE,
	ODD_HEADER, RESTART, STOP_START, ASK, ACTIONS,
};

static struct side side[2];
static uint64_t features;
static uint32_t certain_lies, delivered, scattered, kinds[16];

static void look(void)
{
	for (int r = RX; r <= TX; r++)
		if (side[r].honest)
			side_look(&side[r]);
}

static void restarted(void)
{
	for (int r = RX; r <= TX; r++)
		side_begin(&side[r], r, features);
	look();
}

/* Writes a header, and whatever behind it, into the oldest buffer. */
static void fill(const struct buffer *b, const uint8_t *header, uint8_t byte)
{
	uint8_t *at = peer_at(&backend.peer, b->address, b->length, 1);
	memcpy(at, header, HEADER);
	memset(at + HEADER, byte, 64);
}

/* A frame in one buffer, or in several where they are merged; in order maybe several frames in one entry. */
static void deliver_frames(uint8_t count, struct input *i)
{
	struct side *s = &side[RX];
	uint8_t header[HEADER] = {0}, how = next8(i), parts = features & BIT(MERGED) && how & 1 ? 2 + how % 3 : 1;
	header[10] = parts;
	for (; s->honest && count > 0 && s->waiting_count >= parts; count--) {
		if (how & 64)
			for (int n = 0; n < 10; n++) /* checksums and segmentation, or nonsense */
				header[n] = next8(i);
		fill(&s->waiting[0], header, how);
		if (s->in_order && parts == 1 && how & 128 && s->waiting_count >= 3) {
			fill(&s->waiting[1], header, how);
			fill(&s->waiting[2], header, how);
			side_give_batch(s, 3, HEADER + 60);
		} else
			for (uint8_t n = 0; n < parts; n++)
				side_give(s, 0, n + 1 < parts ? BUFFER + HEADER : HEADER + 60u);
		delivered++;
	}
}

static void finish_frames(uint8_t count, uint8_t how)
{
	struct side *s = &side[TX];
	if (s->in_order && how & 1 && s->honest && s->waiting_count > count)
		side_give_batch(s, count, 0);
	for (; s->honest && count > 0 && s->waiting_count > 0; count--)
		side_give(s, how, next8(&now_running.input));
}

/* Everything the device has used so far is fetched; honest rings are not broken by that. */
static void drain(void)
{
	for (int tries = 0; tries < 4; tries++)
		life_receive(32);
	vionet_tx_burst(life.port, 0, NULL, 0);
	look();
	if (side[RX].honest && side[TX].honest)
		same(life_is_broken(), 0);
}

/* A used entry, or index, that is not to be believed whatever else may be true. False if there is none here. */
static int tell_lie(int r, struct input *i)
{
	static const uint8_t counts[] = {0, RING + 1, 65, 255};
	struct side *s = &side[r];
	uint8_t which = next8(i) % 4, header[HEADER] = {0};
	uint16_t idle = s->size, waiting = s->waiting_count, all = 0;
	for (uint16_t n = 0; n < waiting; n++)
		all = (uint16_t)(all + s->waiting[n].descriptors);
	/* In order, an id between those that are outstanding ends a batch. */
	for (uint16_t id = 0; id < s->size; id++)
		if (!s->has[id] && (!s->in_order || !s->packed || (id + s->size - s->used) % s->size >= all))
			idle = id;
	if (which == 3 && r == RX && features & BIT(MERGED) && waiting > 0) {
		header[10] = counts[next8(i) % sizeof(counts)]; /* as many buffers make no frame */
		fill(&s->waiting[0], header, 0);
		side_give(s, 0, HEADER + 60);
	} else if (!s->packed && (which == 0 || waiting == 0 || (r == TX && s->in_order))) {
		uint16_t jump = (uint16_t)(waiting + 1 + next_number(i) % (0xffffu - waiting));
		side_use(s, 0, 0, jump);
	} else if (waiting == 0) {
		return 0; /* a packed ring that is empty is not looked at */
	} else if (which == 1 && idle < s->size) {
		side_use(s, idle, HEADER + 60, 1);
	} else {
		uint32_t id = (uint32_t)next_number(i) & (s->packed ? 0xffff : 0xffffffff);
		side_use(s, id < s->size ? id + s->size : id, HEADER + 60, 1);
	}
	return 1;
}

/* A lie that the very next burst must see. */
static void lie(int r, struct input *i)
{
	drain();
	if (!side[r].honest || life_is_broken() > 0 || !tell_lie(r, i))
		return;
	side[r].honest = 0;
	certain_lies++;
	if (r == RX)
		same(life_receive(32), 0);
	else
		same(vionet_tx_burst(life.port, 0, NULL, 0), 0);
	same(life_is_broken(), 1);
	struct vionet_stats stats = stats_of(life.port);
	same(r == RX ? stats.rx.broken : stats.tx.broken, 1);
}

/* Writes that the driver may come to see or not. */
static void scribble(enum action action, struct input *i)
{
	uint8_t which = next8(i), more = next8(i);
	struct side *s = &side[which & 1];
	uint16_t at = more % s->size;
	uint64_t number = next_number(i);
	if (action == EVENTS) { /* at worst signals that are not wanted, or are missed */
		s->device[s->packed ? more & 1 : 0] = (uint16_t)number;
		if (!s->packed)
			s->device[2 + 4 * s->size] = (uint16_t)next_number(i);
		return;
	}
	s->honest = 0;
	switch (action) {
	case USED_ENTRY:
		number = which & 2 ? number % s->size : number;
		if (s->packed)
			side_use(s, (uint32_t)number, (uint32_t)next_number(i), more % 4);
		else
			*side_entry(s, at) = (struct vring_used_elem){(uint32_t)number, (uint32_t)next_number(i)};
		break;
	case USED_INDEX:
		if (s->packed)
			s->packed_ring[at].flags = (uint16_t)(which & 2 ? number : number << 7 | number << 15);
		else
			s->device[1] = s->used = (uint16_t)(which & 2 ? number : s->used + number % (RING + 2u));
		break;
	case DESCRIPTOR:
		s->table[at] = (struct vring_desc){number, (uint32_t)next_number(i), (uint16_t)next_number(i), at};
		break;
	default: s->driver[s->packed ? more & 1 : more % (2 + s->size)] = (uint16_t)number;
	}
}

static void act(struct input *i)
{
	enum action action = (enum action)(next8(i) % ACTIONS);
	uint8_t amount = next8(i);
	int broken = life_is_broken();
	switch (action) {
	case TAKE: life_receive(1 + amount % 32); break;
	case SEND: life_send(1 + amount % 24, next8(i)); break;
	case DELIVER: deliver_frames(1 + amount % RING, i); break;
	case FINISH: finish_frames(1 + amount % RING, next8(i)); break;
	case FREE: life_free(1 + amount % 64); break;
	case SLEEP: (void)vionet_rx_arm(life.port, 0); break;
	case CERTAIN_LIE: lie(amount & 1, i); break;
	case RESTART: case STOP_START:
		if (broken > 0)
			life_restart();
		else if (action == STOP_START && amount % 4 == 0) {
			ok(vionet_stop(life.port));
			ok(vionet_start(life.port));
		} else
			break;
		restarted();
		break;
	case ASK: vionet_tx_done(life.port, 0); break;
	case ODD_HEADER:
		if (side[RX].honest && side[RX].waiting_count > 0)
			memset(peer_at(&backend.peer, side[RX].waiting[0].address, HEADER, 1), amount, HEADER);
		break;
	default: scribble(action, i);
	}
	look();
	broken = life_is_broken();
	if (side[RX].honest && side[TX].honest)
		same(broken, 0);
}

static void run(struct input *i)
{
	/* The first byte chooses the kind of ring; GUEST_CSUM, GUEST_TSO4 and 6, INDIRECT_DESC, EVENT_IDX besides. */
	static const uint8_t bits[] = {RING_PACKED, IN_ORDER, MERGED, 29, 28, 1, 7, 8};
	uint8_t kind = next8(i), size = next8(i);
	features = 0;
	for (unsigned int n = 0; n < sizeof(bits); n++)
		features |= kind >> n & 1 ? BIT(bits[n]) : 0;
	kinds[kind & 15]++;
	/* With INDIRECT_DESC and without merged buffers each entry of a receive ring is then a table of five. */
	life.mtu = size & 64 ? 9000 : 1500;
	life_open(features, (uint16_t)(2 + size % (RING - 1)));
	scattered += strstr(info_of(life.port).rx_path, "scatter") != NULL;
	restarted();
	while (i->at < i->size)
		act(i);
	life.broken += (uint32_t)life.broken_events;
	life_close();
}

static void make(struct input *i, struct chance *c)
{
	/* Traffic more than lies, or no queue would ever get far. */
	static const uint8_t usual[] = {TAKE, TAKE, SEND, DELIVER, DELIVER, FINISH, FREE, SLEEP, ASK};
	uint32_t steps = 4 + below(c, 60), lies = below(c, 8);
	i->bytes[i->size++] = (uint8_t)chance_next(c);
	i->bytes[i->size++] = (uint8_t)chance_next(c);
	for (uint32_t n = 0; n < steps; n++) {
		uint8_t action = below(c, 8) < lies ? (uint8_t)below(c, ACTIONS) : usual[below(c, sizeof(usual))];
		i->bytes[i->size++] = action;
		for (int more = action < FREE || action == SLEEP ? 2 : 6; more > 0; more--)
			i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 39) : chance_next(c));
	}
}

static void end(void)
{
	printf("%u lives, %u of tables, %u starts, %u frames delivered, %u packets received, %u certain lies, "
	       "%u queues broken\n",
	       life.lives, scattered, life.starts, delivered, life.received, certain_lies, life.broken);
	yes(scattered > life.lives / 20);
	yes(life.received > life.lives && certain_lies > life.lives / 10 && life.broken > certain_lies);
	for (int kind = 0; kind < 16; kind++)
		yes(kinds[kind] > 0);
}

static const struct target target = {"rings", 6000, 480, life_begin, make, NULL, run, end};

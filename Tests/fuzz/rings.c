/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 120 */
/*
 * A device that writes into the rings what it likes, in between bursts: used indices, ids and lengths, and what is the
 * driver's to write. An honest device is believed, a lie that is certain breaks the queue, any other does no harm.
 */
#include "life.h"

enum action {
	TAKE, SEND, DELIVER, FINISH, FREE, SLEEP, CERTAIN_LIE, USED_ENTRY, USED_INDEX, USED_FLAGS, DESCRIPTOR, AVAILABLE,
	HEADER_BYTES, RESTART, STOP_START, RESET_COUNTERS, ACTIONS,
};

/* The device's idea of a ring; true only as long as it is honest. */
static struct device_ring {
	int honest;
	uint16_t taken, used; /* free-running */
	uint16_t waiting[RING], waiting_count; /* ids that it has, oldest first */
	uint8_t has[RING];
	struct vring_desc descriptor[RING]; /* as they were when they came */
} device[2];
static uint32_t certain_lies, delivered;

static void devices_restart(void)
{
	memset(device, 0, sizeof(device));
	device[RX].honest = device[TX].honest = 1;
}

/* Notes what the driver has made available since the last time, before anything can be overwritten. */
static void look(void)
{
	for (int r = RX; r <= TX; r++) {
		uint16_t *a = available(&backend.peer, r);
		struct device_ring *d = &device[r];
		while (d->honest && d->taken != a[1]) {
			uint16_t id = a[2 + (d->taken++ & (RING - 1))];
			yes(id < RING && !d->has[id]);
			d->has[id] = 1;
			d->waiting[d->waiting_count++] = id;
			d->descriptor[id] = descriptors(&backend.peer, r)[id];
		}
	}
}

static void write_used(int r, uint16_t at, uint32_t id, uint32_t length)
{
	used(&backend.peer, r)->ring[at & (RING - 1)] = (struct vring_used_elem){id, length};
}

static void write_index(int r, uint16_t index)
{
	device[r].used = index;
	__atomic_store_n(&used(&backend.peer, r)->idx, index, __ATOMIC_RELEASE);
}

/* The oldest buffer of the device goes back. */
static void give(int r, uint32_t length)
{
	struct device_ring *d = &device[r];
	uint16_t id = d->waiting[0];
	memmove(d->waiting, d->waiting + 1, --d->waiting_count * sizeof(d->waiting[0]));
	d->has[id] = 0;
	write_used(r, d->used, id, length);
	write_index(r, (uint16_t)(d->used + 1));
}

static void deliver_frames(uint8_t count, uint8_t length)
{
	static uint8_t bytes[HEADER + 14 + 255];
	for (; device[RX].honest && count > 0 && device[RX].waiting_count > 0; count--) {
		struct vring_desc *d = &device[RX].descriptor[device[RX].waiting[0]];
		yes(d->flags == VRING_DESC_F_WRITE && d->len >= sizeof(bytes));
		memset(bytes, length, sizeof(bytes));
		memset(bytes, 0, HEADER);
		bytes[10] = 1; /* num_buffers */
		memcpy(peer_at(&backend.peer, d->addr, d->len, 1), bytes, sizeof(bytes));
		give(RX, HEADER + 14 + (uint32_t)length);
		delivered++;
	}
}

static void finish_frames(uint8_t count)
{
	for (; device[TX].honest && count > 0 && device[TX].waiting_count > 0; count--)
		give(TX, 0);
}

/* Everything the device has used so far is fetched; honest rings are not broken by that. */
static void drain(void)
{
	for (int tries = 0; tries < 4; tries++)
		life_receive(32);
	vionet_tx_burst(life.port, 0, NULL, 0);
	look();
	if (device[RX].honest && device[TX].honest)
		same(life_is_broken(), 0);
}

/* A lie that the very next burst must see. */
static void lie(int r, struct input *i)
{
	struct device_ring *d = &device[r];
	uint16_t idle = RING;
	drain();
	if (!d->honest || life_is_broken() > 0)
		return;
	for (uint16_t id = 0; id < RING; id++)
		if (!d->has[id])
			idle = id;
	uint8_t which = next8(i) % 3;
	if (which == 0 || (which == 1 && d->waiting_count == 0) || (which == 2 && idle == RING)) {
		uint16_t jump = (uint16_t)(d->waiting_count + 1 + next_number(i) % (0xffffu - d->waiting_count));
		write_index(r, (uint16_t)(d->used + jump));
	} else {
		uint32_t id = which == 2 ? idle : (uint32_t)next_number(i);
		write_used(r, d->used, id < RING && which == 1 ? id + RING : id, HEADER + 60);
		/* With nothing at the device one more used entry is a jump, too. */
		write_index(r, (uint16_t)(d->used + 1));
	}
	d->honest = 0;
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
	int r = next8(i) & 1;
	struct peer *p = &backend.peer;
	uint16_t at = next8(i) & (RING - 1);
	uint64_t number = next_number(i);
	struct vring_desc *d = &descriptors(p, r)[at];
	if (action != USED_FLAGS && action != HEADER_BYTES)
		device[r].honest = 0;
	switch (action) {
	case USED_ENTRY:
		number &= next8(i) & 1 ? RING - 1 : ~0u;
		write_used(r, at, (uint32_t)number, (uint32_t)next_number(i));
		break;
	case USED_INDEX: write_index(r, (uint16_t)(next8(i) & 1 ? number : device[r].used + number % (RING + 2))); break;
	case USED_FLAGS: used(p, r)->flags = (uint16_t)number; break;
	case DESCRIPTOR: *d = (struct vring_desc){number, (uint32_t)next_number(i), (uint16_t)next_number(i), at}; break;
	case AVAILABLE: available(p, r)[next8(i) % (2 + RING)] = (uint16_t)number; break;
	default:
		if (device[RX].honest && device[RX].waiting_count > 0)
			memset(peer_at(p, device[RX].descriptor[device[RX].waiting[0]].addr, HEADER, 1), (int)number, HEADER);
	}
}

static void act(struct input *i)
{
	enum action action = (enum action)(next8(i) % ACTIONS);
	uint8_t amount = next8(i);
	switch (action) {
	case TAKE: life_receive(1 + amount % 32); break;
	case SEND: life_send(1 + amount % 24, next8(i)); break;
	case DELIVER: deliver_frames(1 + amount % RING, next8(i)); break;
	case FINISH: finish_frames(1 + amount % RING); break;
	case FREE: life_free(1 + amount % 64); break;
	case SLEEP: (void)vionet_rx_arm(life.port, 0); break;
	case CERTAIN_LIE: lie(amount & 1, i); break;
	case RESTART:
		if (life_is_broken() > 0) {
			life_restart();
			devices_restart();
		}
		break;
	case STOP_START:
		if (life_is_broken() == 0 && amount % 4 == 0) {
			ok(vionet_stop(life.port));
			ok(vionet_start(life.port));
			devices_restart();
		}
		break;
	case RESET_COUNTERS: life_is_broken(); break;
	default: scribble(action, i);
	}
	look();
	int broken = life_is_broken();
	if (device[RX].honest && device[TX].honest)
		same(broken, 0);
}

static void run(struct input *i)
{
	uint8_t more = next8(i);
	devices_restart();
	life_open((more & 1 ? BIT(28) : 0) | (more & 2 ? BIT(29) : 0)); /* INDIRECT_DESC, EVENT_IDX */
	look();
	while (i->at < i->size)
		act(i);
	life.broken += (uint32_t)life.broken_events;
	life_close();
}

static void make(struct input *i, struct chance *c)
{
	/* Traffic more than lies, or no queue would ever get far. */
	static const uint8_t usual[] = {TAKE, TAKE, SEND, DELIVER, DELIVER, FINISH, FREE, SLEEP};
	uint32_t steps = 4 + below(c, 60), lies = 1 + below(c, 8);
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
	printf("%u lives, %u starts, %u frames delivered, %u packets received, %u certain lies, %u queues broken\n",
	       life.lives, life.starts, delivered, life.received, certain_lies, life.broken);
	yes(life.received > life.lives && certain_lies > life.lives / 10 && life.broken > certain_lies);
}

static const struct target target = {"rings", 6000, 480, life_begin, make, NULL, run, end};

/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * A device that writes anything into the rings between bursts: used indices, ids, lengths, flags, headers, and fields that
 * only the driver may write; on rings of every kind. As long as all is valid, traffic flows. A write that is surely invalid
 * breaks the queue, and any other one does no harm.
 */
#include "ring-changes.h"

enum action {
	TAKE, SEND, DELIVER, FINISH, FREE, SLEEP, INVALID_WRITE, USED_ENTRY, USED_INDEX, EVENTS, DESCRIPTOR, AVAILABLE,
	RANDOM_HEADER, RESTART, STOP_START, ASK, RAW_BYTES, PUNCH, EVENTFD, STORM, ACTIONS,
};

static struct device_ring rings[2];
static uint64_t features;
static uint32_t invalid_writes, delivered, scattered, kinds[16];

static void look(void)
{
	for (int r = RX; r <= TX; r++)
		if (rings[r].is_valid)
			device_look(&rings[r]);
}

static void restarted(void)
{
	for (int r = RX; r <= TX; r++)
		device_begin(&rings[r], r, features);
	look();
}

/* Writes a header and some bytes behind it into a buffer. */
static void fill(const struct buffer *b, const uint8_t *header, uint8_t byte)
{
	uint8_t *at = peer_at(&backend.peer, b->address, b->length, 1);
	memcpy(at, header, HEADER);
	memset(at + HEADER, byte, 64);
}

/* Delivers frames: each in one buffer, or in several merged ones; with IN_ORDER sometimes three in one used entry. */
static void deliver_frames(uint8_t count, struct input *i)
{
	struct device_ring *s = &rings[RX];
	uint8_t header[HEADER] = {0}, how = next8(i), parts = features & BIT(MERGED) && how & 1 ? 2 + how % 3 : 1;
	header[10] = parts;
	for (; s->is_valid && count > 0 && s->waiting_count >= parts; count--) {
		if (how & 64)
			for (int n = 0; n < 10; n++) /* checksums and segmentation, or invalid fields */
				header[n] = next8(i);
		fill(&s->waiting[0], header, how);
		if (s->in_order && parts == 1 && how & 128 && s->waiting_count >= 3) {
			fill(&s->waiting[1], header, how);
			fill(&s->waiting[2], header, how);
			device_give_batch(s, 3, HEADER + 60);
		} else
			for (uint8_t n = 0; n < parts; n++)
				device_give(s, 0, n + 1 < parts ? BUFFER + HEADER : HEADER + 60u);
		delivered++;
	}
}

static void finish_frames(uint8_t count, uint8_t how)
{
	struct device_ring *s = &rings[TX];
	if (s->in_order && how & 1 && s->is_valid && s->waiting_count > count)
		device_give_batch(s, count, 0);
	for (; s->is_valid && count > 0 && s->waiting_count > 0; count--)
		device_give(s, how, next8(&now_running.input));
}

/* Fetches everything the device has used so far. Valid rings do not break by that. */
static void drain(void)
{
	for (int tries = 0; tries < 4; tries++)
		session_receive(32);
	vionet_tx_burst(session.port, 0, NULL, 0);
	look();
	if (rings[RX].is_valid && rings[TX].is_valid)
		same(session_is_broken(), 0);
}

/* Writes a used entry or index that is invalid in any state. Returns 0 if there is none for this ring. */
static int write_invalid(int r, struct input *i)
{
	static const uint8_t counts[] = {0, RING + 1, 65, 255};
	struct device_ring *s = &rings[r];
	uint8_t which = next8(i) % 4, header[HEADER] = {0};
	uint16_t idle = s->size, waiting = s->waiting_count, all = 0;
	for (uint16_t n = 0; n < waiting; n++)
		all = (uint16_t)(all + s->waiting[n].descriptors);
	/* With IN_ORDER, the id of a buffer in between ends a batch, and is valid. */
	for (uint16_t id = 0; id < s->size; id++)
		if (!s->has[id] && (!s->in_order || !s->packed || (id + s->size - s->used) % s->size >= all))
			idle = id;
	if (which == 3 && r == RX && features & BIT(MERGED) && waiting > 0) {
		header[10] = counts[next8(i) % sizeof(counts)]; /* no frame has as many buffers */
		fill(&s->waiting[0], header, 0);
		device_give(s, 0, HEADER + 60);
	} else if (!s->packed && (which == 0 || waiting == 0 || (r == TX && s->in_order))) {
		uint16_t jump = (uint16_t)(waiting + 1 + next_number(i) % (0xffffu - waiting));
		device_use(s, 0, 0, jump);
	} else if (waiting == 0) {
		return 0; /* the driver does not look at an empty packed ring */
	} else if (which == 1 && idle < s->size) {
		device_use(s, idle, HEADER + 60, 1);
	} else {
		uint32_t id = (uint32_t)next_number(i) & (s->packed ? 0xffff : 0xffffffff);
		device_use(s, id < s->size ? id + s->size : id, HEADER + 60, 1);
	}
	return 1;
}

/* An invalid write that the very next burst must detect. */
static void invalid_write(int r, struct input *i)
{
	drain();
	if (!rings[r].is_valid || session_is_broken() > 0 || !write_invalid(r, i))
		return;
	rings[r].is_valid = 0;
	invalid_writes++;
	if (r == RX)
		same(session_receive(32), 0);
	else
		same(vionet_tx_burst(session.port, 0, NULL, 0), 0);
	same(session_is_broken(), 1);
	struct vionet_stats stats = stats_of(session.port);
	same(r == RX ? stats.rx.broken : stats.tx.broken, 1);
}

/* Many changes of any bytes, each followed by bursts, while the device does its work as well as it can. */
static void storm(struct input *i)
{
	static const uint8_t header[HEADER] = {[10] = 1};
	struct chance c = {next_bytes(i, 4)};
	for (uint32_t rounds = 64 + next8(i); rounds > 0; rounds--) {
		struct device_ring *s = &rings[below(&c, 2)];
		uint32_t number = (uint32_t)chance_next(&c);
		rings[RX].is_valid = rings[TX].is_valid = 0;
		change_bytes(s, &c);
		for (int r = RX; r <= TX; r++)
			if (rings[r].waiting_count > 0 && number >> r & 1) {
				uint16_t place = rings[r].in_order ? 0 : (uint16_t)(number >> 8) % rings[r].waiting_count;
				uint64_t offset = rings[r].waiting[place].address - backend.peer.region[1].user;
				if (r == RX && offset <= backend.peer.region[1].length - HEADER) /* addresses are changed, too */
					memcpy(backend.peer.region[1].mapped + backend.peer.region[1].offset + offset, header, HEADER);
				device_give(&rings[r], place, HEADER + 60);
			}
		session_receive(1 + number % 32);
		session_send(1 + number % 4, (uint8_t)(number >> 16));
		if (number % 8 == 0)
			session_free(64);
		if (session_is_broken() > 0) {
			session_restart();
			restarted();
		}
		device_look(&rings[RX]); /* before what it should read is changed */
		device_look(&rings[TX]);
	}
}

/* Writes that the driver may notice or not. */
static void scribble(enum action action, struct input *i)
{
	uint8_t which = next8(i), more = next8(i);
	struct device_ring *s = &rings[which & 1];
	uint16_t at = more % s->size;
	uint64_t number = next_number(i);
	if (action == EVENTS) { /* the worst that follows is a notification too many or too few */
		s->device[s->packed ? more & 1 : 0] = (uint16_t)number;
		if (!s->packed)
			s->device[2 + 4 * s->size] = (uint16_t)next_number(i);
		return;
	}
	if (action == EVENTFD) {
		spoil_eventfd(which & 1, more);
		return;
	}
	s->is_valid = 0;
	mutations++;
	switch (action) {
	case RAW_BYTES: change_some_bytes(s, i); break;
	case PUNCH:
		rings[RX].is_valid = rings[TX].is_valid = 0;
		punch_rings();
		break;
	case USED_ENTRY:
		number = which & 2 ? number % s->size : number;
		if (s->packed)
			device_use(s, (uint32_t)number, (uint32_t)next_number(i), more % 4);
		else
			*device_entry(s, at) = (struct vring_used_elem){(uint32_t)number, (uint32_t)next_number(i)};
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
	int broken = session_is_broken();
	switch (action) {
	case TAKE: session_receive(1 + amount % 32); break;
	case SEND: session_send(1 + amount % 24, next8(i)); break;
	case DELIVER: deliver_frames(1 + amount % RING, i); break;
	case FINISH: finish_frames(1 + amount % RING, next8(i)); break;
	case FREE: session_free(1 + amount % 64); break;
	case SLEEP: (void)(amount & 1 ? vionet_tx_arm(session.port, 0) : vionet_rx_arm(session.port, 0)); break;
	case INVALID_WRITE: invalid_write(amount & 1, i); break;
	case RESTART: case STOP_START:
		if (broken > 0)
			session_restart();
		else if (action == STOP_START && amount % 4 == 0) {
			ok(vionet_stop(session.port));
			ok(vionet_start(session.port));
		} else
			break;
		restarted();
		break;
	case ASK: vionet_tx_done(session.port, 0); break;
	case STORM:
		if (broken == 0)
			storm(i);
		break;
	case RANDOM_HEADER:
		if (rings[RX].is_valid && rings[RX].waiting_count > 0)
			memset(peer_at(&backend.peer, rings[RX].waiting[0].address, HEADER, 1), amount, HEADER);
		break;
	default: scribble(action, i);
	}
	look();
	broken = session_is_broken();
	if (rings[RX].is_valid && rings[TX].is_valid)
		same(broken, 0);
}

static void run(struct input *i)
{
	/* The first byte chooses the kind of ring, EVENT_IDX, INDIRECT_DESC, GUEST_CSUM, GUEST_TSO4 and GUEST_TSO6. */
	static const uint8_t bits[] = {RING_PACKED, IN_ORDER, MERGED, 29, 28, 1, 7, 8};
	uint8_t kind = next8(i), size = next8(i);
	features = 0;
	for (unsigned int n = 0; n < sizeof(bits); n++)
		features |= kind >> n & 1 ? BIT(bits[n]) : 0;
	kinds[kind & 15]++;
	/* With 9000, INDIRECT_DESC and no merged buffers each entry of a receive ring is a table of five. */
	session.mtu = size & 64 ? 9000 : 1500;
	session_open(features, (uint16_t)(2 + size % (RING - 1)));
	scattered += strstr(info_of(session.port).rx_path, "scatter") != NULL;
	restarted();
	while (i->at < i->size)
		act(i);
	session.broken += (uint32_t)session.broken_events;
	session_close();
}

static void make(struct input *i, struct chance *c)
{
	/* There is more traffic than invalid writes, or every queue would break at once. */
	static const uint8_t usual[] = {TAKE, TAKE, SEND, DELIVER, DELIVER, FINISH, FREE, SLEEP, ASK};
	uint32_t steps = 4 + below(c, 60), invalid = below(c, 8);
	i->bytes[i->size++] = (uint8_t)chance_next(c);
	i->bytes[i->size++] = (uint8_t)chance_next(c);
	for (uint32_t n = 0; n < steps; n++) {
		uint8_t action = below(c, 8) < invalid ? (uint8_t)below(c, ACTIONS) : usual[below(c, sizeof(usual))];
		i->bytes[i->size++] = action;
		for (int more = action < FREE || action == SLEEP ? 2 : 6; more > 0; more--)
			i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 39) : chance_next(c));
	}
	if (below(c, 2) == 0) {
		i->bytes[i->size++] = STORM;
		for (int more = 0; more < 6; more++)
			i->bytes[i->size++] = (uint8_t)chance_next(c);
	}
}

static void end(void)
{
	printf("%u ports, %u with tables, %u starts, %u frames delivered, %u packets received, %u invalid writes, "
	       "%" PRIu64 " other mutations, %u queues broken\n",
	       session.opened, scattered, session.starts, delivered, session.received, invalid_writes, mutations, session.broken);
	yes(scattered > session.opened / 20);
	yes(session.received > session.opened && invalid_writes > session.opened / 10 && session.broken > invalid_writes);
	for (int kind = 0; kind < 16; kind++)
		yes(kinds[kind] > 0);
}

static const struct target target = {"device-rings", 4500, 487, session_begin, make, NULL, run, end};

/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Back-ends that cut one of their messages after any of its bytes, an answer or one on their own channel, with up to eight
 * files of twelve kinds. Then they leave, stay silent, or send the rest, with the files or without. Each combination has a
 * number, which an input is. A call takes what is whole and has no file that nobody asked for; otherwise it fails in time,
 * with a sentence, and the connection is closed. Afterwards the port can be started again, and nothing is left.
 */
#include "file-kinds.h"
#include "vhost-user-backend.h"

enum { PACKETS = 256, RING = 16, MOST_ANSWERS = 200, CALL_SECONDS = 5 };
enum { COMBINATIONS = 1 + MOST_FILES * FILE_KINDS }; /* files: none, or one to eight */
enum ending { LEAVES, IS_SILENT, SENDS_REST, SENDS_REST_WITH_FILES, ENDINGS };
enum { CONFIG_CHANGED = 2, GET_INFLIGHT_FD = 31, SET_CHANNEL = 21 };
static const int errors[] = {EPROTO, ECONNRESET, ETIMEDOUT, ENOTCONN, 0};

/* Back-ends: one that offers every message there is, and acknowledges; one with other rings that does neither. */
static const struct { uint64_t features, protocol; } kinds[] = {
	{BIT(F_VERSION_1) | BIT(F_PROTOCOL) | BIT(F_MAC) | BIT(F_STATUS) | BIT(F_MTU), 0x1b23d},
	{BIT(F_VERSION_1) | BIT(F_PROTOCOL) | BIT(F_MAC) | BIT(F_STATUS) | BIT(34), PROTOCOL_CONFIG | 1 << 5 | 1 << 12 | 1 << 13},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Messages on the channel: the one that is known, one that is not, and one that is too long. */
static const uint32_t on_channel[][3] = {{CONFIG_CHANGED, 9, 0}, {3, 9, 52}, {CONFIG_CHANGED, 1, 65}};
enum { ON_CHANNEL = sizeof(on_channel) / sizeof(on_channel[0]) };

static uint16_t pool;
static int maps, channel = -1;
static uint32_t lengths[KINDS][MOST_ANSWERS], answers[KINDS];
static uint32_t all = 1 << 20; /* combinations; begin() counts them */
static uint32_t sent, whole, refused, again;

/* The message that this input cuts, and how. */
static struct {
	uint32_t kind, which, length; /* bytes that are sent first */
	enum ending ending;
	int files[MOST_FILES], count;
	uint32_t seen;   /* answers so far */
	int is_sent, is_good, is_waited; /* it is sent; it is acceptable; the rest comes when the library waits */
	struct message message;
	size_t whole;
} cut;

/* ---- the back-end --------------------------------------------------------------------------------------------------- */

/* Sends the first part with its files. The rest is due later. */
static void send_cut(int socket, const void *bytes, size_t length, int takes_file)
{
	int files_first = cut.ending != SENDS_REST_WITH_FILES || cut.length == length;
	cut.is_sent = 1;
	cut.whole = length;
	cut.is_good = (cut.length == length || cut.ending >= SENDS_REST) &&
	              (cut.count == 0 || (cut.count == 1 && takes_file && files_first));
	cut.is_waited = cut.length < length && cut.ending >= SENDS_REST;
	send_files(socket, bytes, cut.length, cut.files, files_first ? cut.count : 0);
	sent++;
	whole += cut.length == length;
}

static void send_rest(int socket, const void *bytes)
{
	if (cut.is_waited)
		send_files(socket, (const uint8_t *)bytes + cut.length, cut.whole - cut.length, cut.files,
		           cut.ending == SENDS_REST_WITH_FILES ? cut.count : 0);
	cut.is_waited = 0;
}

static void answer(struct message *m, int length)
{
	uint32_t number = cut.seen++;
	if (length < 0) {
		cut.seen--;
		return;
	}
	m->flags = 5;
	m->size = (uint32_t)length;
	if (number != cut.which || cut.is_sent) {
		backend_send(m, 12 + (size_t)length, 0);
		if (cut.which == UINT32_MAX) { /* how long it is was not known */
			yes(number < MOST_ANSWERS);
			lengths[cut.kind][number] = 12 + (uint32_t)length;
			answers[cut.kind] = cut.seen;
		}
		return;
	}
	cut.message = *m;
	send_cut(backend.back, m, 12 + (size_t)length, m->request == GET_INFLIGHT_FD);
	if (cut.ending == LEAVES)
		backend_leave();
}

/* The library waits: that is when the rest comes. */
static int waits(struct pollfd *file, int milliseconds)
{
	if (file->fd != backend.front || !cut.is_waited)
		return backend_wait(file, milliseconds);
	send_rest(backend.back, &cut.message);
	return 1;
}

static int more(struct peer *p, struct message *m, const int *fds, int fd_count)
{
	if (m->request == SET_CHANNEL && fd_count == 1)
		peer_keep_fd(&channel, fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
	m->u.u64 = m->request == GET_INFLIGHT_FD ? 4096 : m->u.u64;
	return m->request == 20 || m->request == 19 ? -1 : backend_more(p, m, fds, fd_count);
}

static void reset(uint32_t kind, uint32_t which)
{
	backend_reset(NULL);
	peer_keep_fd(&channel, -1);
	backend.peer.more = more;
	backend.peer.features = kinds[kind].features;
	backend.peer.protocol = kinds[kind].protocol;
	backend.answers = answer;
	cut.kind = kind;
	cut.which = which;
	cut.seen = 0;
	cut.is_sent = cut.is_good = cut.is_waited = 0;
}

/* ---- the port ------------------------------------------------------------------------------------------------------- */

/* Requires what a call promises. `tells`: it fails if an answer is not acceptable; others go on without the back-end. */
static int ended(const char *call, int result, uint64_t began, int was_sent, int tells)
{
	uint64_t took = (kernel.now - began) / 1000000;
	if (took > CALL_SECONDS * 1100)
		FAILED("%s took %" PRIu64 " ms", call, took);
	right_failure(call, result > 0 ? 0 : result, errors);
	int may_fail = cut.is_sent && cut.which < answers[cut.kind] && (!cut.is_good || cut.ending == LEAVES);
	if (result < 0 && !may_fail)
		FAILED("%s failed (%d): %s", call, result, vionet_error());
	if (cut.is_sent && !was_sent && may_fail && !cut.is_good && tells) {
		if (result >= 0 || backend.front >= 0)
			FAILED("%s took a message of %zu bytes that was cut after %u, ending %d, with %d files", call, cut.whole,
			       cut.length, (int)cut.ending, cut.count);
		refused++;
	}
	return result;
}
#define CALL_AS(call, tells) ({ uint64_t began_ = kernel.now; int sent_ = cut.is_sent; ended(#call, (call), began_, sent_, tells); })
#define CALL(call) CALL_AS(call, 1)

/* Whether the library has ended the channel; what it answered on it is read. */
static int channel_ended(uint32_t *answer, size_t room)
{
	ssize_t got = recv(channel, answer, room, MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN);
}

/* A message on the channel changes nothing for the port, whatever it is. */
static void use_channel(uint16_t port, const uint32_t *head)
{
	uint8_t bytes[12 + 65] = {0};
	uint32_t verdict[5] = {0};
	size_t length = 12 + head[2];
	memcpy(bytes, head, 12);
	send_cut(channel, bytes, length, 0);
	CALL_AS(vionet_event_handle(port), 0);
	send_rest(channel, bytes);
	if (cut.ending == LEAVES)
		return peer_keep_fd(&channel, -1);
	CALL_AS(vionet_event_handle(port), 0);
	int is_long = head[2] > 64 && (cut.is_good || cut.length >= 12);
	same(channel_ended(verdict, sizeof(verdict)), cut.count > 0 || is_long);
	if (!is_long && cut.is_good) { /* answered */
		same(verdict[0], head[0]);
		same(verdict[1], 5);
		same(verdict[3], head[2] != 0);
	}
	refused += cut.count > 0;
}

/* A port's life until a call fails. */
static void live(const uint32_t *on_its_channel)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port = VIONET_PORT_NONE;
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = RING;
	if (CALL(vionet_probe(BACKEND, &port)) < 0) {
		same(port, VIONET_PORT_NONE);
		return;
	}
	if (CALL(vionet_init(port, &config)) == 0 && CALL(vionet_start(port)) == 0) {
		if (on_its_channel != NULL)
			use_channel(port, on_its_channel);
		else /* the library asks what has changed */
			same(write(channel, on_channel[0], 12), 12);
		CALL_AS(vionet_event_handle(port), 0);
		CALL_AS(vionet_stop(port), 0);
	}
	if (cut.is_sent && !cut.is_good && cut.which < answers[cut.kind] && sent % 8 == 0) {
		reset(cut.kind, UINT32_MAX - 1); /* the next back-end */
		same(vionet_init(port, &config), 0);
		same(vionet_start(port), 0);
		again++;
	}
	vionet_close(port);
	yes(backend.front < 0);
}

/* Bytes of a message: of an answer, or else of one on the channel. */
static uint32_t length_of(uint32_t kind, uint32_t which)
{
	return which < answers[kind] ? lengths[kind][which] : 12 + on_channel[which - answers[kind]][2];
}

static void run(struct input *i)
{
	uint32_t number = (uint32_t)next_bytes(i, 4), step = next8(i), kind = 0, which = 0, files = number % COMBINATIONS;
	number = number / COMBINATIONS % (all / COMBINATIONS);
	cut.ending = (enum ending)(number % ENDINGS);
	number /= ENDINGS;
	/* The byte that number `number` is, of which message. */
	for (; number >= length_of(kind, which); which++) {
		number -= length_of(kind, which);
		if (which + 1 == answers[kind] + ON_CHANNEL) {
			kind++;
			which = UINT32_MAX;
		}
	}
	reset(kind, which);
	cut.length = number + 1;
	cut.count = files == 0 ? 0 : 1 + (int)(files - 1) / FILE_KINDS;
	for (int n = 0; n < cut.count; n++)
		cut.files[n] = file_kinds[((files - 1) + (uint32_t)n * step) % FILE_KINDS];
	live(which < answers[kind] ? NULL : on_channel[which - answers[kind]]);
	yes(cut.is_sent || cut.which == UINT32_MAX - 1);
	reset(kind, UINT32_MAX - 1);
	all_is_back(pool, PACKETS);
	if (sent == 1000)
		maps = count_maps();
}

/* Steps by a prime, so that few inputs are of all kinds, and many are all there are; from then on with mixed files. */
static void make(struct input *i, struct chance *c)
{
	uint64_t place = (uint64_t)now_running.number * 1000003 + (uint32_t)now_running.seed % 9973;
	uint32_t number = (uint32_t)(place % all);
	uint64_t step = now_running.number / all + now_running.seed % 13;
	(void)c;
	if (now_running.number < 10000 && now_running.number % 8 == 0)
		number -= number % COMBINATIONS; /* a short run has some without files, too */
	memcpy(i->bytes, &number, 4);
	i->bytes[4] = (uint8_t)(step % FILE_KINDS);
	i->size = 5;
}

static void begin(void)
{
	backend_begin();
	kernel.wait = waits;
	file_kinds_begin();
	pool = pool_made(PACKETS);
	all = 0;
	for (uint32_t kind = 0; kind < KINDS; kind++) {
		reset(kind, UINT32_MAX);
		live(NULL);
		yes(answers[kind] > 5);
		for (uint32_t n = 0; n < answers[kind] + ON_CHANNEL; n++)
			all += length_of(kind, n) * ENDINGS * COMBINATIONS;
	}
	reset(0, UINT32_MAX - 1);
}

static void end(void)
{
	printf("%u cut messages of back-ends with files, of %u that there are; %u were whole, %u refused, and %u ports were started again\n",
	       sent, all, whole, refused, again);
	yes(refused > sent / 4 && again > sent / 20 && whole > 0);
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings; after 1000 messages there were %d", count_maps(), maps);
}

static const struct target target = {"cut-replies", 6000, 5, begin, make, NULL, run, end};

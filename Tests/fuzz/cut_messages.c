/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Front-ends that bring a served device up to some message, send that one cut after any of its bytes, with up to eight more
 * files of twelve kinds before or behind its own, and leave. Each combination has a number, which an input is. The device
 * keeps no file, and answers the next front-end. Where the message is whole, it answers or ends the connection.
 */
#include "front-end.h"

enum { COMBINATIONS = 1 + MOST_FILES * FILE_KINDS }; /* of more files: none, or one to eight of a kind */
static const struct { uint32_t request, size; int files; } others[] = {
	{SET_VRING_ERR, 8, 1}, {GET_VRING_BASE, 8, 0}, {SET_BACKEND_REQ, 0, 1}, {ADD_REGION, 40, 1}, {REMOVE_REGION, 40, 0},
	{GET_INFLIGHT, 20, 0}, {SET_INFLIGHT, 20, 1}, {RESET_DEVICE, 0, 0}, {MAX_SLOTS, 0, 0}, {25, 24, 0}, {20, 8, 0}, {40, 0, 0},
};
enum { OTHERS = sizeof(others) / sizeof(others[0]) };

static struct front front;
static char folder[] = "/tmp/vionet-fuzz-XXXXXX", path[60];
static uint16_t device;
static int maps;
static uint32_t all = 1 << 20; /* combinations; begin() counts them */
static uint32_t sent, whole, ended;

/* Message `number`: those that bring a device up, then the others, which come when it is up. */
static int message_number(struct message *m, int *files, unsigned int number)
{
	if (number <= front_steps(&front))
		return front_message(&front, m, files, number);
	number -= front_steps(&front) + 1;
	memset(m, 0, sizeof(*m));
	m->request = others[number].request;
	m->flags = 1;
	m->size = others[number].size;
	files[0] = front.memory;
	return others[number].files;
}

static unsigned int message_count(void) { return front_steps(&front) + 1 + OTHERS; }

static void run(struct input *i)
{
	uint32_t number = (uint32_t)next_bytes(i, 4) % all, more = number % COMBINATIONS, which = 0, form = next8(i);
	struct message m;
	int files[2 + MOST_FILES], count;
	for (number /= COMBINATIONS;; which++) {
		count = message_number(&m, files, which);
		if (number < 12 + m.size)
			break;
		number -= 12 + m.size;
	}
	front.features = form & 2 ? front.features | BIT(34) : front.features & ~BIT(34); /* packed */
	front_connect(&front, path);
	for (unsigned int step = 0; step < which && step < front_steps(&front); step++) {
		struct message earlier;
		int its[2], its_count = front_message(&front, &earlier, its, step);
		yes(front_send(&front, &earlier, 12 + earlier.size, its, its_count));
	}
	size_t length = number + 1;
	uint32_t extra = more == 0 ? 0 : 1 + (more - 1) / FILE_KINDS;
	if (form & 1)
		memmove(files + extra, files, (size_t)count * sizeof(int));
	for (uint32_t n = 0; n < extra; n++)
		files[form & 1 ? n : (uint32_t)count + n] = file_kinds[(more - 1 + n * (form >> 2)) % FILE_KINDS];
	front_send(&front, &m, length, files, count + (int)extra);
	sent++;
	if (length == 12 + m.size) {
		whole++;
		ended += !front_is_answered(&front);
	}
	front_connect(&front, path);
	yes(front_is_answered(&front));
	if (sent == 1000)
		maps = count_maps();
}

/*
 * Steps by a prime, so that few inputs are of all kinds, and many are all there are. Then they come in the next form: other
 * places of the files, the other kind of ring, other mixtures of files.
 */
static void make(struct input *i, struct chance *c)
{
	uint32_t number = (uint32_t)(((uint64_t)now_running.number * 1000003 + (uint32_t)now_running.seed % 9973) % all);
	uint64_t form = now_running.number / all + now_running.seed % 13 * FILE_KINDS;
	(void)c;
	if (now_running.number < 10000 && now_running.number % 8 == 0)
		number -= number % COMBINATIONS; /* a short run has some without files, too */
	memcpy(i->bytes, &number, 4);
	i->bytes[4] = (uint8_t)(form % (4 * FILE_KINDS));
	i->size = 5;
}

static void begin(void)
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	file_kinds_begin();
	ok(vionet_soft_serve(path, "sink", &device));
	front_make(&front);
	front_connect(&front, path);
	front.features = front_number(&front, GET_FEATURES) & (BIT(F_VERSION_1) | BIT(F_PROTOCOL));
	front.protocol = front_number(&front, GET_PROTOCOL_FEATURES);
	front.pairs = 1;
	front.size = 64;
	all = 0;
	for (unsigned int n = 0; n < message_count(); n++) {
		struct message m;
		int files[2];
		message_number(&m, files, n);
		all += (12 + m.size) * COMBINATIONS;
	}
}

static void end(void)
{
	front_end(&front);
	vionet_soft_stop(device);
	same(rmdir(folder), 0);
	printf("%u cut messages of front-ends with more files, of %u that there are; %u were whole, after which %u connections were ended\n",
	       sent, all, whole, ended);
	yes(ended > whole / 2);
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings; after 1000 messages there were %d", count_maps(), maps);
}

static const struct target target = {"cut-messages", 6000, 5, begin, make, NULL, run, end};

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program of Tests/abi/memory_pressure.sh: under a limit it opens a port, writes every packet of its pool and sends frames
 * round, or says which call failed and with which sentence.
 */
#include "frame.h"

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>

/* Writes every packet there is, and sends frames round. */
static void use(uint16_t port)
{
	static struct vionet_packet *all[1 << 16];
	struct vionet_packet *some[32];
	uint32_t count = 0;
	while ((all[count] = vionet_packet_alloc(0)) != NULL) {
		unsigned char *data = (unsigned char *)vionet_packet_append(all[count++], 1500);
		memset(data, 0x55, 1500);
	}
	yes(count > 16);
	while (count > 0)
		vionet_packet_free(all[--count]);
	for (uint32_t i = 0; i < 32; i++)
		some[i] = frame_packet(0, 200, i);
	send_all(port, some, 32);
	receive_all(port, some, 32);
	for (uint32_t i = 0; i < 32; i++)
		yes(frame_right(some[i]->data, 200, i));
	vionet_packet_free_bulk(some, 32);
}

static int limit_of(const char *name)
{
	return name[0] == 'n'   ? RLIMIT_NOFILE
	       : name[0] == 'f' ? RLIMIT_FSIZE
	       : name[0] == 'v' ? RLIMIT_AS
	       : name[0] == 'd' ? RLIMIT_DATA
	       : name[0] == 'l' ? RLIMIT_MEMLOCK
	       : name[0] == 'u' ? RLIMIT_NPROC
	                        : -1;
}

static int told(const char *what, int result, const char *word)
{
	char line[600];
	const char *sentence = vionet_error();
	int length = snprintf(line, sizeof(line), "%s: %d %s\n", what, result, sentence);
	(void)!write(1, line, (size_t)length);
	return sentence[0] == 0 || (strstr(sentence, word) == NULL && strstr(sentence, "no memory is left") == NULL);
}

/*
 * worker LIMIT VALUE WORD FOLDER ADDRESS: WORD stands in the sentence of an error, but of a driver whose device is another
 * program's for all it knows.
 */
int main(int argc, char **argv)
{
	uint16_t port, device = 0;
	char path[200], address[300];
	int which = limit_of(argv[1]), is_served = strcmp(argv[5], "served") == 0, result;
	struct rlimit most = {(rlim_t)strtoull(argv[2], NULL, 0), (rlim_t)strtoull(argv[2], NULL, 0)};
	(void)argc;
	alarm(100);
	if (argv[1][0] == 'u' && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
		return 2;
	if (which >= 0 && setrlimit((__rlimit_resource_t)which, &most) != 0)
		return 2;
	snprintf(path, sizeof(path), "%s/s", argv[4]);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	if (is_served && (result = vionet_soft_serve(path, "loopback", &device)) < 0)
		return told("served", result, argv[3]);
	result = vionet_open(is_served ? address : argv[5], &port);
	if (result < 0)
		return told("open", result, is_served ? "" : argv[3]);
	use(port);
	vionet_close(port);
	if (is_served)
		vionet_soft_stop(device);
	(void)!write(1, "works\n", 6);
	return 0;
}

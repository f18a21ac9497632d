/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-httpd - a web server on a virtio-net device, with lwIP and its HTTP server, which copies no file that it sends
 *
 * The files of one directory are read once, into memory that the device reads packets from. Pieces of it are sent by
 * reference, by lwIP as by the port: only headers are copied.
 *
 *     vionet-httpd soft:tap=tap0 192.0.2.2/24 /usr/share/doc &
 *     ip address add 192.0.2.1/24 dev tap0 && ip link set tap0 up && curl http://192.0.2.2/README
 *
 * With HTTPD_CONTROL=SOCKET in its environment, vionetctl looks at the port and captures it. With HTTPD_COPIES=1 the server
 * copies what it sends, to compare.
 */
#include "lwip-vionet.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lwip/apps/fs.h>
#include <lwip/apps/httpd.h>
#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vionet-control.h>

static const char usage[] =
	"usage: vionet-httpd DEVICE ADDRESS/BITS DIRECTORY\n"
	"  HTTPD_CONTROL=SOCKET in its environment lets vionetctl look, HTTPD_COPIES=1 makes it copy what it sends\n";

enum { MOST_FILES = 256, HEADER = 512, IDLE_TURNS = 64 };

/* An answer is the header and the file, one behind the other. */
static struct answer {
	char name[256]; /* as in the request, "/README" */
	char *data;
	int length;
} answers[MOST_FILES];
static unsigned count;

static const char missing[] = "HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nthere is no such file\n";

static volatile sig_atomic_t stopped;
static struct vionet_control *control; /* NULL without HTTPD_CONTROL */

static void stop(int signal)
{
	stopped = signal;
}

uint32_t sys_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void add(char *to, const char *name, const void *header, size_t header_length, int fd, size_t length)
{
	struct answer *a = &answers[count++];
	snprintf(a->name, sizeof(a->name), "/%.254s", name);
	a->data = to;
	memcpy(to, header, header_length);
	for (size_t done = 0; done < length;) {
		ssize_t got = read(fd, to + header_length + done, length - done);
		if (got <= 0)
			err(1, "reading %s", name);
		done += (size_t)got;
	}
	a->length = (int)(header_length + length);
}

/* Reads each plain file of the directory into memory of a file that other processes may share, and sets *fd and *length. */
static char *load(const char *directory, int *fd, size_t *length)
{
	struct {
		int fd;
		size_t length;
		char name[256];
	} files[MOST_FILES];
	size_t found = 0, needed = HEADER, page = (size_t)sysconf(_SC_PAGESIZE), at = 0;
	DIR *listing = opendir(directory);
	if (listing == NULL)
		err(1, "%s", directory);
	for (struct dirent *e; found < MOST_FILES - 1 && (e = readdir(listing)) != NULL;) {
		struct stat about;
		int file = openat(dirfd(listing), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (file < 0 || fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > 1 << 30) {
			close(file);
			continue;
		}
		files[found].fd = file;
		files[found].length = (size_t)about.st_size;
		snprintf(files[found++].name, sizeof(files[0].name), "%.255s", e->d_name);
		needed += (size_t)about.st_size + HEADER;
	}
	closedir(listing);
	*length = (needed + page - 1) / page * page;
	*fd = memfd_create("files to be sent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, (off_t)*length) != 0 || fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
		err(1, "memory for %zu bytes", *length);
	char *memory = mmap(NULL, *length, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory == MAP_FAILED)
		err(1, "memory for %zu bytes", *length);
	add(memory, "404.html", missing, strlen(missing), -1, 0);
	at = HEADER;
	for (size_t i = 0; i < found; i++) {
		char header[HEADER];
		int used = snprintf(header, sizeof(header), "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n"
		                    "Content-Type: application/octet-stream\r\n\r\n", files[i].length);
		add(memory + at, files[i].name, header, (size_t)used, files[i].fd, files[i].length);
		close(files[i].fd);
		at += (size_t)used + files[i].length;
	}
	return memory;
}

int fs_open_custom(struct fs_file *file, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(answers[i].name, name) == 0) {
			*file = (struct fs_file){.data = answers[i].data, .len = answers[i].length, .index = answers[i].length,
			                         .flags = FS_FILE_FLAGS_HEADER_INCLUDED};
			return 1;
		}
	}
	return 0;
}

void fs_close_custom(struct fs_file *file)
{
	(void)file;
}

/* ---- serving ------------------------------------------------------------------------------------------------------ */

static void serve(struct link *link)
{
	struct vionet_wait_queue list[] = {{.port = link->port, .direction = VIONET_WAIT_RX},
	                                   {.port = link->port, .direction = VIONET_WAIT_EVENT},
	                                   {.port = VIONET_PORT_NONE, .direction = VIONET_WAIT_TX}};
	for (unsigned idle = 0; !stopped; idle++) {
		if (link_receive(link) > 0)
			idle = 0;
		sys_check_timeouts();
		link_send(link);
		if (control != NULL)
			vionet_control_process(control);
		if (idle < IDLE_TURNS)
			continue;
		list[2].port = link->waiting > 0 ? link->port : VIONET_PORT_NONE;
		int ready = vionet_wait(list, 3, (int)sys_timeouts_sleeptime());
		if (ready < 0)
			errx(1, "%s", vionet_error());
		if (list[1].ready == 1)
			vionet_event_handle(link->port);
		for (int i = 0; ready > 0 && i < 3; i++)
			if (list[i].ready < 0)
				errx(1, "the device is gone, or was broken");
	}
}

int main(int argc, char **argv)
{
	static struct link link;
	struct sigaction action = {.sa_handler = stop};
	unsigned prefix;
	char *slash, *memory;
	size_t length;
	int fd;
	if (argc != 4 || (slash = strchr(argv[2], '/')) == NULL || sscanf(slash, "/%u", &prefix) != 1 || prefix > 32) {
		fputs(usage, stderr);
		return 2;
	}
	*slash = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	memory = load(argv[3], &fd, &length);
	link.copies = getenv("HTTPD_COPIES") != NULL;
	lwip_init();
	link_open(&link, argv[1], argv[2], prefix, memory, length, fd);
	httpd_init();
	if (getenv("HTTPD_CONTROL") != NULL && vionet_control_open(getenv("HTTPD_CONTROL"), &control) != 0)
		errx(1, "%s", vionet_error());
	printf("%u files, http://%s/\n", count - 1, argv[2]);
	fflush(stdout);
	serve(&link);
	while (tcp_active_pcbs != NULL)
		tcp_abort(tcp_active_pcbs);
	vionet_control_close(control);
	link_close(&link);
	munmap(memory, length);
	printf("%" PRIu64 " frames of %" PRIu64 " bytes sent, copied: %" PRIu64 " bytes of headers, %" PRIu64 " of data (%.1f %%); "
	       "refused %" PRIu64 "\n", link.frames, link.bytes, link.headers, link.copied,
	       link.bytes == 0 ? 0 : 100.0 * (double)link.copied / (double)link.bytes, link.refused);
	printf("received frames dropped for their checksums: %" PRIu32 "\n", lwip_stats.tcp.chkerr);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool in the caller's own memory: wrong memory is named, and packets of it cross a device. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sys/mman.h>

enum { LENGTH = 4 << 20, OFFSET = 8192 };

static struct vionet_pool_config config;
static uint16_t pool;

static void wrong(const char *name)
{
	err(vionet_pool_create(&config, &pool), -EINVAL);
	says(name);
}

static void wrongs(int fd, unsigned char *memory)
{
	config.memory = memory + 1;
	config.memory_length = LENGTH - 4096;
	config.memory_offset = OFFSET;
	config.memory_fd = fd;
	config.packets = 512;
	wrong("memory");
	config.memory = memory;
	config.memory_length = 4096;
	wrong("memory");
	config.memory_length = LENGTH;
	config.memory_offset = 1;
	wrong("memory");
	config.memory_offset = OFFSET;
	config.memory_fd = 12345;
	err(vionet_pool_create(&config, &pool), -EBADF);
	says("memory_fd");
	config.memory_fd = fd;
	config.data_size = 65536; /* 512 of them are more than the memory */
	wrong("memory");
	config.data_size = 0;
}

static void across(unsigned char *memory)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[64];
	uint16_t port;

	ok(vionet_probe("soft:loopback", &port));
	with.pool = pool;
	with.rx_descriptors = 128;
	ok(vionet_init(port, &with));
	ok(vionet_start(port));
	for (uint32_t i = 0; i < 64; i++) {
		packets[i] = frame_packet(pool, 60 + i * 20, i);
		yes(packets[i] != NULL);
		yes((unsigned char *)packets[i]->data >= memory);
		yes((unsigned char *)packets[i]->data + 1984 <= memory + LENGTH);
	}
	send_all(port, packets, 64);
	receive_all(port, packets, 64);
	for (uint32_t i = 0; i < 64; i++) {
		yes((unsigned char *)packets[i]->data >= memory && (unsigned char *)packets[i]->data < memory + LENGTH);
		same(packets[i]->length, 60 + i * 20);
		yes(frame_right(packets[i]->data, packets[i]->length, i));
	}
	vionet_packet_free_bulk(packets, 64);
	vionet_close(port);
}

/* Memory without a file cannot be shared with a device. */
static void unseen(void)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	uint16_t port;

	config.memory_fd = -1;
	config.memory_offset = 0;
	ok(vionet_pool_create(&config, &pool));
	struct vionet_packet *p = frame_packet(pool, 100, 1);
	yes(p != NULL);
	vionet_packet_free(p);
	ok(vionet_probe("soft:loopback", &port));
	with.pool = pool;
	err(vionet_init(port, &with), -EINVAL);
	says("pool");
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

static unsigned char *memory;
static int fd;

static void memory_made(void)
{
	fd = memfd_create("caller", MFD_CLOEXEC);
	same(ftruncate(fd, OFFSET + LENGTH), 0);
	memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, OFFSET);
	yes(memory != MAP_FAILED);
	vionet_pool_destroy(pool_made(16));
	config = VIONET_SIZED(struct vionet_pool_config);
}

BEFORE_EACH { memory_made(); }

CASE("wrong memory is named, right memory is used, and stays the caller's")
{
	struct holdings before = holdings();
	wrongs(fd, memory);
	same(holdings().fds, before.fds);
	ok(vionet_pool_create(&config, &pool));
	close(fd); /* the library has its own */
	same(pool_of(pool).packets, 512);
	yes(pool_of(pool).data_size >= 1984);
	across(memory);
	same(pool_of(pool).available, 512);
	ok(vionet_pool_destroy(pool));
	memset(memory, 0, LENGTH); /* still the caller's */
	before.fds--; /* ours, closed above */
	soon(holdings().threads <= before.threads);
	same(holdings().fds, before.fds);
}

CASE("memory that cannot be shared serves for packets, not for ports")
{
	struct holdings before = holdings();
	config.memory = memory;
	config.memory_length = LENGTH;
	config.packets = 512;
	unseen();
	soon(holdings().threads <= before.threads);
	same(holdings().fds, before.fds);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* From vionet_probe to a started port in less than 10 ms, the median of a hundred; and what vionet_info says of it. */
#include "../support/ok.h"

enum { RUNS = 101 };

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

int main(void)
{
	uint64_t took[RUNS];
	for (int i = 0; i < RUNS; i++) {
		uint16_t port;
		uint64_t began = microseconds();
		ok(vionet_probe("soft:sink", &port));
		ok(vionet_init(port, NULL));
		ok(vionet_start(port));
		took[i] = microseconds() - began;
		uint32_t said = info_of(port).start_microseconds;
		yes(said > 0 && said <= took[i] + 1000);
		vionet_close(port);
	}
	uint64_t first = took[0];
	qsort(took, RUNS, sizeof(took[0]), by_size);
	printf("probe to start: first %" PRIu64 " us, median %" PRIu64 " us, longest %" PRIu64 " us\n", first,
	       took[RUNS / 2], took[RUNS - 1]);
	yes(took[RUNS / 2] < 10000);
	return 0;
}

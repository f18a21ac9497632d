/* SPDX-License-Identifier: BSD-2-Clause */
/* A port's extended statistics by their names. */
#ifndef XSTATS_H
#define XSTATS_H

#include "ok.h"

OK_UNUSED static uint64_t xstat(uint16_t port, const char *name)
{
	static uint64_t values[8192];
	int id = vionet_xstat_id(port, name);
	if (id < 0)
		FAILED("port %u has no counter %s", port, name);
	yes(id < (int)(sizeof(values) / sizeof(values[0])));
	yes(vionet_xstats(port, values, (uint32_t)id + 1) > id);
	return values[id];
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of a process's limits share: a folder of each case's own, and limits. */
#ifndef LIMITS_H
#define LIMITS_H

#include "cases.h"

#include <sys/resource.h>

static char folder[] = "/tmp/vionet-test-XXXXXX", path[80], address[128];

BEFORE_EACH
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
}

AFTER_EACH { same(rmdir(folder), 0); }

static void limit(int which, rlim_t most)
{
	struct rlimit now;
	same(getrlimit(which, &now), 0);
	now.rlim_cur = most;
	same(setrlimit(which, &now), 0);
}

#endif

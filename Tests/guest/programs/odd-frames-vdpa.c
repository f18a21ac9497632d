/* SPDX-License-Identifier: BSD-2-Clause */
/* Odd frames between vhost-vdpa: ports and those of all other buses, both ways: far_pair.h, far_ends.h. */
#include "../../support/cases.h"
#include "../../support/far_pair.h"

enum { HERE = VDPA + 1, ROWS = 2 * HERE - 1 };

static enum kind kind_of(unsigned int row, int from) { return (row < HERE) == from ? VDPA : row % HERE; }

static const char *title(unsigned int row)
{
	static char text[200];
	snprintf(text, sizeof(text), "%s to %s", kind_names[kind_of(row, 1)], kind_names[kind_of(row, 0)]);
	return text;
}

CASES(ROWS, title)
{
	same(unshare(CLONE_NEWNET), 0);
	far_pair(kind_of(row, 1), kind_of(row, 0), (enum mode)case_argument(0, PLAIN), 1);
}

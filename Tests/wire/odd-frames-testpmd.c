/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Odd frames between ports whose back-end is testpmd and those of all other buses, both ways: far_pair.h. testpmd is at
 * the sockets that begin as VIONET_FAR_TESTPMD says.
 */
#include "../support/cases.h"
#include "../support/far_pair.h"

enum { ROWS = 2 * KINDS + 1 };

static int calls(void) { return getenv("VIONET_FAR_CALLS") != NULL; }

static enum kind kind_of(unsigned int row, int from)
{
	enum kind fixed = calls() ? TESTPMD_CALLS : TESTPMD;
	return row == 2 * KINDS || (row / KINDS == 0) == from ? fixed : row % KINDS;
}

static const char *title(unsigned int row)
{
	static char text[200];
	snprintf(text, sizeof(text), "%s to %s", kind_names[kind_of(row, 1)], kind_names[kind_of(row, 0)]);
	return text;
}

CASES(ROWS, title)
{
	if ((kind_of(row, 0) == TAP || kind_of(row, 1) == TAP) && unshare(CLONE_NEWNET) != 0)
		skip("an interface wants root and /dev/net/tun");
	far_pair(kind_of(row, 1), kind_of(row, 0), (enum mode)case_argument(0, PLAIN), 1);
}

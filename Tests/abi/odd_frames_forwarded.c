/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Odd frames are forwarded between every two buses that need no guest, in three ways to agree on headers and rings, and
 * every frame is in one count: far_pair.h. A number on the command line makes other lengths.
 */
#include "../support/cases.h"
#include "../support/far_pair.h"

enum { PAIRS = KINDS * KINDS };

static const char *title(unsigned int row)
{
	static char text[200];
	snprintf(text, sizeof(text), "%s to %s%s", kind_names[row % PAIRS / KINDS], kind_names[row % KINDS], mode_names[row / PAIRS]);
	return text;
}

CASES(PAIRS * MODES, title)
{
	enum kind from = row % PAIRS / KINDS, to = row % KINDS;
	if (from == TAP || to == TAP)
		if (unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
			skip("an interface wants root and /dev/net/tun");
	far_pair(from, to, row / PAIRS, (uint32_t)case_argument(0, 1));
}

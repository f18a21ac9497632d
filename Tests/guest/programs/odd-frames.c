/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Odd frames between vhost-net: and pci: ports and those of all other buses, both ways: far_pair.h. The PCI functions are
 * those of far_ends.h.
 */
#include "../../support/cases.h"
#include "../../support/far_pair.h"

/* vhost-net: to all, all to vhost-net:, and the same for pci:. */
enum { HERE = PCI + 1, ROWS = 4 * HERE };

static enum kind kind_of(unsigned int row, int from)
{
	enum kind fixed = row < 2 * HERE ? VHOST_NET : PCI;
	return (row / HERE % 2 == 0) == from ? fixed : row % HERE;
}

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

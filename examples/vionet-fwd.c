/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd - carry packets between two devices, or back to where they came from
 *
 * The everyday way to use the library: include its header, link with what pkg-config says, call it.
 * The forwarder itself is in fwd.h, which vionet-fwd-dlopen.c shares.
 *
 *     cc vionet-fwd.c $(pkg-config --cflags --libs vionet-control) -lbsd
 *     vionet-fwd soft:generate soft:sink
 *     vionet-fwd -w -m macswap vhost-user:/run/a.sock soft:tap=tap0
 */
#define _GNU_SOURCE
#include "fwd.h"

int main(int argc, char **argv)
{
#define LINKED(name) .name = vionet_##name,
	static const struct vionet_calls calls = {VIONET_CALLS(LINKED)};
	static const struct control_calls control = {CONTROL_CALLS(LINKED)};

	return forwarder_main(argc, argv, &calls, &control);
}

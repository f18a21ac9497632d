/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port with a control socket, on a device that has every setting and keeps the commands of its control queue. At SIGTERM
 * the program prints them, a line of hexadecimal digits for each.
 *
 *     control-commands SOCKET
 */
#include "../support/control_queue.h"

#include "../support/control_client.h"

#include <signal.h>

static volatile sig_atomic_t stop_asked;
static void ask_stop(int number) { stop_asked = number; }

int main(int argc, char **argv)
{
	struct control c;
	struct sigaction action = {.sa_handler = ask_stop};
	yes(argc == 2);
	sigaction(SIGTERM, &action, NULL);
	control_start(&c, BIT(F_CTRL_RX) | BIT(F_CTRL_VLAN) | BIT(F_CTRL_MAC_ADDR) | BIT(F_MQ) | BIT(F_RSS) |
	              BIT(F_NOTF_COAL) | BIT(F_VQ_NOTF_COAL), 2);
	memcpy(c.peer.config + 17, "\x28\x80\x00\x3f\x00\x00\x00", 7); /* of the hash: key, table, types */
	uint16_t port = control_port(&c, ",cq=1,queues=2,vlan_filter=1,rss=1");
	ok(vionet_start(port));
	control_forget(&c);
	if (vionet_control_open(argv[1], &control) != 0)
		FAILED("%s", vionet_control_error());
	printf("ready\n");
	fflush(stdout);
	while (!stop_asked)
		if (control_wants(20) > 0)
			vionet_control_process(control);
	for (int i = 0; i < c.count; i++) {
		for (uint32_t k = 0; k < c.seen[i].length; k++)
			printf("%02x", c.seen[i].bytes[k]);
		printf("\n");
	}
	printf("MTU %u\n", info_of(port).mtu);
	vionet_control_close(control);
	vionet_close(port);
	control_end(&c);
	return 0;
}

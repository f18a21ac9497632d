/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers of queues that a back-end tells twice or once: by GET_QUEUE_NUM, and in the configuration. And what a device of
 * ours offers before and after it has an owner.
 */
#include "../support/cases.h"
#include "../support/control_queue.h"

CASE("the control queue lies behind the pairs of the configuration, whatever GET_QUEUE_NUM says")
{
	static struct control c;
	char address[160];
	for (uint32_t told = 2; told <= 6; told += 2) {
		uint16_t port;
		control_start(&c, BIT(F_MQ) | BIT(F_CTRL_RX), 2);
		c.peer.pairs = told;
		snprintf(address, sizeof(address), "vhost-user:%s,queues=2,cq=1", c.peer.path);
		port = opened(address);
		for (int ring = 0; ring < PEER_RINGS; ring++)
			same(c.peer.ring[ring].size != 0, ring <= 4);
		vionet_close(port);
		control_end(&c);
	}
}

CASE("a control queue that no message can name is refused")
{
	static struct control c;
	char address[160];
	uint16_t port;
	control_start(&c, BIT(F_MQ) | BIT(F_CTRL_RX), 2);
	c.peer.config[9] = 1; /* 258 pairs */
	snprintf(address, sizeof(address), "vhost-user:%s,queues=2,cq=1", c.peer.path);
	err(vionet_open(address, &port), -EINVAL);
	says("number 516");
	control_end(&c);
}

/*
 * Neither none nor more than 0x8000 pairs can be: the device counts as one of one pair (virtio 1.4, 5.1.4.1). Its control
 * queue would lie where the second pair is that it says it has otherwise.
 */
CASE("a control queue in the place of a data queue is refused, whether the configuration is wrong or invalid")
{
	static struct control c;
	static const uint16_t counts[] = {1, 0, 0x8001, 0x8002, 0xffff};
	char address[160];
	for (unsigned int n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		uint16_t port;
		control_start(&c, BIT(F_MQ) | BIT(F_CTRL_RX), 2);
		c.peer.config[8] = (uint8_t)counts[n];
		c.peer.config[9] = (uint8_t)(counts[n] >> 8);
		snprintf(address, sizeof(address), "vhost-user:%s,queues=2,cq=1", c.peer.path);
		err(vionet_open(address, &port), -EINVAL);
		says("the control queue would be number 2, which is one of the port's 4 data queues");
		snprintf(address, sizeof(address), "vhost-user:%s,queues=2,cq=0", c.peer.path);
		port = opened(address);
		same(info_of(port).queue_pairs, 2);
		vionet_close(port);
		control_end(&c);
	}
}

CASE("several pairs are agreed on with a back-end that has no configuration")
{
	struct peer p;
	char address[160];
	peer_start(&p);
	p.features |= BIT(F_MQ);
	p.protocol &= ~(uint64_t)PROTOCOL_CONFIG;
	p.pairs = 2;
	snprintf(address, sizeof(address), "vhost-user:%s,queues=2", p.path);
	uint16_t port = opened(address);
	yes(p.negotiated & BIT(F_MQ));
	same(info_of(port).queue_pairs, 2);
	vionet_close(port);
	peer_end(&p);
}

/* Rings beyond the first pair are only set up with MQ acknowledged, however many queues a back-end says that it has. */
CASE("several pairs are refused without MQ, with what is offered")
{
	enum { NOT_OFFERED, OFF, OFFERED };
	static const char *const reason[] = {"does not offer; it offers 0x", "features_off or cq=0 forbids"};
	for (int how = NOT_OFFERED; how <= OFFERED; how++) {
		struct vionet_config with = VIONET_SIZED(struct vionet_config);
		struct peer p;
		char address[160];
		uint16_t port;
		peer_start(&p);
		p.pairs = 4;
		p.features |= how == NOT_OFFERED ? 0 : BIT(F_MQ);
		with.features_off = how == OFF ? BIT(F_MQ) : 0;
		snprintf(address, sizeof(address), "vhost-user:%s,queues=2", p.path);
		ok(vionet_probe(address, &port));
		if (how != OFFERED) {
			err(vionet_init(port, &with), -EINVAL);
			says("queues: 2 take VIRTIO_NET_F_MQ, which");
			says(reason[how]);
			with.queue_pairs = 1;
		}
		ok(vionet_init(port, &with));
		ok(vionet_start(port));
		same((p.negotiated & BIT(F_MQ)) != 0, how == OFFERED);
		for (int ring = 0; ring < PEER_RINGS; ring++)
			same(p.ring[ring].size != 0, ring < (how == OFFERED ? 4 : 2));
		vionet_close(port);
		peer_end(&p);
	}
}

CASE("a device in this process has the pairs that its address names")
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	uint16_t port;
	with.queue_pairs = 3;
	ok(vionet_probe("soft:sink,queues=2", &port));
	err(vionet_init(port, &with), -EINVAL);
	says("queues: 3 were asked for, and the device has 2");
	with.features_off = BIT(F_MQ);
	with.queue_pairs = 2;
	err(vionet_init(port, &with), -EINVAL);
	says("queues: 2 take VIRTIO_NET_F_MQ, which features_off");
	with.features_off = 0;
	ok(vionet_init(port, &with));
	vionet_close(port);
}

static uint64_t answer_of(int s, uint32_t request)
{
	uint32_t reply[5];
	peer_send(s, (uint32_t[]){request, 1, 0}, 12, NULL, 0);
	same(recv(s, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
	return reply[3] | (uint64_t)reply[4] << 32;
}

static uint64_t protocol_of(int s)
{
	uint64_t features = answer_of(s, GET_PROTOCOL_FEATURES);
	yes(features & PROTOCOL_MQ);
	return features;
}

/* QEMU asks before it takes the device, and again for each further pair, and warns of a network device that offers CONFIG. */
CASE("a served device offers its configuration to front-ends that took it before they asked")
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	uint16_t device;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vionet-numbers-%d.sock", getpid());
	ok(vionet_soft_serve(at.sun_path, "sink", &device));
	for (int owned = 0; owned < 2; owned++) {
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		same(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
		if (!owned)
			same(protocol_of(s) & PROTOCOL_CONFIG, 0);
		peer_send(s, (uint32_t[]){SET_OWNER, 1, 0}, 12, NULL, 0);
		same((protocol_of(s) & PROTOCOL_CONFIG) != 0, owned);
		close(s);
	}
	vionet_soft_stop(device);
}

/* The limits of RSS are in the configuration. */
CASE("a served device offers RSS to front-ends that read its configuration")
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const uint64_t limited = BIT(VIONET_F_RSS) | BIT(VIONET_F_HASH_REPORT), config = PROTOCOL_CONFIG;
	uint16_t device;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vionet-numbers-%d.sock", getpid());
	ok(vionet_soft_serve(at.sun_path, "loopback,queues=2", &device));
	for (int reads = 0; reads < 2; reads++) {
		uint32_t refusal[5];
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		same(connect(s, (struct sockaddr *)&at, sizeof(at)), 0);
		peer_send(s, (uint32_t[]){SET_OWNER, 1, 0}, 12, NULL, 0);
		same(answer_of(s, GET_FEATURES) & limited, 0);
		uint64_t agreed = protocol_of(s) & (PROTOCOL_REPLY_ACK | (reads ? config : 0));
		peer_send(s, (uint32_t[]){SET_PROTOCOL_FEATURES, 1, 8, (uint32_t)agreed, 0}, 20, NULL, 0);
		uint64_t offered = answer_of(s, GET_FEATURES);
		same(offered & limited, reads ? limited : 0);
		yes(offered & BIT(VIONET_F_MQ) && offered & BIT(VIONET_F_CTRL_VQ));
		/* Who asks for it all the same is refused. */
		offered |= limited;
		peer_send(s, (uint32_t[]){SET_FEATURES, 1 | 8, 8, (uint32_t)offered, (uint32_t)(offered >> 32)}, 20, NULL, 0);
		same(recv(s, refusal, sizeof(refusal), MSG_WAITALL), sizeof(refusal));
		same(refusal[3] != 0, !reads);
		close(s);
	}
	char address[160];
	snprintf(address, sizeof(address), "vhost-user:%s,cq=1,queues=2,rss=1,rx_hash=1", at.sun_path);
	uint16_t port = opened(address);
	same(info_of(port).header_size, 20);
	yes(info_of(port).rx_offloads & VIONET_RX_RSS);
	vionet_close(port);
	vionet_soft_stop(device);
}

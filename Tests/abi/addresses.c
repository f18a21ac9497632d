/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way a device address can be wrong: which errno, a sentence that names the thing, and nothing left behind. */
#include "../support/cases.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static uint16_t port;

/* Requires that the address fails with this code and a sentence that contains `name`, each time. */
static void wrong(const char *address, int code, const char *name)
{
	for (int i = 0; i < 2; i++) {
		port = 77;
		int result = vionet_probe(address, &port);
		if (result != code)
			FAILED("vionet_probe(\"%s\") gave %d (%s), not %s", address, result,
			       result < 0 ? strerror(-result) : "success", strerror(-code));
		says(name);
		err(vionet_open(address, &port), code);
		says(name);
		same(vionet_port_next(0), VIONET_PORT_NONE);
	}
}

static void right(const char *address)
{
	int result = vionet_probe(address, &port);
	if (result != 0)
		FAILED("vionet_probe(\"%s\") gave %d (%s)", address, result, strerror(-result));
	vionet_close(port);
}

static void wrong_forms(void)
{
	char text[1400];

	err(vionet_probe(NULL, &port), -EINVAL);
	err(vionet_open(NULL, &port), -EINVAL);
	err(vionet_probe("soft:sink", NULL), -EINVAL);
	err(vionet_open("soft:sink", NULL), -EINVAL);
	same(vionet_port_next(0), VIONET_PORT_NONE);
	wrong("", -EINVAL, "scheme");
	wrong("loopback", -EINVAL, "scheme");
	wrong(":loopback", -EINVAL, "scheme");
	wrong("bogus:thing", -EINVAL, "bogus");
	wrong("soft:", -EINVAL, "soft");
	wrong("soft:nothing", -EINVAL, "nothing");
	wrong("vhost-user:", -EINVAL, "vhost-user");
	wrong("soft:tap=", -EINVAL, "tap");
	wrong("soft:tap=a-name-that-is-too-long", -EINVAL, "tap");
	wrong("soft:pipe=", -EINVAL, "pipe");
	wrong("soft:loopback,colour=red", -EINVAL, "colour");
	wrong("soft:loopback,queue_sizes=256", -EINVAL, "queue_sizes");
	wrong("soft:loopback,queue_size", -EINVAL, "queue_size");
	wrong("soft:sink,length=100", -EINVAL, "length");

	memset(text, 'x', sizeof(text));
	memcpy(text, "soft:pipe=", 10);
	text[VIONET_DEVICE_LENGTH] = 0;
	wrong(text, -EINVAL, "511");
	text[1399] = 0;
	wrong(text, -EINVAL, "511");
}

static void values(void)
{
	static const char *const numbers[] = {"0",  "1",    "3",    "100",   "65536",     "-1",
	                                      "",   "x",    "256x", " 256",  "0x100000",  "99999999999999999999999"};
	char text[100];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(text, sizeof(text), "soft:sink,queue_size=%s", numbers[i]);
		wrong(text, -EINVAL, "queue_size");
	}
	wrong("soft:sink,queues=0", -EINVAL, "queues");
	wrong("soft:sink,queues=129", -EINVAL, "queues");
	wrong("soft:sink,queues=65537", -EINVAL, "queues");
	wrong("soft:sink,mac=zz:00:00:00:00:01", -EINVAL, "mac");
	wrong("soft:sink,mac=02:00:00:00:00", -EINVAL, "mac");
	wrong("soft:sink,mac=02:00:00:00:00:01:02", -EINVAL, "mac");
	wrong("soft:sink,mac=01:00:00:00:00:01", -EINVAL, "mac");
	wrong("soft:sink,mac=00:00:00:00:00:00", -EINVAL, "mac");
	wrong("soft:sink,packed_vq=2", -EINVAL, "packed_vq");
	wrong("soft:sink,mrg_rxbuf=yes", -EINVAL, "mrg_rxbuf");
	wrong("soft:generate,length=63", -EINVAL, "length");
	wrong("soft:generate,length=9001", -EINVAL, "length");
	wrong("soft:generate,flows=0", -EINVAL, "flows");
	wrong("soft:generate,flows=65537", -EINVAL, "flows");
	wrong("soft:generate,rate=-1", -EINVAL, "rate");
	right("soft:sink,queue_size=2");
	right("soft:sink,queue_size=32768");
	right("soft:sink,packed_vq=1,mrg_rxbuf=1,in_order=1,rx_csum=1,lro=1,vlan_strip=1");
	wrong("soft:sink,queue_size=255", -EINVAL, "power of two");
	wrong("soft:sink,lro=2", -EINVAL, "lro");
	wrong("soft:sink,event_idx=2", -EINVAL, "event_idx");
	right("soft:sink,queues=1,mac=02:00:00:00:00:09");
	right("soft:generate,length=64,rate=1,flows=65536");
	right("soft:generate,length=9000,rate=0,flows=1");
}

/* Options of other schemes, and PCI addresses. */
static void other_options(void)
{
	right("soft:sink,speed=10000");
	wrong("soft:sink,speed=0", -EINVAL, "speed");
	wrong("soft:sink,speed=2147483648", -EINVAL, "speed");
	wrong("soft:sink,queues=129", -EINVAL, "queues");
	wrong("vhost-user:/tmp/none.sock,server=2", -EINVAL, "server");
	wrong("soft:sink,server=1", -EINVAL, "server");
	wrong("pci:zz", -EINVAL, "\"zz\" is not a PCI address");
	wrong("pci:ff:1f.8", -EINVAL, "ff:1f.8");
	wrong("pci:ffff:ff:1f.7", -ENODEV, "ffff:ff:1f.7");
	wrong("pci:ffff:ff:1f.7,vdpa=1", -ENODEV, "ffff:ff:1f.7");
	wrong("pci:zz,vdpa=1", -EINVAL, "\"zz\" is not a PCI address");
	wrong("pci:ffff:ff:1f.7,vdpa=2", -EINVAL, "vdpa");
	wrong("soft:sink,vdpa=1", -EINVAL, "vdpa");
	wrong("vhost-user:/tmp/none.sock,vdpa=1", -EINVAL, "vdpa");
}

/* No kernel device is opened by these. */
static void kernel_devices(void)
{
	wrong("vhost-net:", -EINVAL, "names nothing");
	wrong("vhost-net:interface-name16", -ENAMETOOLONG, "\"interface-name16\" is longer than 15 bytes");
	wrong("vhost-net:tap0,queues=129", -EINVAL, "queues");
	wrong("vhost-net:tap0,server=1", -EINVAL, "server");
	wrong("vhost-net:tap0,vdpa=1", -EINVAL, "vdpa");
	wrong("vhost-net:tap0,path=/dev/vhost-net", -EINVAL, "path");
	if (access("/dev/vhost-net", F_OK) != 0)
		wrong("vhost-net:tap0", -ENOENT, "/dev/vhost-net: No such file or directory; modprobe vhost_net");
	wrong("vhost-vdpa:", -EINVAL, "names nothing");
	wrong("vhost-vdpa:/dev/vhost-vdpa-none", -ENOENT, "/dev/vhost-vdpa-none: No such file or directory; modprobe vhost_vdpa");
	wrong("vhost-vdpa:/dev/null", -ENODEV, "\"/dev/null\" is not a device of vhost-vdpa");
	wrong("vhost-vdpa:/tmp", -EISDIR, "/tmp");
	wrong("vhost-vdpa:/dev/null,server=1", -EINVAL, "server");
}

static void paths(void)
{
	char folder[] = "/tmp/vionet-test-XXXXXX", path[200], address[400];
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	wrong(address, -ENOENT, path);

	/* A file that is not a socket, then a folder. */
	fclose(fopen(path, "we"));
	wrong(address, -ENOTSOCK, path);
	unlink(path);
	same(mkdir(path, 0700), 0);
	wrong(address, -ENOTSOCK, path);
	rmdir(path);

	/* A socket without a listener. */
	memcpy(at.sun_path, path, strlen(path) + 1);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	same(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	wrong(address, -ECONNREFUSED, path);
	close(s);
	wrong(address, -ECONNREFUSED, path);
	unlink(path);
	rmdir(folder);

	/* A path that is too long for a socket, in an address that is not too long. */
	memset(path, 'p', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[110] = 0;
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	wrong(address, -ENAMETOOLONG, "path");

	wrong("soft:pcap=/nonexistent/in.pcap", -ENOENT, "/nonexistent/in.pcap");
	wrong("soft:pcap=,out=/nonexistent/out.pcap", -ENOENT, "/nonexistent/out.pcap");
}

/* The first round makes what a process makes once; the second must leave nothing behind. */
static void leaves_nothing(void (*attempts)(void))
{
	attempts();
	struct holdings before = holdings();
	attempts();
	held_as_before(before, 128);
}

CASE("an address of a wrong form is refused") { leaves_nothing(wrong_forms); }
CASE("a value out of range is refused, one at its limit is taken") { leaves_nothing(values); }
CASE("an option that the scheme does not have is refused") { leaves_nothing(other_options); }
CASE("wrong addresses of kernel devices are refused") { leaves_nothing(kernel_devices); }
CASE("paths that lead to no listening socket are refused") { leaves_nothing(paths); }

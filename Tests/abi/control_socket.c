/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: its file, its requests, events, and Prometheus text. */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/control_client.h"
#include "../support/forked.h"

#include <sys/stat.h>

static void its_file(void)
{
	struct vionet_control *other = (struct vionet_control *)1, *more[3];
	struct stat is;
	char longest[200];
	mode_t before = umask(0);
	control_made("file");
	umask(before);
	same(stat(control_path, &is), 0);
	yes(S_ISSOCK(is.st_mode));
	same(is.st_mode & 0777, 0600);

	/* A path that is in use, a file that is not a socket, bad paths. */
	same(vionet_control_open(control_path, &other), -EADDRINUSE);
	yes(other == NULL && strstr(vionet_control_error(), control_path) != NULL);
	same(vionet_control_open("/dev/null", &other), -EADDRINUSE);
	same(vionet_control_open("/nonexistent/folder/socket", &other), -ENOENT);
	yes(strstr(vionet_control_error(), "/nonexistent/folder/socket") != NULL);
	same(vionet_control_open(NULL, &other), -EINVAL);
	same(vionet_control_open("", &other), -EINVAL);
	same(vionet_control_open(control_path, NULL), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	same(vionet_control_open(longest, &other), -ENAMETOOLONG);

	/* Four control sockets are possible, a fifth is not. */
	for (int i = 0; i < 3; i++) {
		snprintf(longest, sizeof(longest), "%s-%d", control_path, i);
		same(vionet_control_open(longest, &more[i]), 0);
	}
	snprintf(longest, sizeof(longest), "%s-more", control_path);
	same(vionet_control_open(longest, &other), -ENOSPC);
	yes(access(longest, F_OK) != 0);
	for (int i = 0; i < 3; i++)
		vionet_control_close(more[i]);

	/* A socket that a killed program left is replaced; a file that another program puts in our place stays. */
	vionet_control_close(control);
	yes(access(control_path, F_OK) != 0);
	int left = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, control_path);
	same(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
	close(left);
	same(vionet_control_open(control_path, &control), 0);
	same(unlink(control_path), 0);
	same(close(open(control_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	vionet_control_close(control);
	same(unlink(control_path), 0);
	vionet_control_close(NULL);
}

static void requests(void)
{
	int over;
	uint16_t port = opened("soft:loopback,queue_size=512,mac=02:00:00:00:00:07");
	control_made("requests");
	int fd = caller();
	same(port, 0);
	answers(fd, "list", "port 0 started soft:loopback,queue_size=512,mac=02:00:00:00:00:07\nok\n");
	answers(fd, "  list\t\r", "port 0 started soft:loopback,queue_size=512,mac=02:00:00:00:00:07\nok\n");
	tells(fd, "help", "\nset PORT mac ADDRESS\n");
	tells(fd, "info 0", "\nmac 02:00:00:00:00:07\nmtu 1500\n");
	tells(fd, "stats 0", "rx_good_packets 0\n");
	tells(fd, "stats 0", "\ntx_q0_kicks ");
	tells(fd, "info 0", "\nmac_random 0\nheader_size 12\npool 1\nspeed 0\n");
	tells(fd, "pools", "pool 1 packets 16384\npool 1 available ");
	vionet_mtu_set(port, 1);
	tells(fd, "stats 1", "error 19 ");
	answers(fd, "error", "sentence mtu 1 is below 68\nok\n");
	answers(fd, "error 0", "error 22 \"0\" is too much\n");
	answers(fd, "set 0 mtu 1400", "ok\n");
	tells(fd, "info 0", "\nmtu 1400\n");

	answers(fd, "", "error 22 an empty request: help names those there are\n");
	answers(fd, "dance \"0\" \001", "error 22 there is no request \"dance\": help names those there are\n");
	answers(fd, "list all", "error 22 \"all\" is too much\n");
	answers(fd, "stats", "error 22 stats of which port: its number is missing\n");
	answers(fd, "stats x\001", "error 22 port \"x?\" is no number of a port\n");
	answers(fd, "stats 1", "error 19 there is no port 1\n");
	answers(fd, "stats 99999999999999999999", "error 22 port \"99999999999999999999\" is no number of a port\n");
	answers(fd, "info 65535", "error 19 there is no port 65535\n");
	answers(fd, "set 0", "error 22 set what: help names what there is\n");
	answers(fd, "set 0 colour red", "error 22 there is no setting \"colour\": help names those there are\n");
	answers(fd, "set 0 mtu", "error 22 mtu has no value: wanted is a number of at most 65535\n");
	answers(fd, "set 0 mtu -1", "error 22 mtu \"-1\": wanted is a number of at most 65535\n");
	answers(fd, "set 0 mtu 65536", "error 22 mtu \"65536\": wanted is a number of at most 65535\n");
	answers(fd, "set 0 mtu 1400 1500", "error 22 mtu: \"1500\" is too much\n");
	answers(fd, "set 0 promiscuous maybe", "error 22 promiscuous \"maybe\": wanted is on or off\n");
	tells(fd, "set 0 promiscuous on", "error 95 the device offers VIRTIO_NET_F_CTRL_VQ");
	tells(fd, "set 0 mtu 67", "error 22 ");
	tells(fd, "info 0", "\nmtu 1400\n");

	/* Several requests at once get an answer each, also the last one before the end. */
	say(fd, "list\nlist\nlist\nbogus");
	yes(strstr(heard(fd, &over), "\nok\nport 0") != NULL && !over);
	say(fd, "\nlist\n");
	same(shutdown(fd, SHUT_WR), 0);
	const char *all = heard(fd, &over);
	yes(strstr(all, "error 22 there is no request \"bogus\"") != NULL && strstr(all, "\nok\n") != NULL && over);
	close(fd);

	vionet_close(port);
	fd = caller();
	answers(fd, "list", "ok\n");
	vionet_control_close(control);
	same(recv(fd, (char[1]){0}, 1, 0), 0);
	close(fd);
}

static void events(void)
{
	struct peer p;
	int over;
	control_made("events");
	int fd = caller(), second = caller();
	answers(fd, "events", "ok\n");
	peer_start(&p);
	char address[100];
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	uint16_t port = opened(address);
	const char *first = heard(fd, &over);
	if (strstr(first, " port 0 new\n") == NULL)
		FAILED("not the first event: %s", first);
	answers(second, "events", "ok\n"); /* it does not get earlier events */
	for (int i = 0; i < 2; i++) {
		p.config[6] = (uint8_t)i;
		same(vionet_event_handle(port), 1);
		for (int k = 0; k < 2; k++) {
			const char *line = heard(k == 0 ? fd : second, &over), *name = i ? "link-up\n" : "link-down\n";
			double time = strtod(line, NULL);
			yes(time > 1.5e9 && strstr(line, name) != NULL && strlen(line) < 60);
		}
	}
	close(second);
	/* A client that has shut its sending direction still hears events. */
	same(shutdown(fd, SHUT_WR), 0);
	served();
	vionet_close(port);
	yes(strstr(heard(fd, &over), " port 0 closed\n") != NULL && !over);
	/* A client that does not read for a while loses events, and is told how many. */
	for (int i = 0; i < 300; i++)
		vionet_close(opened("soft:sink"));
	const char *all = heard(fd, &over);
	yes(!over && strncmp(all, "lost 344\n", 9) == 0);
	close(fd);
	served();
	vionet_control_close(control);
	peer_end(&p);
}

/* Ports open and close in another thread while control sockets open and close in this one. */
static _Atomic int turns, stopping;
static void *come_and_go(void *nothing)
{
	while (!stopping) {
		vionet_close(opened("soft:sink"));
		turns++;
	}
	return nothing;
}

static void events_of_threads(void)
{
	pthread_t thread;
	int over;
	stopping = turns = 0;
	same(pthread_create(&thread, NULL, come_and_go, NULL), 0);
	for (int round = 0; round < 30; round++) {
		control_made("threads");
		int fd = caller();
		tells(fd, "events", "ok\n");
		/* Counted from the answer on: turns that were over before it are not this client's. */
		int before = turns;
		soon(turns > before + 2);
		const char *all = heard(fd, &over);
		yes(!over && strstr(all, " port 0 new\n") != NULL && strstr(all, " port 0 closed\n") != NULL);
		vionet_control_close(control);
		close(fd);
	}
	stopping = 1;
	same(pthread_join(thread, NULL), 0);
}

static const char *http(const char *request, const char *status)
{
	int over, fd = caller();
	say(fd, request);
	const char *answer = heard(fd, &over);
	if (!over || strncmp(answer, status, strlen(status)) != 0)
		FAILED("%s is answered with\n%s, not %s", request, answer, status);
	const char *length = strstr(answer, "Content-Length: "), *body = strstr(answer, "\r\n\r\n");
	yes(length != NULL && body != NULL);
	same(strlen(body + 4), atoi(length + 16));
	close(fd);
	return answer;
}

static void prometheus(void)
{
	uint16_t port = opened("soft:sink,queues=2,size_stats=1");
	control_made("prometheus");
	const char *answer = http("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n", "HTTP/1.1 200 OK\r\n");
	yes(strstr(answer, "Content-Type: text/plain; version=0.0.4") != NULL);
	yes(strstr(answer, "\nvionet_queue_packets_total{port=\"0\",device=\"soft:sink,queues=2,size_stats=1\","
	                   "direction=\"tx\",queue=\"1\"} 0\n") != NULL);
	yes(strstr(answer, "direction=\"rx\",queue=\"0\",size=\"65_127\"} 0\n") != NULL);
	yes(strstr(answer, "direction=\"tx\",queue=\"1\",reason=\"foreign\"} 0\n") != NULL);
	http("GET /metrics HTTP/1.0\n\n", "HTTP/1.1 200 OK\r\n");
	http("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n");
	http("GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n");
	http("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n");
	vionet_close(port);
	yes(strstr(http("GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n"), "Content-Length: 0\r\n") != NULL);
	vionet_control_close(control);
}

/* A forked child leaves its parent's socket alone, and may make one of its own. */
static void in_a_child(void)
{
	int over;
	control_made("parent");
	in_child({
		same(vionet_control_process(control), -EPERM);
		yes(strstr(vionet_control_error(), "was forked") != NULL);
		same(vionet_control_fd(control), -EPERM);
		vionet_control_close(control);
		same(access(control_path, F_OK), 0);
		control_made("child");
		int fd = caller();
		tells(fd, "events", "ok\n");
		vionet_close(opened("soft:sink"));
		yes(strstr(heard(fd, &over), " port 0 closed\n") != NULL && !over);
		vionet_control_close(control);
		same(access(control_path, F_OK), -1);
	});
	int fd = caller();
	tells(fd, "events", "ok\n");
	vionet_close(opened("soft:sink"));
	yes(strstr(heard(fd, &over), " port 0 closed\n") != NULL && !over);
	close(fd);
	served();
	vionet_control_close(control);
}

/* The first round makes what a process makes once; the second must leave nothing behind. */
static void leaves_nothing(void (*round)(void))
{
	round();
	struct holdings before = holdings();
	before.maps += MORE_MAPS;
	round();
	held_as_before(before, SLACK);
}

CASE("the socket's file is private, replaced if no program listens, and removed") { leaves_nothing(its_file); }
CASE("requests are answered, and wrong ones refused with a sentence") { leaves_nothing(requests); }
CASE("followers hear events, and are told how many they missed") { leaves_nothing(events); }
CASE("events of other threads reach followers") { leaves_nothing(events_of_threads); }
CASE("GET /metrics is answered in Prometheus's format") { leaves_nothing(prometheus); }
CASE("a forked child leaves its parent's socket alone") { leaves_nothing(in_a_child); }

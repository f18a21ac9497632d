// SPDX-License-Identifier: BSD-2-Clause
// Forwards packets between two devices, sleeps while none come, and prints what passed when it ends:
//     c++ -std=c++17 forward.cpp $(pkg-config --cflags --libs vionet) -o forward
//     forward DEVICE_A DEVICE_B
// It ends with SIGINT or SIGTERM, or when a device is gone.
#include <csignal>
#include <cstdio>
#include <exception>
#include "vionet.hpp"

namespace {

volatile std::sig_atomic_t stopped;

struct Side {
	explicit Side(const char *device) : port(device), name(device) {}
	vionet::Port port;
	std::string name;
	std::uint64_t refused = 0; // packets from here that the other ring had no room for
};

bool forward(Side &from, Side &to)
{
	vionet::Burst<32> burst; // frees what was not sent
	bool moved = from.port.receive(burst) > 0;
	to.port.send(burst);
	from.refused += burst.size();
	return moved;
}

void report(const Side &from, const Side &to)
{
	struct vionet_stats stats = to.port.stats();
	std::printf("%s -> %s: %llu packets, %llu bytes, %llu refused\n", from.name.c_str(), to.name.c_str(),
	            static_cast<unsigned long long>(stats.tx.packets), static_cast<unsigned long long>(stats.tx.bytes),
	            static_cast<unsigned long long>(from.refused));
}

void run(const char *first, const char *second)
{
	Side a(first), b(second);
	std::fputs("forwarding\n", stderr);
	while (!stopped) {
		bool moved = forward(a, b);
		if (forward(b, a) || moved)
			continue;
		a.port.collect();
		b.port.collect();
		vionet::wait({&a.port, &b.port}, 1000); // a signal that comes right before is seen a second later
	}
	report(a, b);
	report(b, a);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 3) {
		std::fputs("usage: forward DEVICE_A DEVICE_B\n", stderr);
		return 2;
	}
	std::signal(SIGINT, [](int signal) { stopped = signal; });
	std::signal(SIGTERM, [](int signal) { stopped = signal; });
	try {
		run(argv[1], argv[2]);
	} catch (const std::exception &failure) {
		std::fprintf(stderr, "forward: %s\n", failure.what());
		return 1;
	}
	return 0;
}

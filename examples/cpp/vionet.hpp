// SPDX-License-Identifier: BSD-2-Clause
// vionet in C++17: ports and packets that are given back by their destructors, and failures that are exceptions. Everything
// is inline; a program links libvionet as one in C does. What is not here is called as vionet.h declares it, with number().
#ifndef VIONET_HPP
#define VIONET_HPP

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>
#include <vionet.h>

namespace vionet {

// A call that failed: code() has the errno, what() the library's sentence.
class Error : public std::system_error {
public:
	explicit Error(int result) : std::system_error(-result, std::generic_category(), vionet_error()) {}
};

// Returns what a call returned, or throws.
inline int check(int result)
{
	if (result < 0)
		throw Error(result);
	return result;
}

// One packet. release() takes it out, for a call that takes it over.
struct Free {
	void operator()(vionet_packet *packet) const noexcept { vionet_packet_free(packet); }
};
using Packet = std::unique_ptr<vionet_packet, Free>;

// Up to N packets that belong to the program: received and not yet sent, in order. The destructor frees what is left.
template <std::size_t N = 32>
class Burst {
public:
	Burst() = default;
	Burst(const Burst &) = delete;
	Burst &operator=(const Burst &) = delete;
	~Burst() { clear(); }

	vionet_packet **begin() noexcept { return packets_.data() + first_; }
	vionet_packet **end() noexcept { return packets_.data() + last_; }
	std::uint16_t size() const noexcept { return static_cast<std::uint16_t>(last_ - first_); }
	bool empty() const noexcept { return first_ == last_; }

	// Takes the packet; false if there is no room, and the packet stays where it is.
	bool add(Packet &packet) noexcept
	{
		if (last_ == N)
			return false;
		packets_[last_++] = packet.release();
		return true;
	}

	void clear() noexcept
	{
		vionet_packet_free_bulk(begin(), size());
		first_ = last_ = 0;
	}

private:
	friend class Port;
	std::array<vionet_packet *, N> packets_{};
	std::size_t first_ = 0, last_ = 0;
};

// A started port. It can be moved, and its destructor closes it.
class Port {
public:
	explicit Port(const std::string &device, const vionet_config *config = nullptr)
	{
		check(vionet_open_config(device.c_str(), config, &number_));
		if (number_ == VIONET_PORT_NONE)
			throw std::system_error(ENODEV, std::generic_category(), device + " is left to a vDPA driver");
	}
	Port(Port &&other) noexcept : number_(std::exchange(other.number_, VIONET_PORT_NONE)) {}
	Port &operator=(Port &&other) noexcept
	{
		std::swap(number_, other.number_);
		return *this;
	}
	~Port() { vionet_close(number_); } // every number is legal

	std::uint16_t number() const noexcept { return number_; }

	struct vionet_info info() const
	{
		struct vionet_info info = VIONET_SIZED(struct vionet_info);
		check(vionet_info(number_, &info));
		return info;
	}

	struct vionet_stats stats() const
	{
		struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
		check(vionet_stats(number_, &stats));
		return stats;
	}

	// Fills an empty burst. Returns how many packets came.
	template <std::size_t N>
	std::uint16_t receive(Burst<N> &burst, std::uint16_t queue = 0) noexcept
	{
		burst.clear();
		burst.last_ = vionet_rx_burst(number_, queue, burst.packets_.data(), N);
		return burst.size();
	}

	// Sends from the burst's beginning. What the ring had no room for stays in it.
	template <std::size_t N>
	std::uint16_t send(Burst<N> &burst, std::uint16_t queue = 0) noexcept
	{
		std::uint16_t sent = vionet_tx_burst(number_, queue, burst.begin(), burst.size());
		burst.first_ += sent;
		return sent;
	}

	// Gives sent packets back to their pool, before a sleep.
	void collect(std::uint16_t queue = 0) noexcept { vionet_tx_done(number_, queue); }

private:
	std::uint16_t number_ = VIONET_PORT_NONE;
};

// Sleeps until packets wait in queue 0 of one of the ports, or the time is over. Throws if a device is gone.
inline bool wait(std::initializer_list<const Port *> ports, int milliseconds)
{
	std::vector<vionet_wait_queue> list;
	for (const Port *each : ports)
		list.push_back({each->number(), 0, VIONET_WAIT_RX, 0, 0});
	int ready = check(vionet_wait(list.data(), list.size(), milliseconds));
	for (const vionet_wait_queue &each : list)
		check(each.ready);
	return ready > 0;
}

} // namespace vionet

#endif

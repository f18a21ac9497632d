/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A modern PCI function with registers that react, on simulated_kernel.h and pci_function.h. The library's mapping of the
 * registers is protected, so each access ends in a signal handler. The handler lets one instruction happen, and the device
 * reacts before or after it. The clock is simulated, too: no call sleeps. Only x86-64 can take a single step.
 */
#ifndef TRAPPED_FUNCTION_H
#define TRAPPED_FUNCTION_H

#include "pci_function.h"

#include <signal.h>
#include <sys/ucontext.h>

#if !defined(__x86_64__)
#error "a test that includes this skips other processors itself"
#endif

enum { BAR = 4, COMMON = 0, STATUS = 0x1000, DEVICE = 0x2000, NOTIFY = 0x3000, BAR_LENGTH = 0x4000 };
enum { SELECT = 0, OFFERED = 4, DRIVER_SELECT = 8, ACCEPTED = 12, CONFIG_VECTOR = 16, QUEUES = 18, DEVICE_STATUS = 20,
       GENERATION = 21, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_VECTOR = 26, QUEUE_ENABLE = 28, NOTIFY_OFFSET = 30,
       ADDRESSES = 32, QUEUE_RESET = 58 };
enum { F_ACCESS_PLATFORM = 33, F_NOTIFICATION_DATA = 38 };

/* What a test sets, and what the device records. */
static struct {
	uint64_t offered[2], accepted[2];
	int deaf;             /* a write of status 0 does nothing */
	int deaf_to_bus;      /* VFIO_DEVICE_RESET does nothing either */
	int slow;             /* a reset is done after that many reads of the status */
	int gone;             /* nothing answers, nor on the bus */
	int goes_after;       /* it goes after that many accesses to its registers; 0: it stays */
	int wanted_back;      /* the system asks for it, and gives it to no program */
	int restless;         /* the configuration changes all the time */
	int halves;           /* a queue takes half of the size that it is given */
	int refused;          /* this queue's vector is refused; -1: that of the configuration; -2: none */
	int vectors_left;     /* that the system can connect */
	void (*serve)(uint32_t queue); /* at each notification */
	void (*watch)(unsigned int at, int write, unsigned int bytes); /* behind each access */
	int stirs, lazy;      /* reads of the generation that change it; of queue_reset, until a queue is reset */
	uint16_t data_size, control_size; /* descriptors of a data queue, 0: 256; of queue 2, 0: as many as the others have */
	uint64_t reach;       /* the highest address in the IOMMU; 0: it does not say */
	/* recorded */
	int bus_resets, vectors, groups_opened, mapped_at_reset;
	int wide_words;       /* accepted words above the second that were written */
	uint32_t notified, notifications;
	int request;          /* the eventfd by which the system asks for the function back */
	uint64_t ring[4][3];  /* by queue: where descriptors, available and used ring are */
	uint16_t size[4];     /* by queue: descriptors that the driver has written; 0 before that */
} made;

static uint8_t *trapped_base, *trapped_registers;
static size_t trapped_length;
static uint32_t trapped_at;
static unsigned int trapped_bytes;
static int trapped_wrote;

/* How many bytes an instruction loads or stores: of those that compilers make of one access to memory. */
static unsigned int bytes_of(const uint8_t *code)
{
	static const uint8_t narrow[] = {0x88, 0x8a, 0xc6, 0x38, 0x3a, 0x80, 0x84, 0xf6, 0};
	int is_short = *code == 0x66, is_long = 0;
	code += is_short;
	if ((*code & 0xf0) == 0x40)
		is_long = *code++ & 8;
	if (*code == 0x0f)
		return code[1] & 1 ? 2 : 1; /* movzx, movsx */
	return strchr((const char *)narrow, *code) != NULL ? 1 : is_long ? 8 : is_short ? 2 : 4;
}

static uint64_t trapped_get(unsigned int at, unsigned int bytes)
{
	uint64_t value = 0;
	return memcpy(&value, trapped_registers + at, bytes), value;
}
static void trapped_put(unsigned int at, uint64_t value, unsigned int bytes)
{
	memcpy(trapped_registers + at, &value, bytes);
}

/* A full reset: the registers are as at first. */
static void made_reset(void)
{
	made.mapped_at_reset = function.mapped_count;
	trapped_put(DEVICE_STATUS, 0, 1);
	trapped_put(CONFIG_VECTOR, 0xffff, 2);
	trapped_put(QUEUE_VECTOR, 0xffff, 2);
	memset(made.size, 0, sizeof(made.size));
	made.slow = 0;
}

static uint8_t status_before;

/* Puts the function into its place on the bus, or takes it away. */
static void made_bus(int answers)
{
	static const uint8_t absent[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	same(pwrite(function.memory, answers ? function.config : absent, 8, (off_t)REGION(VFIO_PCI_CONFIG_REGION_INDEX)), 8);
}

static void before_access(unsigned int at, int write)
{
	if (made.goes_after > 0 && --made.goes_after == 0) {
		made.gone = 1;
		made_bus(0);
	}
	if (made.gone)
		memset(trapped_registers + (at & ~7u), 0xff, 8);
	else if (at == OFFERED) {
		uint64_t select = trapped_get(SELECT, 4);
		/* Feature words that do not exist read as anything. */
		trapped_put(OFFERED, select < 4 ? made.offered[select / 2] >> (select % 2 * 32) : 0x5a5a5a5a, 4);
	} else if (at == QUEUE_SIZE && !write) {
		unsigned int queue = (unsigned int)trapped_get(QUEUE_SELECT, 2) & 3;
		uint16_t most = queue == 2 && made.control_size ? made.control_size : made.data_size ? made.data_size : 256;
		trapped_put(QUEUE_SIZE, made.size[queue] != 0 ? made.size[queue] : most, 2);
	} else if (at == QUEUE_RESET && !write && made.lazy > 0 && --made.lazy == 0)
		trapped_put(QUEUE_RESET, 0, 2);
	else if (at == GENERATION && (made.restless || (made.stirs > 0 && made.stirs-- > 0)))
		trapped_put(GENERATION, trapped_get(GENERATION, 1) + 1, 1);
	else if (at == DEVICE_STATUS && write)
		status_before = (uint8_t)trapped_get(DEVICE_STATUS, 1);
	else if (at == DEVICE_STATUS && made.slow > 0 && --made.slow == 0)
		made_reset();
}

static void after_access(unsigned int at, int write)
{
	if (!write || made.gone)
		return;
	if (at == DEVICE_STATUS && trapped_get(DEVICE_STATUS, 1) == 0) {
		if (made.deaf || made.slow > 0)
			trapped_put(DEVICE_STATUS, status_before, 1);
		else
			made_reset();
	} else if (at == ACCEPTED && trapped_get(DRIVER_SELECT, 4) < 4) {
		uint32_t *words = (uint32_t *)(void *)made.accepted;
		made.wide_words += trapped_get(DRIVER_SELECT, 4) > 1;
		words[trapped_get(DRIVER_SELECT, 4)] = (uint32_t)trapped_get(ACCEPTED, 4);
	} else if (at == CONFIG_VECTOR && made.refused == -1)
		trapped_put(CONFIG_VECTOR, 0xffff, 2);
	else if (at == QUEUE_VECTOR && made.refused == (int)trapped_get(QUEUE_SELECT, 2))
		trapped_put(QUEUE_VECTOR, 0xffff, 2);
	else if (at == QUEUE_SIZE)
		made.size[trapped_get(QUEUE_SELECT, 2) & 3] = (uint16_t)(trapped_get(QUEUE_SIZE, 2) >> made.halves);
	else if (at >= ADDRESSES && at < QUEUE_RESET - 2 && trapped_get(QUEUE_SELECT, 2) < 4)
		memcpy(made.ring[trapped_get(QUEUE_SELECT, 2)], trapped_registers + ADDRESSES, 24);
	else if (at == QUEUE_RESET)
		trapped_put(QUEUE_RESET, made.lazy > 0, 2); /* done at once, or later */
	else if (at >= NOTIFY) {
		made.notified = (uint32_t)trapped_get(at, 4);
		made.notifications++;
		trapped_put(at, 0xeeeeeeee, 4);
		if (made.serve != NULL)
			made.serve(made.notified & 0xffff);
	}
}

static void on_access(int signal, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	uint8_t *address = info->si_addr;
	if (signal == SIGTRAP) {
		c->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
		if (made.watch != NULL)
			made.watch(trapped_at, trapped_wrote, trapped_bytes);
		after_access(trapped_at, trapped_wrote);
		mprotect(trapped_base, trapped_length, PROT_NONE);
		return;
	}
	if (address < trapped_base || address >= trapped_base + trapped_length)
		FAILED("an access to %p, which is no register", (void *)address);
	trapped_at = (uint32_t)(address - trapped_base);
	trapped_wrote = (c->uc_mcontext.gregs[REG_ERR] & 2) != 0;
	trapped_bytes = bytes_of((const uint8_t *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP]);
	before_access(trapped_at, trapped_wrote);
	mprotect(trapped_base, trapped_length, PROT_READ | PROT_WRITE);
	c->uc_mcontext.gregs[REG_EFL] |= 0x100;
}

static void trap_registers(int file, void *address, size_t length)
{
	if (address == MAP_FAILED || file >= FILES || function.role[file] != ROLE_DEVICE)
		return;
	trapped_base = address;
	trapped_length = length;
	same(mprotect(address, length, PROT_NONE), 0);
}

/* ---- the kernel's side ------------------------------------------------------------------------------------------- */

static int made_ranges(struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range *ranges = (void *)((char *)info + sizeof(*info));
	if (made.reach == 0)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	info->cap_offset = sizeof(*info);
	ranges->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	ranges->nr_iovas = 2;
	ranges->iova_ranges[0] = (struct vfio_iova_range){0, 0xfedfffff};
	ranges->iova_ranges[1] = (struct vfio_iova_range){0xfef00000, made.reach};
	return 0;
}

static int made_vectors(const struct vfio_irq_set *set)
{
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX) {
		memcpy(&made.request, set->data, sizeof(made.request));
		return 0;
	}
	if ((int)set->count > made.vectors_left)
		return made.vectors_left > 0 ? made.vectors_left : fails(ENOSPC);
	made.vectors = (int)set->count;
	return 0;
}

static int made_control(int file, unsigned long request, void *argument, int *result)
{
	if (file < 0 || file >= FILES || function.role[file] == ROLE_NONE)
		return 0;
	switch (request) {
	case VFIO_DEVICE_RESET:
		made.bus_resets++;
		if (!made.deaf_to_bus && !made.gone)
			made_reset();
		*result = 0;
		return 1;
	case VFIO_IOMMU_GET_INFO: *result = made_ranges(argument); return 1;
	case VFIO_DEVICE_SET_IRQS: *result = made_vectors(argument); return 1;
	case VFIO_GROUP_GET_DEVICE_FD:
		made.groups_opened++;
		if (!made.wanted_back)
			break;
		*result = fails(ENODEV);
		return 1;
	default: break;
	}
	return function_control(file, request, argument, result);
}

OK_UNUSED static uint16_t made_command(void)
{
	uint16_t command = 0;
	same(pread(function.memory, &command, 2, (off_t)(REGION(VFIO_PCI_CONFIG_REGION_INDEX) + 4)), 2);
	return command;
}

static void put_structure(unsigned int at, uint8_t kind, uint8_t next, uint32_t offset, uint8_t size)
{
	const uint8_t head[] = {9, next, size, kind, BAR};
	const uint32_t place[] = {offset, 0x1000};
	memcpy(function.config + at, head, sizeof(head));
	memcpy(function.config + at + 8, place, sizeof(place));
}

/* A correct function with MSI-X vectors. What is to be wrong with it is set in `made` after that. */
static void made_begin(void)
{
	static const uint8_t head[] = {0xf4, 0x1a, 0x41, 0x10, 0, 0, 0x10, 0};
	static const uint8_t msix[] = {0x11, 0, 7, 0};
	static const uint8_t config[] = "\x02\xaa\xbb\xcc\xdd\xee\x01\x00\x01\x00\xdc\x05";
	struct sigaction action = {.sa_sigaction = on_access, .sa_flags = SA_SIGINFO};

	memcpy(function.config, head, sizeof(head));
	function.config[0x34] = 0x40;
	put_structure(0x40, 1, 0x50, COMMON, 16);
	put_structure(0x50, 3, 0x60, STATUS, 16);
	put_structure(0x60, 4, 0x70, DEVICE, 16);
	put_structure(0x70, 2, 0x90, NOTIFY, 20);
	function.config[0x80] = 4; /* notify_off_multiplier */
	memcpy(function.config + 0x90, msix, sizeof(msix));
	function.bar[BAR].kind = BAR_MEMORY;
	function.bar[BAR].length = BAR_LENGTH;
	function_begin();
	function_reset();
	kernel.control = made_control;
	kernel.mapped = trap_registers;
	trapped_registers = mmap(NULL, BAR_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, function.memory, (off_t)REGION(BAR));
	yes(trapped_registers != MAP_FAILED);
	memcpy(trapped_registers + DEVICE, config, 12);
	same(sigaction(SIGSEGV, &action, NULL), 0);
	same(sigaction(SIGTRAP, &action, NULL), 0);
}

/* Makes the device correct again. */
static void made_correct(void)
{
	memset(&made, 0, sizeof(made));
	made.offered[0] = BIT(F_VERSION_1) | BIT(F_ACCESS_PLATFORM) | BIT(F_MAC) | BIT(F_STATUS) | BIT(F_MTU);
	made.refused = -2;
	made.vectors_left = 257;
	made_bus(1);
	made_reset();
	trapped_put(QUEUES, 3, 2);
	trapped_put(QUEUE_SIZE, 256, 2);
	trapped_put(NOTIFY_OFFSET, 1, 2);
}

#endif

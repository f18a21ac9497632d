/* SPDX-License-Identifier: BSD-2-Clause */
/* The second half of measure.c: options, and what is around the measuring. */

static struct point parse_point(const char *text)
{
	static const char *const forms[] = {"inline", "cores", "parts"}, *const directions[] = {"rx", "tx", "io", "macswap"};
	char form[16], direction[16];
	unsigned int burst, bytes;
	struct point p = {.text = text, .form = 99, .direction = 99};
	if (sscanf(text, "%15[a-z]/%15[a-z]/%u/%u", form, direction, &burst, &bytes) != 4 || burst < 1 || burst > MAX_BURST)
		errx(1, "%s is not FORM/DIRECTION/BURST/BYTES with a burst of 1 to %d", text, MAX_BURST);
	for (unsigned int i = 0; i < 3; i++)
		if (strcmp(form, forms[i]) == 0)
			p.form = i;
	for (unsigned int i = 0; i < 4; i++)
		if (strcmp(direction, directions[i]) == 0)
			p.direction = i;
	if (p.form == 99 || p.direction == 99)
		errx(1, "%s: no such form or direction", text);
	if (p.direction >= IO)
		wish.ports = 2;
	p.burst = (uint16_t)burst;
	p.bytes = bytes;
	return p;
}

static uint32_t number(const char *text, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*end != 0 || end == text || value > most)
		errx(1, "%s is not a number up to %u", text, most);
	return (uint32_t)value;
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"packed", 0, &wish.packed, 1}, {"mergeable", 0, &wish.mergeable, 1}, {"in-order", 0, &wish.in_order, 1},
		{"vectorized", 0, &wish.vectorized, 1}, {"ring", 1, NULL, 'r'}, {"pairs", 1, NULL, 'q'},
		{"packets", 1, NULL, 'p'}, {"core", 1, NULL, 'c'}, {"peer-core", 1, NULL, 'b'}, {"milliseconds", 1, NULL, 'm'},
		{"groups", 1, NULL, 'g'}, {"noise", 1, NULL, 'n'}, {0},
	};
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 0: break;
		case 'r': wish.ring = number(optarg, 32768); break;
		case 'q': wish.pairs = number(optarg, MAX_PAIRS); break;
		case 'p': wish.packets = number(optarg, 1 << 24); break;
		case 'c': wish.core = (int)number(optarg, 1023); break;
		case 'b': peer_core = (int)number(optarg, 1023); break;
		case 'm': milliseconds = number(optarg, 1000000); break;
		case 'g': fixed_groups = number(optarg, MAX_GROUPS); break;
		case 'n': least_noise = number(optarg, 1000000); break;
		default: exit(1);
		}
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		errx(1, "cannot read /proc/self/statm");
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The front-end brought up, and a line about it. */
static void start(const char *folder)
{
	uint64_t offer = (wish.packed ? BIT(F_RING_PACKED) : 0) | (wish.mergeable ? BIT(F_MRG_RXBUF) : 0) |
	                 (wish.in_order ? BIT(F_IN_ORDER) : 0) | BIT(F_INDIRECT_DESC);
	for (uint32_t port = 0; port < wish.ports; port++) {
		char path[100];
		snprintf(path, sizeof(path), "%s/%u", folder, port);
		backend_open(&backends[port], path, offer, wish.pairs, 1);
	}
	long before = resident_kib();
	double begin = seconds(CLOCK_MONOTONIC);
	wish.backend = backends;
	front_start(&wish);
	for (uint32_t port = 0; port < wish.ports; port++)
		if (backend_wait(&backends[port], 10) < 0)
			errx(2, "%s does not use the rings of port %u", front_name, port);
	printf("{\"front\":\"%s\",\"start_ms\":%.3f,\"resident_kib\":%ld,\"offered\":%llu,\"negotiated\":%llu,\"hertz\":%.0f,",
	       front_name, (seconds(CLOCK_MONOTONIC) - begin) * 1e3, resident_kib() - before,
	       (unsigned long long)backends[0].offer, (unsigned long long)backends[0].negotiated, hertz);
	front_describe(stdout);
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct point points[256];
	char folder[] = "/tmp/vionet-bench-XXXXXX";
	int count = 0;
	parse_options(argc, argv);
	if (argc - optind > 256 || mkdtemp(folder) == NULL)
		errx(1, "too many points, or no folder in /tmp");
	for (int i = optind; i < argc; i++)
		points[count++] = parse_point(argv[i]);
	if (wish.packets == 0)
		wish.packets = 16384;
	find_frequency();
	start(folder);
	pin_to(wish.core);
	for (int i = 0; i < 1000; i++) {
		uint64_t noise = cycles_of_additions();
		least_noise = noise < least_noise ? noise : least_noise;
	}
	for (int i = 0; i < count; i++)
		measure(&points[i]);
	front_stop();
	for (uint32_t port = 0; port < wish.ports; port++)
		backend_close(&backends[port]);
	rmdir(folder);
	return 0;
}

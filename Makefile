# SPDX-License-Identifier: BSD-2-Clause
#
#   make            the library, the pkg-config file and the examples, in build/
#   make demo       kernel TCP through a C program that drives two virtio-net devices
#   make test       everything that is checked; installs what it needs
#   make fuzz       made-up devices for as long as FUZZ_SECONDS says (600), guided by what they reach in the library
#   make bench      packets per second, beside DPDK's own front-end
#   make test-plans DPDK's test plans for virtio-user in their full length, a table of paths and tests
#   make test-restarts  back-ends killed and started again under traffic, 1000 times in each mode; testpmd 250
#   make test-killed  front-ends killed and started again under traffic, 1000 times on our device and on testpmd
#   make test-ovs   two programs on a bridge of Open vSwitch: 10 million frames, and 20 times it is killed
#   make test-wakeups  a million frames, each of which wakes a sleeper, on split and on packed rings
#   make test-soak  1000 flaps of a link, 200 resets of queues and 100 recoveries under traffic, on each kind of ring
#   make test-guest PCI devices alone, in a QEMU guest; make bench-guest sets them beside DPDK's testpmd there
#   make install    PREFIX, DESTDIR and LIBDIR are honoured; make uninstall takes it away again
#   make vionetctl  the command line tool, in build/bin; make install-vionetctl, make uninstall-vionetctl;
#                   make vionetctl-manual writes its page of the manual anew

VERSION := 0.1.0
SOVERSION := 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
SHAREDIR ?= $(PREFIX)/share
DESTDIR ?=

SWIFTC ?= swiftc
SWIFT ?= $(SWIFTC:%swiftc=%swift)
CLANG ?= $(shell dirname $$(readlink -f $$(command -v $(SWIFTC))))/clang
CFLAGS ?= -O2 -g -Wall -Wextra

B := build
O := $(B)/objects
SO := libvionet.so.$(VERSION)
CONTROL_SO := libvionet-control.so.$(VERSION)
MODULES := Linux SoftDevice VioNet VioNetABI
OBJECTS := $(MODULES:%=$(O)/%.o) $(patsubst Sources/CLinux/%.c,$(O)/%.o,$(wildcard Sources/CLinux/*.c))
HEADERS := include/vionet.h include/module.modulemap $(wildcard Sources/CLinux/include/*)
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

# Embedded Swift, one object per module. Never an -m flag for one module only: the linker may keep any module's copy of
# a generic function.
SWIFTFLAGS := -O -g -wmo -Xfrontend -function-sections -parse-as-library -swift-version 6 -package-name vionet \
	-enable-experimental-feature Embedded -strict-memory-safety -warnings-as-errors \
	-Xcc -fno-omit-frame-pointer -I include -I Sources/CLinux/include -I $(O)

# Small code: the few functions of the packet road are marked @_optimize(speed).
SWIFTFLAGS_VioNetABI := -Osize
SWIFTFLAGS_VioNet := -Osize
SWIFTFLAGS_SoftDevice := -Osize

# For coverage-guided fuzzing (Tests/fuzz/guided.sh): every address is checked, every edge that is taken noted.
ifdef INSTRUMENT
SWIFTFLAGS += -sanitize=address,fuzzer
INSTRUMENT_C := -fsanitize=address,fuzzer-no-link
endif

all: ground $(B)/$(SO) $(B)/libvionet.a $(B)/vionet.pc $(B)/$(CONTROL_SO) $(B)/libvionet-control.a $(EXAMPLES)

ground:
	@command -v $(SWIFTC) >/dev/null || { echo "Swift 6.3 is needed (swift.org); set SWIFTC if it is not in PATH" >&2; exit 1; }
	@pkg-config --exists libbsd || { echo "libbsd-dev is needed: run Tools/install-deps.sh build" >&2; exit 1; }

# ---- objects ---------------------------------------------------------------------------------------------------------

sources = $(shell find Sources/$(1) -name '*.swift' | sort)
define module
$(O)/$(1).o: $(call sources,$(1)) $(HEADERS) Makefile $(2:%=$(O)/%.o)
	@mkdir -p $(O)/$(1).tmp
	@echo "  swiftc $(1)"
	@TMPDIR=$(abspath $(O)/$(1).tmp) $(SWIFTC) $(SWIFTFLAGS) $(SWIFTFLAGS_$(1)) -module-name $(1) \
		-emit-module -emit-module-path $(O)/$(1).swiftmodule -c $(call sources,$(1)) -o $$@
	@rm -r $(O)/$(1).tmp # swiftc 6.3 leaves a folder there
	@touch $$@ # and a file alone that would not change
endef
$(eval $(call module,Linux,))
$(eval $(call module,SoftDevice,Linux))
$(eval $(call module,VioNet,Linux))
$(eval $(call module,VioNetABI,Linux SoftDevice VioNet))

$(O)/%.o: Sources/CLinux/%.c $(HEADERS)
	@mkdir -p $(O)
	$(CLANG) -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -fno-omit-frame-pointer $(INSTRUMENT_C) \
		-ISources/CLinux/include -c $< -o $@

objects: $(OBJECTS)

# ---- the library: any C linker will do, nothing of Swift is needed from here on ------------------------------------------

# .debug_names confuses gdb 13; the rest of the debug information stays until packaging strips it.
$(B)/$(SO): $(OBJECTS) vionet.map
	$(CC) -shared -o $@ $(OBJECTS) -Wl,-soname,libvionet.so.$(SOVERSION) -Wl,--version-script=vionet.map \
		-Wl,--gc-sections -Wl,-z,defs -Wl,-z,relro,-z,now -Wl,--as-needed -lbsd
	objcopy --remove-section .debug_names $@
	ln -sf $(SO) $(B)/libvionet.so.$(SOVERSION)
	ln -sf libvionet.so.$(SOVERSION) $(B)/libvionet.so

# One relocatable object whose only global symbols are vionet_*: the runtime's weak symbols must not meet a host's.
$(B)/libvionet.a: $(OBJECTS)
	$(LD) -r -o $(O)/whole.ro $(OBJECTS)
	objcopy --wildcard --keep-global-symbol='vionet_*' --remove-section .debug_names $(O)/whole.ro $(O)/vionet.ro
	rm -f $@ && $(AR) rcs $@ $(O)/vionet.ro

$(B)/vionet.pc: pkgconfig/vionet.pc.in Makefile
	@mkdir -p $(B)
	sed 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@INCLUDEDIR@|$(INCLUDEDIR)|;s|@VERSION@|$(VERSION)|' $< > $@

# ---- the control socket, a library of its own: C above vionet.h, so that the driver does not carry it ------------------------

CONTROL_OBJECTS := $(patsubst Sources/VioNetControl/%.c,$(O)/control/%.o,$(wildcard Sources/VioNetControl/*.c))
$(O)/control/%.o: Sources/VioNetControl/%.c Sources/VioNetControl/control.h Sources/CLinux/include/folder_lock.h \
		$(wildcard include/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -Iinclude -ISources/CLinux/include -c $< -o $@

$(B)/$(CONTROL_SO): $(CONTROL_OBJECTS) vionet-control.map $(B)/$(SO)
	$(CC) -shared -o $@ $(CONTROL_OBJECTS) -Wl,-soname,libvionet-control.so.$(SOVERSION) \
		-Wl,--version-script=vionet-control.map -Wl,-z,defs -Wl,-z,relro,-z,now -Wl,--as-needed -L$(B) -lvionet
	ln -sf $(CONTROL_SO) $(B)/libvionet-control.so.$(SOVERSION)
	ln -sf libvionet-control.so.$(SOVERSION) $(B)/libvionet-control.so

$(B)/libvionet-control.a: $(CONTROL_OBJECTS)
	$(LD) -r -o $(O)/control/whole.ro $(CONTROL_OBJECTS)
	objcopy --wildcard --keep-global-symbol='vionet_control_*' $(O)/control/whole.ro $(O)/control/vionet-control.ro
	rm -f $@ && $(AR) rcs $@ $(O)/control/vionet-control.ro

# ---- examples: against an installed tree and its pkg-config file, as a user builds them --------------------------------------

STAGE := $(CURDIR)/$(B)/stage
$(STAGE)/lib/pkgconfig/vionet.pc: $(B)/$(SO) $(B)/libvionet.a $(B)/$(CONTROL_SO) $(B)/libvionet-control.a \
		$(wildcard include/*.h pkgconfig/*)
	@$(MAKE) --no-print-directory install-files PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib INCLUDEDIR=$(STAGE)/include DESTDIR=
PKG := PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config

$(B)/examples/vionet-fwd-dlopen: examples/vionet-fwd-dlopen.c $(wildcard examples/*.h) $(STAGE)/lib/pkgconfig/vionet.pc
	@mkdir -p $(B)/examples
	$(CC) $(CFLAGS) $$($(PKG) --cflags vionet) $< -o $@ $$($(PKG) --cflags --libs libbsd) -ldl
$(B)/examples/vionet-fwd: examples/vionet-fwd.c $(wildcard examples/*.h) $(STAGE)/lib/pkgconfig/vionet.pc
	@mkdir -p $(B)/examples
	$(CC) $(CFLAGS) $$($(PKG) --cflags vionet-control) $< -o $@ $$($(PKG) --libs vionet-control) -lbsd \
		-Wl,-rpath,'$$ORIGIN/..'
$(B)/examples/%: examples/%.c $(wildcard examples/*.h) $(STAGE)/lib/pkgconfig/vionet.pc
	@mkdir -p $(B)/examples
	$(CC) $(CFLAGS) $$($(PKG) --cflags vionet) $< -o $@ $$($(PKG) --libs vionet) -lbsd -Wl,-rpath,'$$ORIGIN/..'

# ---- bench: measuring programs, one for each front-end, from the same loops ---------------------------------------------

BENCH := $(B)/bench/bin
HARNESS := bench/harness
BENCHFLAGS := -std=gnu11 -O3 -march=native -g -Wall -Wextra -pthread
MEASURE := $(patsubst %,$(HARNESS)/%.c,main measure backend worker)

bench-programs: $(patsubst %,$(BENCH)/%,$(foreach f,vionet dpdk lean,measure-$f count-$f) serve afpacket device waiting-vionet waiting-dpdk)

$(BENCH)/measure-%: $(wildcard $(HARNESS)/*) Makefile
	@mkdir -p $(BENCH)
	$(CC) $(BENCHFLAGS) $(BENCHFLAGS_$*) $(MEASURE) $(HARNESS)/$*.c -o $@ $(BENCHLIBS_$*)
# To be counted by callgrind, which does not know every instruction of this machine.
$(BENCH)/count-%: $(wildcard $(HARNESS)/*) Makefile
	@mkdir -p $(BENCH)
	$(CC) -std=gnu11 -O2 -pthread $(BENCHFLAGS_$*) $(MEASURE) $(HARNESS)/$*.c -o $@ $(BENCHLIBS_$*)
$(BENCH)/waiting-%: $(wildcard $(HARNESS)/*) Makefile
	@mkdir -p $(BENCH)
	$(CC) $(BENCHFLAGS) $(BENCHFLAGS_$*) $(patsubst %,$(HARNESS)/%.c,waiting paced worker backend $*) -o $@ $(BENCHLIBS_$*)
$(BENCH)/serve $(BENCH)/afpacket: $(BENCH)/%: $(wildcard $(HARNESS)/*) Makefile
	@mkdir -p $(BENCH)
	$(CC) $(BENCHFLAGS) $(HARNESS)/backend.c $(HARNESS)/worker.c $(HARNESS)/$*.c -o $@
$(BENCH)/device: $(wildcard $(HARNESS)/*) Makefile
	@mkdir -p $(BENCH)
	$(CC) $(BENCHFLAGS) $(BENCHFLAGS_vionet) $(HARNESS)/worker.c $(HARNESS)/backend.c $(HARNESS)/device.c -o $@ $(BENCHLIBS_vionet)
$(BENCH)/device $(BENCH)/waiting-vionet $(BENCH)/measure-vionet $(BENCH)/count-vionet: include/vionet.h $(B)/$(SO)
BENCHFLAGS_vionet := -Iinclude
BENCHLIBS_vionet = -L$(B) -lvionet -Wl,-rpath,'$$ORIGIN/../..'
BENCHFLAGS_dpdk = $$(pkg-config --cflags libdpdk)
BENCHLIBS_dpdk := -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_eal

# ---- install ---------------------------------------------------------------------------------------------------------

install: all install-files

install-files: $(B)/$(SO) $(B)/libvionet.a $(B)/$(CONTROL_SO) $(B)/libvionet-control.a
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)
	install -m755 $(B)/$(SO) $(DESTDIR)$(LIBDIR)/
	ln -sf $(SO) $(DESTDIR)$(LIBDIR)/libvionet.so.$(SOVERSION)
	ln -sf libvionet.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libvionet.so
	install -m755 $(B)/$(CONTROL_SO) $(DESTDIR)$(LIBDIR)/
	ln -sf $(CONTROL_SO) $(DESTDIR)$(LIBDIR)/libvionet-control.so.$(SOVERSION)
	ln -sf libvionet-control.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libvionet-control.so
	install -m644 $(B)/libvionet.a $(B)/libvionet-control.a $(DESTDIR)$(LIBDIR)/
	install -m644 include/vionet.h include/vionet-control.h $(DESTDIR)$(INCLUDEDIR)/
	for name in vionet vionet-control; do \
		sed 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@INCLUDEDIR@|$(INCLUDEDIR)|;s|@VERSION@|$(VERSION)|' \
			pkgconfig/$$name.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/$$name.pc; done

uninstall:
	cd $(DESTDIR)$(LIBDIR) && rm -f $(SO) libvionet.so.$(SOVERSION) libvionet.so libvionet.a pkgconfig/vionet.pc
	cd $(DESTDIR)$(LIBDIR) && rm -f $(CONTROL_SO) libvionet-control.so.$(SOVERSION) libvionet-control.so \
		libvionet-control.a pkgconfig/vionet-control.pc
	rm -f $(DESTDIR)$(INCLUDEDIR)/vionet.h $(DESTDIR)$(INCLUDEDIR)/vionet-control.h

# ---- vionetctl: a package of its own, built against the stage as by a user; the library needs nothing of it -----------------

# Swift's own libraries are linked in, so that it runs where there is no Swift. It looks for libvionet beside itself,
# installed or not, then wherever the system does.
TOOL := $(B)/bin/vionetctl
vionetctl: ground $(TOOL)
TOOL_SOURCES := $(shell find Tools/vionetctl -name .build -prune -o -type f ! -name Package.resolved -print)
$(TOOL): $(TOOL_SOURCES) $(STAGE)/lib/pkgconfig/vionet.pc
	@mkdir -p $(B)/bin $(B)/vionetctl.tmp
	@echo "  swift build vionetctl"
	@TMPDIR=$(abspath $(B)/vionetctl.tmp) PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(SWIFT) build -c release \
		--package-path Tools/vionetctl --scratch-path $(B)/vionetctl --product vionetctl --static-swift-stdlib --disable-local-rpath \
		-Xlinker -rpath -Xlinker '$$ORIGIN/../lib' -Xlinker -rpath -Xlinker '$$ORIGIN/..' \
		>$(B)/vionetctl.log 2>&1 || { cat $(B)/vionetctl.log; exit 1; }
	@rm -r $(B)/vionetctl.tmp
	@install -m755 -s $(B)/vionetctl/release/vionetctl $@

# Its page of the manual is kept in the tree, since what writes it, a part of the argument parser, takes minutes to build.
vionetctl-manual: $(TOOL)
	PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(SWIFT) build --package-path Tools/vionetctl --scratch-path $(B)/vionetctl \
		-c release --product generate-manual >$(B)/vionetctl-manual.log 2>&1 || { cat $(B)/vionetctl-manual.log; exit 1; }
	$(B)/vionetctl/release/generate-manual $(TOOL) --section 1 --date $$(date +%F) -o Tools/vionetctl/man

COMPLETIONS := bash-completion/completions zsh/site-functions fish/vendor_completions.d
install-vionetctl: vionetctl
	install -d $(DESTDIR)$(BINDIR) $(COMPLETIONS:%=$(DESTDIR)$(SHAREDIR)/%)
	install -m755 $(TOOL) $(DESTDIR)$(BINDIR)/
	install -d $(DESTDIR)$(SHAREDIR)/man/man1
	install -m644 Tools/vionetctl/man/vionetctl.1 $(DESTDIR)$(SHAREDIR)/man/man1/
	$(TOOL) --generate-completion-script bash > $(DESTDIR)$(SHAREDIR)/bash-completion/completions/vionetctl
	$(TOOL) --generate-completion-script zsh > $(DESTDIR)$(SHAREDIR)/zsh/site-functions/_vionetctl
	$(TOOL) --generate-completion-script fish > $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/vionetctl.fish

uninstall-vionetctl:
	rm -f $(DESTDIR)$(BINDIR)/vionetctl $(DESTDIR)$(SHAREDIR)/bash-completion/completions/vionetctl
	rm -f $(DESTDIR)$(SHAREDIR)/zsh/site-functions/_vionetctl
	rm -f $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/vionetctl.fish $(DESTDIR)$(SHAREDIR)/man/man1/vionetctl.1

# ---- the commands of a newcomer: each installs what it needs, says so, and cleans up after itself --------------------------

# What the demo cannot install it does without; the others need all of it.
demo test test-plans test-restarts test-killed test-ovs test-wakeups test-soak test-guest fuzz bench bench-guest:
	@Tools/install-deps.sh $@ || { [ $@ = demo ] && Tools/install-deps.sh build; }
	@$(MAKE) --no-print-directory all $(WITH_$@)
	@$(RUN_$@)

WITH_test := vionetctl
WITH_test-guest := vionetctl

RUN_demo := Tools/demo/demo.sh
RUN_test := Tests/run.sh
RUN_test-plans := Tests/wire/dpdk-plans.sh full
RUN_test-restarts := Tests/wire/restarts.sh 1000 && Tests/wire/dpdk-restarts.sh 250
RUN_test-killed := Tests/wire/killed.sh 1000 && Tests/wire/dpdk-killed.sh 1000
RUN_test-ovs := Tests/wire/dpdk-ovs.sh 10000000 20
RUN_test-wakeups := Tests/support/wakeups.sh 1000000
RUN_test-soak := Tests/support/soak.sh 1000 200 100
RUN_test-guest := Tests/guest/run-guest.sh
RUN_fuzz := Tests/fuzz/guided.sh $${FUZZ_SECONDS:-600}
RUN_bench := bench/run.py # with Debian's Python, for which its python3-matplotlib is
RUN_bench-guest := Tests/guest/run-guest.sh bench bench-vhost-net

clean:
	rm -rf $(B) .build .build-*

.PHONY: all ground objects bench-programs install install-files uninstall vionetctl install-vionetctl uninstall-vionetctl vionetctl-manual \
	demo test test-plans test-restarts test-killed test-ovs test-wakeups test-soak test-guest fuzz bench bench-guest clean

# SPDX-License-Identifier: BSD-2-Clause
# `make help` lists the targets. V=1 shows whole commands instead of one line for each step.

VERSION := 0.1.0
SOVERSION := 0
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
SHAREDIR ?= $(PREFIX)/share
DESTDIR ?=

# ARCH=arm64 on a machine of another kind makes all of it in build/arm64, with Debian's cross compiler.
ifeq ($(ARCH),arm64)
CC := aarch64-linux-gnu-gcc
B := build/arm64
ASSEMBLY := $(B)/assembly/aarch64
MACHINES := aarch64
ARM64_ROOT := $(B)/sysroot
ARM64_LIBRARIES := $(CURDIR)/$(ARM64_ROOT)/usr/lib/aarch64-linux-gnu
LDFLAGS += -L$(ARM64_LIBRARIES) -Wl,-rpath-link,$(ARM64_LIBRARIES)
export PKG_CONFIG_LIBDIR := $(ARM64_LIBRARIES)/pkgconfig
else ifeq ($(ARCH),)
B := build
else
$(error ARCH is arm64, or left out for the kind of processor that this is)
endif
O := $(B)/objects
STAGE := $(CURDIR)/$(B)/stage

SWIFTC ?= swiftc
SWIFT ?= $(SWIFTC:%swiftc=%swift)
CFLAGS ?= -O2 -g -Wall -Wextra
# The tools of the C compiler, which may be one for another kind of processor.
LD = $(shell $(CC) -print-prog-name=ld)
AR = $(shell $(CC) -print-prog-name=ar)
OBJCOPY = $(shell $(CC) -print-prog-name=objcopy)
PKG_CONFIG ?= pkg-config
# Empty for packages: debug information is taken out later, and programs look for the libraries where the system does.
STRIP ?= -s
RPATH ?= -Wl,-rpath,'$$ORIGIN/..' -Wl,-rpath,'$$ORIGIN/../lib'

# What the Swift modules are made from: "swift", or "assembly", which is the compiler's output for this kind of processor in
# a release's sources (make dist). From that any clang makes the same library where there is no Swift.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ASSEMBLY ?= assembly/$(MACHINE)
HAS_SWIFT := $(shell command -v $(SWIFTC))
FROM := $(if $(ARCH),assembly,$(if $(HAS_SWIFT),swift,$(if $(wildcard $(ASSEMBLY)),assembly,swift)))
CLANG ?= $(if $(or $(ARCH),$(filter swift,$(FROM))),$(shell dirname $$(readlink -f $$(command -v $(SWIFTC))))/)clang
ifeq ($(FROM),assembly)
TARGET := --target=$(shell $(CC) -dumpmachine)
endif

# ---- what the tree is made of: a new module or library is a few lines here -----------------------------------------------

# Embedded Swift modules, one object each. IMPORTS_x: the modules that x imports.
MODULES := Linux Virtio SoftDevice VioNet VioNetABI VioNetControl
IMPORTS_Virtio := Linux
IMPORTS_SoftDevice := Linux Virtio
IMPORTS_VioNet := Linux Virtio
IMPORTS_VioNetABI := Linux Virtio SoftDevice VioNet
IMPORTS_VioNetControl := Linux

# Small code; the few functions on a packet's path are marked @_optimize(speed). No -m flag for one module only: the
# linker may keep any module's copy of a generic function.
SWIFTFLAGS_SoftDevice := -Osize
SWIFTFLAGS_VioNet := -Osize
SWIFTFLAGS_VioNetABI := -Osize
SWIFTFLAGS_VioNetControl := -Osize

# Libraries, each with its header include/x.h, its exports x.map and pkgconfig/x.pc.in. OBJECTS_x: what it is made of;
# GLOBAL_x: the pattern of its exports; NEEDS_x: the library of ours below it; LIBS_x: what it links; PRUNE_x: how its
# archive is rid of what it does not use.
LIBRARIES := vionet vionet-control
OBJECTS_vionet := $(patsubst %,$(O)/%.o,Linux Virtio SoftDevice VioNet VioNetABI) $(patsubst Sources/CLinux/%.c,$(O)/%.o,$(wildcard Sources/CLinux/*.c))
GLOBAL_vionet := vionet_*
LIBS_vionet := -lbsd
# It has a copy of its own of what it uses of Linux and CLinux. Without the rest it needs neither more of CLinux nor libbsd.
OBJECTS_vionet-control := $(patsubst %,$(O)/%.o,VioNetControl Linux sentence forked)
PRUNE_vionet-control := --gc-sections $(patsubst %,-u vionet_control_%,open fd process close error)
GLOBAL_vionet-control := vionet_control_*
NEEDS_vionet-control := vionet
LIBS_vionet-control := -L$(B) -lvionet

HEADERS := $(LIBRARIES:%=include/%.h) include/module.modulemap $(wildcard Sources/CLinux/include/*)
SHARED := $(LIBRARIES:%=$(B)/lib%.so.$(VERSION))
STATIC := $(LIBRARIES:%=$(B)/lib%.a)
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))
TOOL := $(B)/bin/vionetctl

# ---- what it says meanwhile ----------------------------------------------------------------------------------------------

ifeq ($(V),1)
Q :=
else
Q := @
# $(call say,WORDS): the line of a step, which `make -s` leaves out.
say = $(if $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),@:,@echo "  $(1)")
# $(call hush,FILE): what a talkative command says is shown only if it fails.
hush = >$(1) 2>&1 || { cat $(1); exit 1; }
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR: # an error or an interrupt leaves no half-written file
FORCE:

# Targets that install what they need first. NEEDED: what there is to install before the first compiler runs.
PURPOSES := demo test test-arm64 test-plans test-restarts test-killed test-ovs test-wakeups test-soak test-failures test-threads test-models \
	test-guest test-packages test-peers test-roots test-mtcp test-dashboard deb dist site pictures recordings pages fuzz hostile bench bench-guest
NEEDED := $(patsubst %,needed-for-%,$(filter $(PURPOSES),$(MAKECMDGOALS)))
$(PURPOSES:%=needed-for-%): needed-for-%:
	@Tools/install-deps.sh $* $(if $(filter demo,$*),|| Tools/install-deps.sh build)

##@ Build, in build/
all: $(SHARED) $(STATIC) $(EXAMPLES) ## the libraries and the examples; what `make` alone does
vionetctl: $(TOOL) ## the command line tool, build/bin/vionetctl
httpd: $(B)/examples/vionet-httpd ## a web server on lwIP, whose sources it fetches: build/examples/vionet-httpd
clean: ## removes all that was built
	$(Q)rm -rf $(B) .build .build-*
help: ## this list
	@echo "make [TARGET...] [V=1] [SWIFTC=path] [CC=command] [PREFIX=/usr/local] [LIBDIR=path] [DESTDIR=path]"
	@awk -F ':.*## ' '/^##@ /{print "\n" substr($$0, 5)} /^[a-z0-9-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- objects ---------------------------------------------------------------------------------------------------------

ifneq ($(ARCH),)
$(ARM64_ROOT): | $(NEEDED)
	$(call say,fetch libbsd for arm64)
	$(Q)Tools/fetch-arm64.sh $@
endif

# What compilers need, looked for once; and after what a command below installs.
$(O)/ground: | $(NEEDED) $(ARM64_ROOT)
	@$(if $(ARCH),,[ $(FROM) = assembly ] ||) { said=$$($(SWIFTC) --version 2>&1); \
	version=$$(echo "$$said" | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p'); \
	printf '6.3\n%s\n' "$$version" | sort -CV || { \
		! command -v $(SWIFTC) >/dev/null || [ -n "$$version" ] || { echo "$(SWIFTC) --version says: $$said" >&2; \
			echo "It needs the packages that https://swift.org/install names for this system." >&2; exit 1; }; \
		echo "Swift 6.3 or later is needed and $(SWIFTC) is $${version:-not there}: get it from https://swift.org/install" >&2; \
		echo "and put it into PATH, or call make SWIFTC=/where/it/is/usr/bin/swiftc. The sources of a release (make dist)" >&2; \
		echo "need clang instead" >&2; exit 1; }; }
	@for tool in $(CC) $(CLANG) $(LD) $(AR) $(OBJCOPY) $(PKG_CONFIG) python3; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	$(PKG_CONFIG) --exists libbsd 2>/dev/null || missing="$$missing libbsd"; \
	[ -z "$$missing" ] || { echo "missing:$$missing. On Debian, Tools/install-deps.sh $(if $(ARCH),test-arm64,build) installs it" >&2; exit 1; }
	@mkdir -p $(O) && touch $@

SWIFTFLAGS := -O -g -wmo -Xfrontend -function-sections -parse-as-library -swift-version 6 -package-name vionet \
	-enable-experimental-feature Embedded -strict-memory-safety -warnings-as-errors \
	-Xcc -fno-omit-frame-pointer -I include -I Sources/CLinux/include
C_FLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -fPIC -ffunction-sections -fno-omit-frame-pointer \
	-ISources/CLinux/include $(if $(ARCH),-isystem /usr/aarch64-linux-gnu/include)

# For coverage-guided fuzzing (Tests/fuzz/guided.sh): every address is checked, and every edge that is taken noted.
ifeq ($(INSTRUMENT),1)
# Without optimisation there is no debug information of types: the compiler wants to wrap that into an object of the same name.
SWIFTFLAGS += -sanitize=address,fuzzer $(if $(UNOPTIMISED),-Onone -gline-tables-only)
C_FLAGS += -fsanitize=address,fuzzer-no-link
endif
# For ThreadSanitizer (Tests/support/threads.sh): swiftc writes LLVM's language and clang instruments it, since swiftc's own
# pass crashes on SoftDevice. Clang instruments the functions that have the attribute.
EMIT = -c $(1) -o $(2)
ifeq ($(INSTRUMENT),thread)
C_FLAGS += -fsanitize=thread
EMIT = -emit-ir $(1) -o $(2:.o=.ll) && sed -i 's/^attributes \#[0-9]* = { /&sanitize_thread /' $(2:.o=.ll) && \
	$(CLANG) -O1 -g -fPIC -ffunction-sections -fsanitize=thread -c $(2:.o=.ll) -o $(2)
endif

# A module is compiled anew when its flags or its list of files have changed, not whenever this file has.
sources = $(shell find Sources/$(1) -name '*.swift' | sort)
$(O)/%.flags: FORCE
	@mkdir -p $(O)
	@echo '$(SWIFTFLAGS) $(SWIFTFLAGS_$*) $(call sources,$*)' >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

ifeq ($(FROM),assembly)
$(MODULES:%=$(O)/%.o): $(O)/%.o: $(ASSEMBLY)/%.s | $(O)/ground
	$(call say,clang $*)
	$(Q)$(CLANG) $(TARGET) -c $< -o $@
else
# swiftc 6.3 leaves a folder in TMPDIR, and leaves an object alone that would not change.
define module
$(O)/$(1).o: $(call sources,$(1)) $(HEADERS) $(O)/$(1).flags $(IMPORTS_$(1):%=$(O)/%.o) | $(O)/ground
	$$(call say,swiftc $(1))
	@rm -rf $(O)/$(1).tmp && mkdir $(O)/$(1).tmp
	$(Q)TMPDIR=$(abspath $(O)/$(1).tmp) $(SWIFTC) $(SWIFTFLAGS) $(SWIFTFLAGS_$(1)) -I $(O) -module-name $(1) -emit-module \
		-emit-module-path $(O)/$(1).swiftmodule $$(call EMIT,$(call sources,$(1)),$$@)
	@rm -r $(O)/$(1).tmp && touch $$@
endef
$(foreach m,$(MODULES),$(eval $(call module,$(m))))
endif

# What a release has of them, for machines without Swift: sources are named as seen from the tree. With less debug information
# (-gline-tables-only) the compiler makes other code. TARGET_x: how the kind of processor x is compiled for on another; libbsd's headers are the same on all.
MACHINES ?= x86_64 aarch64
CROSS := $(B)/assembly/include
TARGET_aarch64 := -target aarch64-none-none-elf -Xcc -fPIC $(patsubst %,-Xcc -isystem -Xcc %,/usr/aarch64-linux-gnu/include $(CROSS))
define assembly
$(B)/assembly/$(2)/$(1).s: $(call sources,$(1)) $(HEADERS) $(IMPORTS_$(1):%=$(B)/assembly/$(2)/%.s) | $(O)/ground $(CROSS)
	$$(call say,swiftc -emit-assembly $(1) for $(2))
	@mkdir -p $$(@:.s=.tmp)
	$(Q)TMPDIR=$$(abspath $$(@:.s=.tmp)) $(SWIFTC) $(SWIFTFLAGS) $(SWIFTFLAGS_$(1)) \
		$(if $(filter $(2),$(shell uname -m)),,$(TARGET_$(2))) -file-prefix-map $(CURDIR)=. -I $$(@D) -module-name $(1) \
		-emit-module -emit-module-path $$(@:.s=.swiftmodule) -emit-assembly $(call sources,$(1)) -o $$@
	@rm -r $$(@:.s=.tmp)
endef
$(foreach a,$(MACHINES),$(foreach m,$(MODULES),$(eval $(call assembly,$(m),$(a)))))
$(CROSS):
	@mkdir -p $@ && ln -s /usr/include/bsd $@/bsd
assembly: $(foreach a,$(MACHINES),$(MODULES:%=$(B)/assembly/$(a)/%.s))

$(O)/%.o: Sources/CLinux/%.c $(HEADERS) | $(O)/ground
	$(call say,clang CLinux/$*)
	$(Q)$(CLANG) $(TARGET) $(C_FLAGS) -c $< -o $@

objects: $(sort $(foreach l,$(LIBRARIES),$(OBJECTS_$(l))))

# ---- libraries: any C linker will do, nothing of Swift is needed from here on ------------------------------------------------

# $(call link_names,FOLDER/libx.so): the names by which a program finds the library when it runs and when it is linked.
link_names = ln -sf $(notdir $(1)).$(VERSION) $(1).$(SOVERSION) && ln -sf $(notdir $(1)).$(SOVERSION) $(1)

# The section .debug_names confuses gdb 13; the rest of the debug information stays until packaging strips it.
define shared_library
$(B)/lib$(1).so.$(VERSION): $(OBJECTS_$(1)) $(1).map $(NEEDS_$(1):%=$(B)/lib%.so.$(VERSION))
	$$(call say,ld $$(@F))
	$(Q)$(CC) -shared $(LDFLAGS) -o $$@ $(OBJECTS_$(1)) -Wl,-soname,lib$(1).so.$(SOVERSION) -Wl,--version-script=$(1).map \
		-Wl,--gc-sections -Wl,-z,defs -Wl,-z,relro,-z,now -Wl,--as-needed $(LIBS_$(1))
	$(Q)$(OBJCOPY) --remove-section .debug_names $$@
	$(Q)$(call link_names,$(B)/lib$(1).so)
endef
$(foreach l,$(LIBRARIES),$(eval $(call shared_library,$(l))))

# One relocatable object whose only global symbols are the library's own: the weak ones of Swift's runtime must not meet
# those of a program that has its own.
define static_library
$(B)/lib$(1).a: $(OBJECTS_$(1))
	$$(call say,ar $$(@F))
	$(Q)$(LD) -r $(PRUNE_$(1)) -o $(O)/$(1).whole $(OBJECTS_$(1))
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='$(GLOBAL_$(1))' --remove-section .debug_names $(O)/$(1).whole $(O)/$(1).ro
	$(Q)rm -f $$@ && $(AR) rcs $$@ $(O)/$(1).ro
endef
$(foreach l,$(LIBRARIES),$(eval $(call static_library,$(l))))

# ---- install ---------------------------------------------------------------------------------------------------------

# $(call place,DESTDIR,PREFIX,LIBDIR,INCLUDEDIR): everything that a program is built with. What the archive needs of libbsd
# is written out: with Requires.private, pkg-config --cflags would fail wherever libbsd's own file is missing.
define place
$(Q)install -d $(1)$(3)/pkgconfig $(1)$(4)
$(Q)install -m644 $(LIBRARIES:%=include/%.h) $(1)$(4)
$(Q)install -m644 $(STATIC) $(1)$(3)
$(Q)install -m755 $(SHARED) $(1)$(3)
$(Q)for x in $(LIBRARIES); do \
		$(call link_names,$(1)$(3)/lib$$x.so) && \
		install -D -m644 pkgconfig/$$x-config.cmake $(1)$(3)/cmake/$$x/$$x-config.cmake && \
		sed "s|@PREFIX@|$(2)|;s|@LIBDIR@|$(3)|;s|@INCLUDEDIR@|$(4)|;s|@VERSION@|$(VERSION)|;\
			s|@LIBS_PRIVATE@|$$($(PKG_CONFIG) --static --libs-only-l libbsd)|" \
			pkgconfig/$$x.pc.in >$(1)$(3)/pkgconfig/$$x.pc || exit 1; done
endef

##@ Install; PREFIX, LIBDIR, INCLUDEDIR, BINDIR, SHAREDIR and DESTDIR are honoured
install: all install-files install-examples install-man ## the libraries, headers, pkg-config files, the manual and the examples as programs

install-files: $(SHARED) $(STATIC) ## the libraries, headers and pkg-config files alone
	$(call say,install $(DESTDIR)$(PREFIX))
	$(call place,$(DESTDIR),$(PREFIX),$(LIBDIR),$(INCLUDEDIR))

install-examples: $(EXAMPLES) ## the examples in C, as programs
	$(Q)install -d $(DESTDIR)$(BINDIR)
	$(Q)install -m755 $(STRIP) $(EXAMPLES) $(DESTDIR)$(BINDIR)

install-httpd: httpd man ## the web server and its page
	$(Q)install -D -m755 $(STRIP) $(B)/examples/vionet-httpd $(DESTDIR)$(BINDIR)/vionet-httpd
	$(Q)install -D -m644 $(MAN)/man1/vionet-httpd.1 $(SHARE)/man/man1/vionet-httpd.1

install-man: man ## the pages of the manual
	$(Q)for x in man1 man3 man7; do \
		install -d $(SHARE)/man/$$x && find $(MAN)/$$x -type f ! -name vionet-httpd.1 -exec install -m644 -t $(SHARE)/man/$$x {} + && \
		find $(MAN)/$$x -type l -exec cp -P -t $(SHARE)/man/$$x {} + || exit 1; done

uninstall: man ## removes what install installed
	$(Q)cd $(MAN) && for x in man[137]/*; do rm -f "$(SHARE)/man/$$x"; done
	$(Q)rm -f $(patsubst $(B)/examples/%,$(DESTDIR)$(BINDIR)/%,$(EXAMPLES) $(B)/examples/vionet-httpd)
	$(Q)cd $(DESTDIR)$(LIBDIR) && rm -f $(foreach l,$(LIBRARIES),lib$(l).a lib$(l).so lib$(l).so.$(SOVERSION) \
		lib$(l).so.$(VERSION) pkgconfig/$(l).pc cmake/$(l)/$(l)-config.cmake)
	$(Q)rm -f $(LIBRARIES:%=$(DESTDIR)$(INCLUDEDIR)/%.h)

# ---- the manual: written from the headers, docs/addresses.md and the examples -----------------------------------------------

MAN := $(B)/man
MANUAL := $(wildcard Tools/manual/*.py include/*.h examples/*.c examples/httpd/vionet-httpd.c) docs/addresses.md README.md
$(MAN)/written: $(MANUAL)
	$(call say,write the manual)
	$(Q)rm -rf $(MAN) && python3 -B Tools/manual/write.py $(MAN) && touch $@
man: $(MAN)/written ## the manual, build/man: man -M build/man vionet
man-html: man ## the same as HTML, with mandoc: build/man/html/vionet.3.html
	$(Q)rm -rf $(MAN)/html && mkdir $(MAN)/html && cp Tools/vionetctl/man/vionetctl.1 $(MAN)/html
	$(Q)cd $(MAN)/html && for x in ../man[137]/* vionetctl.1; do \
		if [ -L "$$x" ]; then ln -s "$$(readlink "$$x").html" "$${x##*/}.html"; \
		else mandoc -Thtml -O toc,man=%N.%S.html "$$x" >"$${x##*/}.html"; fi || exit 1; done; rm vionetctl.1

site: man-html ## the pages and the manual as a web site, build/site; every link inside is looked at
	$(call say,sphinx-build)
	$(Q)python3 -B Tools/site/build.py $(B)/site $(MAN)/html

pictures: ## draws docs/pictures from the texts in Tools/pictures, and docs/recordings from what terminals showed
	$(Q)for x in Tools/pictures/*.dot; do dot -Tsvg "$$x" -o "docs/pictures/$$(basename "$$x" .dot).svg" || exit 1; done
	$(Q)for x in docs/recordings/*.cast; do $(DRAW_RECORDING) "$$x" "$${x%.cast}.svg" >/dev/null 2>&1 || exit 1; done
DRAW_RECORDING := termtosvg render -m 100 -M 2000 -D 3000 -t window_frame
recordings: all vionetctl ## records make demo and vionetctl stats --watch anew, docs/recordings
	$(Q)Tools/recording/record.sh
	$(Q)$(MAKE) -s pictures

# What is kept in the tree and is written from something else in it. Tables of measurements keep what was measured.
pages: pictures vionetctl-manual ## writes pages, tables, charts, pictures and bindings anew: git diff shows nothing
	$(Q)bench/run.py --chart
	$(Q)Tests/gates/conformance.py --write
	$(Q)Tools/bindings.py
	$(Q)rm -f $(B)/misuse.md; Tests/run.sh --only '^abi-each-function ' >$(B)/pages.log 2>&1 || [ -e $(B)/misuse.md ]
	$(Q)[ ! -e $(B)/misuse.md ] || mv $(B)/misuse.md docs

# The same in build/stage, for what is built here as a user builds it: with pkg-config. One of its files tells its age.
STAGED := $(STAGE)/lib/pkgconfig/vionet.pc
STAGED_CONFIG := PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG)
$(STAGED): $(SHARED) $(STATIC) $(wildcard include/*.h pkgconfig/*)
	$(call say,install $(B)/stage)
	$(call place,,$(STAGE),$(STAGE)/lib,$(STAGE)/include)
	@touch $@

# ---- examples --------------------------------------------------------------------------------------------------------

# They look for the library beside themselves, built or installed, then wherever the system does. PACKAGE and LINKED may
# differ for one of them: the program that loads the library has it neither linked nor inside.
PACKAGE := vionet
LINKED = $$($(STAGED_CONFIG) --libs $(PACKAGE)) $(RPATH)
$(B)/examples/vionet-fwd-control: PACKAGE := vionet-control
$(B)/examples/vionet-fwd-dlopen: LINKED := -ldl
$(B)/examples/vionet-responder $(B)/examples/vionet-gateway: $(wildcard examples/*.h)
$(B)/examples/%: examples/%.c $(STAGED)
	$(call say,cc $*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $$($(STAGED_CONFIG) --cflags $(PACKAGE)) $< -o $@ $(LINKED)

# A web server with lwIP, whose sources come from Debian, or with a release: they are built with settings of its own.
LWIP := $(or $(patsubst %/src/core/tcp.c,%,$(wildcard lwip/src/core/tcp.c)),$(B)/lwip)
HTTPD_FLAGS = -std=gnu11 -D_GNU_SOURCE $(filter-out -W%,$(CFLAGS)) -Iexamples/httpd -I$(LWIP)/src/include \
	$$($(STAGED_CONFIG) --cflags vionet-control)
$(B)/examples/vionet-httpd: PACKAGE := vionet-control
$(B)/lwip/src/core/tcp.c: Tools/fetch-lwip.sh
	$(call say,fetch lwIP)
	$(Q)Tools/fetch-lwip.sh $(@:%/src/core/tcp.c=%) && touch $@
$(B)/liblwip.a: $(LWIP)/src/core/tcp.c $(wildcard examples/httpd/*.h examples/httpd/arch/*.h) $(STAGED)
	$(call say,cc lwIP)
	$(Q)rm -rf $@ $(B)/lwip-objects && mkdir $(B)/lwip-objects
	$(Q)for x in $$(cd $(LWIP)/src && ls core/*.c core/ipv4/*.c netif/ethernet.c apps/http/httpd.c apps/http/fs.c); do \
		$(CC) $(CPPFLAGS) $(HTTPD_FLAGS) -c $(LWIP)/src/$$x -o $(B)/lwip-objects/$$(basename $$x .c).o || exit 1; done
	$(Q)$(AR) rcs $@ $(B)/lwip-objects/*.o
$(B)/examples/vionet-httpd: $(wildcard examples/httpd/*.c) $(B)/liblwip.a
	$(call say,cc vionet-httpd)
	$(Q)$(CC) $(CPPFLAGS) -Wall -Wextra -Werror $(HTTPD_FLAGS) $(LDFLAGS) examples/httpd/*.c -o $@ $(B)/liblwip.a $(LINKED)

# ---- bench: measuring programs, for each front-end from the same loops ---------------------------------------------------

BENCH := $(B)/bench/bin
FLAGS_vionet := -Iinclude
LIBS_vionet_front = -L$(B) -lvionet -Wl,-rpath,'$$ORIGIN/../..'
FLAGS_dpdk = $$(pkg-config --cflags libdpdk)
LIBS_dpdk_front := -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_eal
# Both in one process, for offloads in software.
FLAGS_both = $(FLAGS_vionet) $(FLAGS_dpdk)
LIBS_both_front = $(LIBS_vionet_front) -lrte_gso -lrte_net $(LIBS_dpdk_front)

# $(call bench_program,NAME,FRONT-END if any,FILES of bench/harness,OPTIMISATION)
define bench_program
bench-programs: $(BENCH)/$(1)
$(BENCH)/$(1): $(wildcard bench/harness/*) $(if $(filter vionet both,$(2)),include/vionet.h $(B)/libvionet.so.$(VERSION))
	$$(call say,cc $(1))
	@mkdir -p $(BENCH)
	$(Q)$(CC) -std=gnu11 $(4) -g -Wall -Wextra -pthread $$(FLAGS_$(2)) $(3:%=bench/harness/%.c) -o $$@ $$(LIBS_$(2)_front)
endef
$(foreach f,vionet dpdk lean,\
	$(eval $(call bench_program,measure-$(f),$(f),main measure backend worker $(f),-O3 -march=native)) \
	$(eval $(call bench_program,count-$(f),$(f),main measure backend worker $(f),-O2))) # callgrind knows no newer instructions
# The fair front-end's instructions are those of any x86-64, as the library's are.
$(eval $(call bench_program,measure-fair,,main measure backend worker fair fair_any,-O3))
$(eval $(call bench_program,count-fair,,main measure backend worker fair fair_any,-O2))
$(foreach f,vionet dpdk,\
	$(eval $(call bench_program,waiting-$(f),$(f),waiting paced worker backend $(f),-O3 -march=native)) \
	$(eval $(call bench_program,latency-$(f),$(f),latency worker backend $(f),-O3 -march=native)))
$(eval $(call bench_program,reflect,,backend worker reflect,-O3 -march=native))
$(eval $(call bench_program,serve,,backend worker serve,-O3 -march=native))
$(eval $(call bench_program,afpacket,,backend worker afpacket,-O3 -march=native))
$(eval $(call bench_program,software,both,software,-O3 -march=native))
$(eval $(call bench_program,device,vionet,worker backend device,-O3 -march=native))

# ---- vionetctl: a package of its own, built against build/stage as by a user ------------------------------------------------

# Swift's own libraries are linked in, so that it runs where there is no Swift. It looks for libvionet beside itself,
# installed or not, then wherever the system does.
SWIFT_BUILD = PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(SWIFT) build -c release --package-path Tools/vionetctl \
	--scratch-path $(B)/vionetctl
$(TOOL): $(shell find Tools/vionetctl -name .build -prune -o -type f ! -name Package.resolved -print) $(STAGED)
	$(call say,swift build vionetctl)
	@mkdir -p $(@D) $(B)/vionetctl.tmp
	$(Q)TMPDIR=$(abspath $(B)/vionetctl.tmp) $(SWIFT_BUILD) --product vionetctl --static-swift-stdlib --disable-local-rpath \
		$(if $(RPATH),-Xlinker -rpath -Xlinker '$$ORIGIN/../lib' -Xlinker -rpath -Xlinker '$$ORIGIN/..') $(call hush,$(B)/vionetctl.log)
	@rm -r $(B)/vionetctl.tmp
	$(Q)install -m755 $(STRIP) $(B)/vionetctl/release/vionetctl $@

# Kept in the tree, since what writes it, a part of the argument parser, takes minutes to build.
vionetctl-manual: $(TOOL) ## writes vionetctl's page of the manual anew; its date stays if nothing else changes
	$(call say,swift build generate-manual)
	$(Q)$(SWIFT_BUILD) --product generate-manual $(call hush,$(B)/vionetctl-manual.log)
	$(Q)mkdir -p $(B)/vionetctl-man && $(B)/vionetctl/release/generate-manual $(TOOL) --section 1 --date $$(date +%F) -o $(B)/vionetctl-man
	$(Q)Tools/vionetctl/tidy-manual.py $(B)/vionetctl-man/vionetctl.1
	$(Q)cd $(B)/vionetctl-man && diff -I '^\.Dd ' vionetctl.1 $(CURDIR)/Tools/vionetctl/man/vionetctl.1 >/dev/null || \
		cp vionetctl.1 $(CURDIR)/Tools/vionetctl/man

# Where each shell looks for completions.
SHARE := $(DESTDIR)$(SHAREDIR)
COMPLETIONS := bash:$(SHARE)/bash-completion/completions/vionetctl zsh:$(SHARE)/zsh/site-functions/_vionetctl \
	fish:$(SHARE)/fish/vendor_completions.d/vionetctl.fish
install-vionetctl: vionetctl ## the tool, its page of the manual and its completions
	$(call say,install $(DESTDIR)$(BINDIR)/vionetctl)
	$(Q)install -D -m755 $(TOOL) $(DESTDIR)$(BINDIR)/vionetctl
	$(Q)install -D -m644 Tools/vionetctl/man/vionetctl.1 $(SHARE)/man/man1/vionetctl.1
	$(Q)install -D -m755 Tools/vionetctl/extcap/vionet-extcap $(SHARE)/vionet/extcap/vionet-extcap
	$(Q)for x in $(COMPLETIONS); do \
		install -d "$$(dirname "$${x#*:}")" && $(TOOL) --generate-completion-script "$${x%%:*}" >"$${x#*:}" || exit 1; done

uninstall-vionetctl: ## removes them
	$(Q)rm -f $(DESTDIR)$(BINDIR)/vionetctl $(SHARE)/man/man1/vionetctl.1 $(SHARE)/vionet/extcap/vionet-extcap $(foreach x,$(COMPLETIONS),$(lastword $(subst :, ,$(x))))

# ---- a release: sources with the compiler's assembly, and Debian packages from them -------------------------------------------

RELEASE := vionet-$(VERSION)
##@ Release
# What vionet-httpd needs of lwIP.
LWIP_SOURCES := COPYING $(addprefix src/,core include/lwip netif/ethernet.c apps/http/httpd.c apps/http/httpd_structs.h apps/http/fs.c \
	include/netif/ethernet.h include/netif/ppp/ppp_impl.h include/netif/ppp/ppp_opts.h)
dist: $(B)/$(RELEASE).tar.xz ## sources of a release, from which a machine without Swift builds the same libraries
$(B)/$(RELEASE).tar.xz: assembly $(B)/lwip/src/core/tcp.c FORCE
	$(call say,tar $(@F))
	$(Q)git ls-files | tar --create --xz --file $@ --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@$$(git log -1 --format=%ct) --transform 's|^$(B)/||;s|^|$(RELEASE)/|' \
		--files-from=- $(foreach a,$(MACHINES),$(MODULES:%=$(B)/assembly/$(a)/%.s)) $(LWIP_SOURCES:%=$(B)/lwip/%)
deb: dist ## Debian packages, build/deb; vionetctl's only where there is Swift
	$(Q)rm -rf $(B)/deb && mkdir $(B)/deb && cp $(B)/$(RELEASE).tar.xz $(B)/deb/vionet_$(VERSION).orig.tar.xz
	$(Q)tar -C $(B)/deb -xf $(B)/$(RELEASE).tar.xz
	$(call say,dpkg-buildpackage)
	$(Q)cd $(B)/deb/$(RELEASE) && dpkg-buildpackage -us -uc -Ppkg.vionet.swift $(call hush,../log)
	$(Q)lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs $(B)/deb/*.changes
abi: ## writes abi/, what a release promises (docs/abi.md), anew
	$(Q)Tests/gates/abi.py --write

# ---- demo, tests, bench: each installs what it needs and cleans up after itself ---------------------------------------------

##@ Try and check; each installs what it needs
demo: all ## kernel TCP through a C program that drives two virtio-net devices
	@Tools/demo/demo.sh
test: all vionetctl ## everything that is checked
	@Tests/run.sh
test-arm64: ## ARCH=arm64 and the tests of the C interface in an emulator
	@$(MAKE) ARCH=arm64 all && Tests/support/arm64.sh
test-guest: all vionetctl ## PCI devices alone, in QEMU guests, in full length
	@Tests/guest/run-guest.sh
test-plans: all ## DPDK's test plans for virtio-user in full length, as a table of paths and tests
	@Tests/wire/dpdk-test-plans.sh full
test-restarts: all ## back-ends killed and started again under traffic, 1000 times in each mode; testpmd 250
	@Tests/wire/back-end-restarts.sh 1000 && Tests/wire/dpdk-back-end-restarts.sh 250
test-killed: all ## front-ends killed and started again under traffic, 1000 times on our device and on testpmd
	@Tests/wire/front-end-restarts.sh 1000 && Tests/wire/dpdk-front-end-restarts.sh 1000
test-ovs: all ## two programs on a bridge of Open vSwitch: 10 million frames, and 20 times it is killed
	@Tests/wire/dpdk-ovs.sh 10000000 20
test-wakeups: all ## a million frames, each of which wakes a sleeper, and a million sleeps of senders, on every kind of ring
	@Tests/support/wakeups.sh 1000000
test-soak: all ## 1000 flaps of a link, 200 resets of queues, 100 recoveries under traffic, on each kind of ring
	@Tests/support/soak.sh 1000 200 100
test-models: all ## Spin's models of what threads, driver and device do to each other, with more packets and threads
	@VIONET_MODELS=large Tests/models/models.sh
conformance: ## how many of the specifications' rules are tested, by area; fails if one has no verdict
	@Tests/gates/conformance.py --counts
test-packages: all deb ## the packages built in a Debian without Swift, and used in another as a new user would
	@Tests/support/packages.sh
test-peers: all vionetctl httpd ## newer peers, downloaded: passt, DPDK, QEMU and kernels of Debian 13; docs/peers.md has what came out
	@Tests/support/peers.sh
test-roots: ## make demo on new machines: Debian 12 and 13 as debootstrap makes them, with gcc, python3, make and this Swift
	@Tests/support/roots.sh
test-mtcp: all ## mTCP, made for DPDK, on examples/vionet_dpdk.h: its web server gives curl a file; MTCP is its repository
	@Tests/support/mtcp.sh $(MTCP)
test-dashboard: all ## Prometheus answers what the dashboard asks, and chromium draws the page of examples/charts
	@Tests/support/dashboard.sh
test-failures: all ## every call of the library's fails or is interrupted once; 10 rounds with slow and silent back-ends
	@Tests/support/failures.sh 10
test-threads: all ## what threads do to each other, under ThreadSanitizer
	@Tests/support/threads.sh
fuzz: all ## invented devices for FUZZ_SECONDS (600), guided by what they reach in the library
	@Tests/fuzz/guided.sh $${FUZZ_SECONDS:-600}
hostile: all ## what it withstands, in figures: fuzz targets for FUZZ_SECONDS (600), and each marked check left out
	@Tests/support/hostile.sh $${FUZZ_SECONDS:-600}

##@ Measure
bench: all ## packets per second, beside DPDK's own front-end
	@bench/run.py
bench-guest: all ## the same in a QEMU guest, beside DPDK's testpmd
	@Tests/guest/run-guest.sh bench-forward bench-vhost-net
bench-programs: ## the measuring programs, which bench builds too

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*##.*/\1/p' Makefile) objects assembly $(PURPOSES:%=needed-for-%) FORCE

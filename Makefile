# SPDX-License-Identifier: BSD-2-Clause
# make            build/millrace
# make test       all tests (scripts/test.sh)
# make asan       unit and end-to-end tests under ASan and UBSan
# make fuzz       the fuzzers; scripts/fuzz.sh runs them
# make demo       the main job, shown (scripts/demo.sh); demo-vm: with kTLS
# make bench      what millrace costs beside its peers (bench/README.md)
# make bench-vm   instructions for each byte and connection, counted in machines
# make install    into DESTDIR/PREFIX, with the unit and all that it needs
# make deb        a Debian package, build/millrace_VERSION_ARCH.deb
# make vm-test    the end-to-end tests on a kernel with kTLS: KERNEL=6.1|6.12|7.2
# make vm-service the package under a real systemd there; KERNEL=trixie: Debian 13

CC := gcc
BUILD ?= build
PACKAGES := openssl liburing yaml-0.1 libmicrohttpd libsystemd libmnl libbpf \
	libcares jansson libcap-ng libseccomp libsodium
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wformat-security -Wnull-dereference \
	-Wduplicated-cond -Wlogical-op -Wimplicit-fallthrough -Wconversion \
	-Wno-sign-conversion
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE \
	-fstack-clash-protection -fcf-protection
SANITIZE ?=
ifneq ($(SANITIZE),)
HARDENING := -fPIE -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
endif
CFLAGS ?= -O2 -g
export BUILD DESTDIR PREFIX SYSCONFDIR UNITDIR
CPPFLAGS += -D_GNU_SOURCE -Iuser -Iinclude -Ikernel -Ibench -I$(BUILD)
override CFLAGS += -std=gnu11 $(WARNINGS) $(HARDENING) -pthread \
	$(shell pkg-config --cflags $(PACKAGES))
LDFLAGS += -pie -Wl,-z,relro,-z,now $(HARDENING) -pthread
LDLIBS += $(shell pkg-config --libs $(PACKAGES))
# It has no .pc file, and exists for this architecture alone (tls/gcm.c).
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine)),)
LDLIBS += -lIPSec_MB
endif

SOURCES := $(wildcard user/*/*.c kernel/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LOAD := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/load/*.c))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*.c))

.PHONY: all fault clean skeletons unit unit-programs test asan demo demo-vm
.PHONY: vm-test vm-service bench bench-vm bench-deps install uninstall deb
.PHONY: fuzz fuzz-programs
all: $(BUILD)/millrace $(BUILD)/millrace-bench

$(BUILD)/millrace: $(OBJECTS) $(BUILD)/user/main.o
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# What it shares with the daemon: floor 0.
$(BUILD)/millrace-bench: $(LOAD) $(BUILD)/user/base/addr.o \
		$(BUILD)/user/base/err.o
	$(CC) $(LDFLAGS) -o $@ $^ -lssl -lcrypto -lm

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# What a BPF program becomes: an object, and a header that holds it.
BPF_CFLAGS := -target bpf -g -O2 -Wall -Wextra -Werror -Iinclude \
	-I/usr/include/$(shell gcc -dumpmachine)
$(BUILD)/bpf/%.skel.h: bpf/%.bpf.c bpf/maps.h include/abi.h include/counters.h
	@mkdir -p $(@D)
	clang $(BPF_CFLAGS) -c -o $(BUILD)/bpf/$*.bpf.o $<
	echo '#pragma GCC system_header /* NOLINTBEGIN */' > $@.new
	PATH="$$PATH:/usr/sbin" bpftool gen skeleton $(BUILD)/bpf/$*.bpf.o \
		name $*_bpf >> $@.new
	echo '/* NOLINTEND */' >> $@.new
	mv $@.new $@
$(BUILD)/user/bpf/counters.o: $(BUILD)/bpf/counters.skel.h
SKELETONS := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.skel.h,$(wildcard bpf/*.bpf.c))
$(BUILD)/user/bpf/programs.o: $(SKELETONS)
skeletons: $(SKELETONS)

# The daemon with a ring that misbehaves (tests/fault), for the tests alone.
WRAPPED := ring_accept ring_connect ring_recv ring_recv_select ring_send \
	ring_wait buf_take engine_kernel_attach engine_kernel_install
$(BUILD)/fault/millrace: $(OBJECTS) $(BUILD)/user/main.o \
		$(BUILD)/tests/fault/ring_fault.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS)

fault: $(BUILD)/fault/millrace

# The page for people is in the program, as one file.
PAGE := $(addprefix user/admin/page.,html css js)
$(BUILD)/page.html: $(PAGE)
	@mkdir -p $(@D)
	sed -e '/^.\* page\.css \*.$$/{r user/admin/page.css' -e 'd}' \
		-e '/^.\* page\.js \*.$$/{r user/admin/page.js' -e 'd}' \
		$< > $@
$(BUILD)/user/admin/page.o: $(BUILD)/page.html
$(BUILD)/user/admin/page.o: CPPFLAGS += -Wa,-I$(BUILD)

# A unit test links everything but main; what it does not call is dropped.
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(OBJECTS) \
		$(BUILD)/bench/load/histogram.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka -lm

unit-programs: $(UNIT)

unit: $(UNIT)
	@set -e; for test in $(UNIT); do $$test; done

# By clang, in a folder of its own, of the floors that strangers' bytes go
# through. What gcc warns of is told elsewhere.
FUZZ_OBJECTS := $(filter $(addprefix $(BUILD)/user/,base/% config/% tls/%), \
	$(OBJECTS))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
fuzz-programs: $(FUZZ)
$(FUZZ): $(BUILD)/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_OBJECTS)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
fuzz:
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang WARNINGS=-w \
		HARDENING="-fPIE -fno-omit-frame-pointer \
		-fsanitize=fuzzer-no-link,address,undefined \
		-fno-sanitize-recover=all" fuzz-programs

test:
	scripts/test.sh

asan:
	scripts/test.sh --asan

demo:
	scripts/demo.sh

# The same where the kernel has kTLS.
demo-vm: all
	kernel/vm/run.sh $(or $(KERNEL),6.1) -- scripts/demo.sh --no-build

vm-test: all
	kernel/vm/test.sh $(or $(KERNEL),6.1)

vm-service: deb
	kernel/vm/service.sh $(or $(KERNEL),6.1)

# QUICK=1: about two minutes for all questions; ROUNDS=N instead of theirs.
bench-deps:
	scripts/deps.sh bench

bench: all
	/usr/bin/python3 bench/all.py $(if $(QUICK),--quick) \
		$(if $(ROUNDS),--rounds $(ROUNDS))

bench-vm: all
	/usr/bin/python3 bench/vm.py $(KERNEL)

# scripts/install.sh has the list.
install: all
	scripts/install.sh install

# Removes what install put there; the configuration stays.
uninstall:
	scripts/install.sh uninstall

deb: all
	scripts/deb.sh

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(BUILD)/user/main.d $(LOAD:.o=.d) $(FUZZ:$(BUILD)/%=$(BUILD)/tests/fuzz/%.d)

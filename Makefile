# SPDX-License-Identifier: BSD-2-Clause
# make            build/millrace
# make test       all tests (scripts/test.sh)
# make asan       unit and end-to-end tests under ASan and UBSan
# make demo       the main job, shown (scripts/demo.sh)
# make vm-test    the end-to-end tests on a kernel with kTLS: KERNEL=6.1|6.12|7.2

CC := gcc
BUILD ?= build
PACKAGES := openssl liburing yaml-0.1 libmicrohttpd libsystemd libmnl libbpf
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
CPPFLAGS += -D_GNU_SOURCE -Iuser -Iinclude -I$(BUILD)
override CFLAGS += -std=gnu11 $(WARNINGS) $(HARDENING) -pthread \
	$(shell pkg-config --cflags $(PACKAGES))
LDFLAGS += -pie -Wl,-z,relro,-z,now $(HARDENING) -pthread
LDLIBS += $(shell pkg-config --libs $(PACKAGES))

SOURCES := $(wildcard user/*/*.c) kernel/probe.c
SOURCES := $(wildcard $(SOURCES))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*.c))

.PHONY: all clean unit test asan demo vm-test
all: $(BUILD)/millrace

$(BUILD)/millrace: $(OBJECTS) $(BUILD)/user/main.o
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A unit test links everything but main; what it does not call is dropped.
$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

unit: $(UNIT)
	@set -e; for test in $(UNIT); do $$test; done

test:
	scripts/test.sh

asan:
	scripts/test.sh --asan

demo:
	scripts/demo.sh

vm-test: all
	kernel/vm/test.sh $(or $(KERNEL),6.1)

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(BUILD)/user/main.d

/* SPDX-License-Identifier: BSD-2-Clause */
/* Pinned maps of another shape than this version's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cap-ng.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bpffs.h"

/* As an older version might have had them: fewer, and in another order. */
struct older_row {
	char name[COUNTERS_NAME_MAX];
	unsigned int worker;
	unsigned int generation;
	unsigned int schema;
	unsigned int used;
	unsigned long long tx_bytes;
	unsigned long long forgotten;
	unsigned long long cx_total;
	unsigned int rx_bytes; /* of another size: it cannot be kept */
	unsigned int nothing;
	unsigned long long cx_active;
};

static int pin_map(const char *path, size_t value_size, struct btf *btf,
		   int key_type, int value_type)
{
	struct bpf_map_create_opts options = {
		.sz = sizeof(options),
		.map_flags = BPF_F_MMAPABLE,
		.btf_fd = btf ? (__u32)btf__fd(btf) : 0,
		.btf_key_type_id = (__u32)key_type,
		.btf_value_type_id = (__u32)value_type,
	};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "listeners", 4,
				(__u32)value_size, 200, &options);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	return fd;
}

static int pin_older_map(const char *path)
{
	struct btf *btf = btf__new_empty();
	int u32 = btf__add_int(btf, "unsigned int", 4, 0);
	int u64 = btf__add_int(btf, "unsigned long long", 8, 0);
	int character = btf__add_int(btf, "char", 1, 0);
	int array = btf__add_array(btf, u32, character, COUNTERS_NAME_MAX);
	int row = btf__add_struct(btf, "older_row", sizeof(struct older_row));
	int fd;

#define FIELD(type, field)                                                     \
	assert_int_equal(                                                      \
		btf__add_field(btf, #field, type,                              \
			       8 * (int)offsetof(struct older_row, field), 0), \
		0)
	FIELD(array, name);
	FIELD(u32, worker);
	FIELD(u32, generation);
	FIELD(u32, schema);
	FIELD(u32, used);
	FIELD(u64, tx_bytes);
	FIELD(u64, forgotten);
	FIELD(u64, cx_total);
	FIELD(u32, rx_bytes);
	FIELD(u32, nothing);
	FIELD(u64, cx_active);
#undef FIELD
	assert_int_equal(btf__load_into_kernel(btf), 0);
	fd = pin_map(path, sizeof(struct older_row), btf, u32, row);
	btf__free(btf);
	return fd;
}

static void an_older_layout_migrates_by_field_name(void **state)
{
	char path[64], pin[80];
	struct config config = config_in(path, "older", 2);
	struct older_row old = {
		.name = "l1",
		.worker = 1,
		.generation = 41,
		.used = 1,
		.tx_bytes = 1ull << 50,
		.forgotten = 77,
		.cx_total = 5,
		.rx_bytes = 66,
		.cx_active = 8,
	};
	struct counters *counters;
	struct listener_row *row;
	__u32 last = 199;
	int fd;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(pin, sizeof(pin), "%s/listeners", path);
	fd = pin_older_map(pin);
	assert_int_equal(bpf_map_update_elem(fd, &last, &old, BPF_ANY), 0);
	close(fd);

	counters = open_pinned(&config, 2);
	row = counters_listener(counters, 1, 1);
	assert_int_equal(row->tx_bytes, 1ull << 50);
	assert_int_equal(row->cx_total, 5);
	assert_int_equal(row->rx_bytes, 0);
	assert_int_equal(row->cx_active, 0);
	assert_int_equal(row->generation, 42);
	assert_int_not_equal(row->schema, 0);
	assert_string_equal(row->address, "127.0.0.1_8443");
	row->ssl_handshake = 3;
	/* the pin is the new map now, and nothing else lies there */
	assert_int_equal(sum_by_bpftool(path, "listeners", "ssl_handshake"), 3);
	assert_int_equal(files_in(path), 6);
	counters_close(counters);
}

static void a_strange_map_is_left_alone(void **state)
{
	char path[64], pin[80];
	struct config config = config_in(path, "strange", 1);
	int fd;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(pin, sizeof(pin), "%s/listeners", path);
	close(pin_map(pin, sizeof(struct listener_row), NULL, 0, 0));
	expect_plain(&config, "cannot be pinned: File exists");
	assert_int_equal(files_in(path), 1);
	fd = bpf_obj_get(pin);
	assert_true(fd >= 0);
	close(fd);
}

/* As the service has it: BPF, without what the kernel describes maps to. */
static int count_with_bpf_alone(const struct config *config,
				unsigned long long *ret_handshakes)
{
	struct counters *counters;
	struct err err = {""};
	struct listener_row *row;

	capng_clear(CAPNG_SELECT_CAPS);
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_BPF,
		      CAP_DAC_OVERRIDE, -1);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0 ||
	    counters_open(config, 1, &counters, &err) != 0 ||
	    !counters_pinned(counters))
		return 1;
	row = counters_listener(counters, 0, 0);
	*ret_handshakes = row->ssl_handshake++;
	counters_close(counters);
	return 0;
}

static void expect_with_bpf_alone(const struct config *config,
				  unsigned long long handshakes)
{
	unsigned long long found = 0;
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(count_with_bpf_alone(config, &found) ? 255 : (int)found);
	assert_int_not_equal(child, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), handshakes);
}

static void bpf_alone_is_enough(void **state)
{
	char path[64], pin[80];
	struct config config = config_in(path, "alone", 1);
	struct older_row old = {.name = "l0", .schema = 1, .used = 1};
	__u32 first = 0;
	int fd;

	(void)state;
	expect_with_bpf_alone(&config, 0);
	expect_with_bpf_alone(&config, 1);
	expect_with_bpf_alone(&config, 2);
	assert_int_equal(sum_by_bpftool(path, "listeners", "ssl_handshake"), 3);

	/* Another layout, which it cannot read: from 0, and pinned anew. */
	snprintf(pin, sizeof(pin), "%s/listeners", path);
	assert_int_equal(unlink(pin), 0);
	fd = pin_older_map(pin);
	assert_int_equal(bpf_map_update_elem(fd, &first, &old, BPF_ANY), 0);
	close(fd);
	expect_with_bpf_alone(&config, 0);
	expect_with_bpf_alone(&config, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bpf_alone_is_enough),
		cmocka_unit_test(an_older_layout_migrates_by_field_name),
		cmocka_unit_test(a_strange_map_is_left_alone),
	};

	return cmocka_run_group_tests(tests, mount_bpffs, unmount_bpffs);
}

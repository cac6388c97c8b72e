/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "base/mounts.h"
#include "probe.h"

/* r0 = value; exit: what each program type takes for "go on". */
static int try_program(enum bpf_prog_type type, enum bpf_attach_type attach,
		       int value)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_0,
		 .imm = value},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = attach);
	int fd = bpf_prog_load(type, "millrace_probe", "GPL", program, 2,
			       &options);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_mmapable(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "millrace_probe", 4, 8, 1,
				&options);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Of int to int: this type of map demands that its types be described. */
static int try_storage_of(struct btf *types)
{
	LIBBPF_OPTS(bpf_map_create_opts, options,
		    .map_flags = BPF_F_NO_PREALLOC);
	int type = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
	int fd;

	if (type < 0)
		return type;
	fd = btf__load_into_kernel(types);
	if (fd < 0)
		return fd;
	options.btf_fd = (__u32)btf__fd(types);
	options.btf_key_type_id = (__u32)type;
	options.btf_value_type_id = (__u32)type;
	fd = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "millrace_probe", 4, 4, 0,
			    &options);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_sk_storage(void)
{
	struct btf *types = btf__new_empty();
	int r;

	if (!types)
		return -errno;
	r = try_storage_of(types);
	btf__free(types);
	return r;
}

static int try_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return -errno;
	btf__free(btf);
	return 0;
}

void probe_bpf(struct probe *probe)
{
	char path[4096];
	libbpf_print_fn_t before = libbpf_set_print(NULL);

	probe_note(probe, PROBE_BPF_MMAPABLE, try_mmapable());
	probe_note(probe, PROBE_BPFFS, mounts_find("bpf", path, sizeof(path)));
	probe_note(probe, PROBE_BTF, try_btf());
	probe_note(probe, PROBE_BPF_CONNECT4,
		   try_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			       BPF_CGROUP_INET4_CONNECT, 1));
	probe_note(probe, PROBE_BPF_CONNECT6,
		   try_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			       BPF_CGROUP_INET6_CONNECT, 1));
	probe_note(probe, PROBE_BPF_GETPEERNAME4,
		   try_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			       BPF_CGROUP_INET4_GETPEERNAME, 1));
	probe_note(probe, PROBE_BPF_GETPEERNAME6,
		   try_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			       BPF_CGROUP_INET6_GETPEERNAME, 1));
	probe_note(probe, PROBE_BPF_GETSOCKOPT,
		   try_program(BPF_PROG_TYPE_CGROUP_SOCKOPT,
			       BPF_CGROUP_GETSOCKOPT, 1));
	probe_note(probe, PROBE_BPF_SOCK_OPS,
		   try_program(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1));
	probe_note(probe, PROBE_BPF_SKB,
		   try_program(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS,
			       1));
	probe_note(probe, PROBE_BPF_SK_LOOKUP,
		   try_program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1));
	probe_note(probe, PROBE_BPF_REUSEPORT,
		   try_program(BPF_PROG_TYPE_SK_REUSEPORT,
			       BPF_SK_REUSEPORT_SELECT, 1));
	probe_note(probe, PROBE_BPF_SK_STORAGE, try_sk_storage());
	libbpf_set_print(before);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/guard.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/programs.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#define NAME_MAX_BYTES 128
#define BTF_TYPE "tls_context"

struct guard {
	struct programs *programs;
	const char *packets; /* the packet program that was loaded */
};

/*
 * Whether there is a TLS ULP: asking for it loads the module, and a socket
 * without a connection is refused only where it was found.
 */
static bool has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	found = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) ==
			0 ||
		errno == ENOTCONN;
	close(fd);
	return found;
}

static bool has_type(struct btf *btf)
{
	return btf &&
	       btf__find_by_name_kind(btf, BTF_TYPE, BTF_KIND_STRUCT) >= 0;
}

bool guard_truth_possible(void)
{
	struct btf *base, *module = NULL;
	__u32 id;
	bool possible;

	/* The type alone says nothing: it may be there without the code. */
	if (!has_tls())
		return false;
	base = btf__load_vmlinux_btf();
	possible = has_type(base);
	/* libbpf finds modules' types by enumerating BTF. */
	if (!possible && base && bpf_btf_get_next_id(0, &id) == 0) {
		module = btf__load_module_btf("tls", base);
		possible = has_type(module);
	}
	btf__free(module);
	btf__free(base);
	return possible;
}

int guard_load(const char *pin_dir, uint32_t site, bool truth,
	       struct guard **ret, struct err *err)
{
	const struct programs_options options = {
		.pin_dir = pin_dir, .site = site, .truth = truth};
	struct guard *guard = calloc(1, sizeof(*guard));
	int r;

	if (!guard)
		return err_set(err, ENOMEM, "memory is short");
	r = programs_load(PROGRAMS_GUARD, &options, &guard->programs, err);
	if (r) {
		free(guard);
		return r;
	}
	guard->packets = truth ? "guard_truth" : "guard_word";
	*ret = guard;
	return 0;
}

static int attach(const struct guard *guard, struct pins *pins,
		  const char *site, const char *part, const char *program,
		  enum bpf_attach_type type, int cgroup, struct err *err)
{
	char name[NAME_MAX_BYTES];

	if (cgroup < 0)
		return 0;
	snprintf(name, sizeof(name), "%s_%s", site, part);
	return pins_attach(pins, name, programs_fd(guard->programs, program),
			   type, cgroup, NULL, err);
}

int guard_packets(const struct guard *guard, struct pins *pins,
		  const char *site, const struct guard_targets *targets,
		  struct err *err)
{
	int r;

	/* Whom to answer must be known before anything is dropped. */
	r = attach(guard, pins, site, "guard_accepted", "guard_accepted",
		   BPF_CGROUP_SOCK_OPS, targets->guarded, err);
	if (!r)
		r = attach(guard, pins, site, "guard_accepted_own",
			   "guard_accepted", BPF_CGROUP_SOCK_OPS, targets->own,
			   err);
	if (!r)
		r = attach(guard, pins, site, "guard_packets", guard->packets,
			   BPF_CGROUP_INET_EGRESS, targets->guarded, err);
	if (!r)
		r = attach(guard, pins, site, "guard_packets_own",
			   guard->packets, BPF_CGROUP_INET_EGRESS, targets->own,
			   err);
	return r;
}

static void detach(struct pins *pins, const char *site, const char *part)
{
	char name[NAME_MAX_BYTES];

	snprintf(name, sizeof(name), "%s_%s", site, part);
	pins_detach(pins, name);
}

int guard_connects(const struct guard *guard, struct pins *pins,
		   const char *site, const struct guard_targets *targets,
		   bool behind, struct err *err)
{
	int r;

	/* A program runs after those that were attached before it. */
	if (behind) {
		detach(pins, site, "guard_connect4");
		detach(pins, site, "guard_connect6");
	}
	r = attach(guard, pins, site, "guard_connect4", "guard_connect4",
		   BPF_CGROUP_INET4_CONNECT, targets->guarded, err);
	if (!r)
		r = attach(guard, pins, site, "guard_connect6",
			   "guard_connect6", BPF_CGROUP_INET6_CONNECT,
			   targets->guarded, err);
	if (!r)
		r = attach(guard, pins, site, "guard_connect4_own",
			   "guard_connect4", BPF_CGROUP_INET4_CONNECT,
			   targets->own, err);
	if (!r)
		r = attach(guard, pins, site, "guard_connect6_own",
			   "guard_connect6", BPF_CGROUP_INET6_CONNECT,
			   targets->own, err);
	return r;
}

int guard_protected_map(const struct guard *guard)
{
	return programs_map_fd(guard->programs, "protected");
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	programs_free(guard->programs);
	free(guard);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/intercept.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "bpf/guard.h"
#include "bpf/pins.h"
#include "bpf/programs.h"
#include "bpf/rules.h"
#include "bpf/sockets.h"
#include "net/netns.h"

#define LINK_NAME_SIZE 128

struct site {
	uint32_t index; /* in the table */
	bool truth;
};

struct intercept {
	struct pins *pins;
	struct programs *shared; /* and its maps */
	struct abi_site *table;
	bool adopted;
	struct rules_maps rules; /* protected: -1 until there is a guard */
	struct sockets_maps sockets;
	struct site sites[ABI_SITES_MAX]; /* as in the last spec */
	size_t site_count;
};

/* ---- opening */

static void find_maps(struct intercept *intercept)
{
	const struct programs *shared = intercept->shared;

	intercept->rules = (struct rules_maps){
		.exceptions = programs_map_fd(shared, "exceptions"),
		.networks = programs_map_fd(shared, "networks"),
		.protected = intercept->rules.protected,
		.ports = programs_map_fd(shared, "ports"),
	};
	intercept->sockets = (struct sockets_maps){
		.rows = programs_map_fd(shared, "rows"),
		.origins = programs_map_fd(shared, "origins"),
		.own = programs_map_fd(shared, "own"),
		.sockets = programs_map_fd(shared, "sockets"),
	};
}

static int map_table(struct intercept *intercept)
{
	void *at = mmap(NULL, ABI_SITES_MAX * sizeof(struct abi_site),
			PROT_READ | PROT_WRITE, MAP_SHARED,
			programs_map_fd(intercept->shared, "sites"), 0);

	if (at == MAP_FAILED)
		return -errno;
	intercept->table = at;
	return 0;
}

static void store(__u32 *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

/* ---- sites */

static bool is_idle(const struct abi_site *site)
{
	return !site->used || (!site->egress_port && !site->guard_mode &&
			       !site->shards[ABI_INGRESS]);
}

/* By name, so that its counters go on; else one that nothing works for. */
static int claim(struct intercept *intercept, const char *name,
		 uint32_t *ret_index)
{
	struct abi_site *table = intercept->table;
	uint32_t free_index = ABI_SITES_MAX;

	for (uint32_t i = 0; i < ABI_SITES_MAX; i++) {
		if (table[i].used && strcmp(table[i].name, name) == 0) {
			*ret_index = i;
			return 0;
		}
		if (free_index == ABI_SITES_MAX && !table[i].used)
			free_index = i;
	}
	for (uint32_t i = 0; free_index == ABI_SITES_MAX && i < ABI_SITES_MAX;
	     i++)
		if (is_idle(&table[i]))
			free_index = i;
	if (free_index == ABI_SITES_MAX)
		return -ENOSPC;
	snprintf(table[free_index].name, sizeof(table[free_index].name), "%s",
		 name);
	store(&table[free_index].used, 1);
	*ret_index = free_index;
	return 0;
}

int intercept_claim(struct intercept *intercept,
		    const struct intercept_spec *spec, struct err *err)
{
	if (spec->site_count > ABI_SITES_MAX)
		return err_set(err, E2BIG, "more than %d sites", ABI_SITES_MAX);
	for (size_t i = 0; i < spec->site_count; i++) {
		int r = claim(intercept, spec->sites[i].name,
			      &intercept->sites[i].index);

		if (r)
			return err_set(err, -r, "no room for one more site");
	}
	intercept->site_count = spec->site_count;
	return 0;
}

/* What this spec no longer has does nothing from now on. */
static void silence_others(struct intercept *intercept)
{
	for (uint32_t i = 0; i < ABI_SITES_MAX; i++) {
		bool wanted = false;

		for (size_t k = 0; k < intercept->site_count; k++)
			wanted |= intercept->sites[k].index == i;
		if (wanted || !intercept->table[i].used)
			continue;
		store(&intercept->table[i].egress_port, 0);
		store(&intercept->table[i].guard_mode, ABI_GUARD_OFF);
		store(&intercept->table[i].shards[ABI_EGRESS], 0);
		store(&intercept->table[i].shards[ABI_INGRESS], 0);
	}
}

/* ---- attaching */

static int attach(struct intercept *intercept, const char *site,
		  const struct programs *programs, const char *program,
		  enum bpf_attach_type type, int target, bool *ret_new,
		  struct err *err)
{
	char name[LINK_NAME_SIZE];

	snprintf(name, sizeof(name), "%s_%s", site, program);
	return pins_attach(intercept->pins, name,
			   programs_fd(programs, program), type, target,
			   ret_new, err);
}

/* The daemon's end of every connection lives in its own cgroup. */
static int attach_shared(struct intercept *intercept,
			 const struct intercept_spec *spec, struct err *err)
{
	bool covered = false;
	int cgroup, r;

	for (size_t i = 0; i < spec->site_count; i++)
		covered |= spec->sites[i].egress.cgroup &&
			   cgroups_covers(spec->sites[i].egress.cgroup,
					  spec->cgroup);
	r = cgroups_open(spec->cgroup, &cgroup, err);
	if (r)
		return r;
	r = attach(intercept, "own", intercept->shared, "original_dst",
		   BPF_CGROUP_GETSOCKOPT, cgroup, NULL, err);
	if (!r && !covered)
		r = attach(intercept, "own", intercept->shared, "lives",
			   BPF_CGROUP_SOCK_OPS, cgroup, NULL, err);
	close(cgroup);
	return r;
}

static int attach_steer(struct intercept *intercept, uint32_t index,
			const struct intercept_site *site, uint64_t cookie,
			struct err *err)
{
	const struct programs_options options = {
		.pin_dir = pins_folder(intercept->pins),
		.site = index,
		.netns_cookie = cookie};
	struct programs *programs;
	int netns, r;

	r = programs_load(PROGRAMS_STEER, &options, &programs, err);
	if (r)
		return r;
	r = netns_open(site->netns, &netns, err);
	if (!r) {
		r = attach(intercept, site->name, programs, "steer",
			   BPF_SK_LOOKUP, netns, NULL, err);
		close(netns);
	}
	programs_free(programs);
	return r;
}

static int attach_egress(struct intercept *intercept,
			 const struct intercept_spec *spec, uint32_t index,
			 const struct intercept_site *site, bool *ret_new,
			 struct err *err)
{
	static const struct {
		const char *program;
		enum bpf_attach_type type;
	} links[] = {
		{"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
		{"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
		{"connect4", BPF_CGROUP_INET4_CONNECT},
		{"connect6", BPF_CGROUP_INET6_CONNECT},
	};
	const struct programs_options options = {
		.pin_dir = pins_folder(intercept->pins), .site = index};
	struct programs *programs;
	int cgroup, r;

	r = cgroups_open(site->egress.cgroup, &cgroup, err);
	if (r)
		return r;
	r = programs_load(PROGRAMS_EGRESS, &options, &programs, err);
	if (r) {
		close(cgroup);
		return r;
	}
	/* Both ends' hooks before the first redirection. */
	if (!cgroups_covers(spec->cgroup, site->egress.cgroup) ||
	    cgroups_covers(site->egress.cgroup, spec->cgroup))
		r = attach(intercept, site->name, intercept->shared, "lives",
			   BPF_CGROUP_SOCK_OPS, cgroup, NULL, err);
	*ret_new = false;
	for (size_t i = 0; !r && i < sizeof(links) / sizeof(links[0]); i++) {
		bool is_new = false;

		r = attach(intercept, site->name, programs, links[i].program,
			   links[i].type, cgroup, &is_new, err);
		*ret_new |= is_new;
	}
	close(cgroup);
	programs_free(programs);
	return r;
}

/* ---- one site */

static int open_targets(const struct intercept_spec *spec,
			const struct intercept_guard *guard,
			struct guard_targets *ret, struct err *err)
{
	bool own_covered = cgroups_covers(guard->cgroup, spec->cgroup);
	/* Attached above alone, it would run twice below. */
	bool guard_covered =
		!own_covered && cgroups_covers(spec->cgroup, guard->cgroup);
	int r;

	ret->guarded = -1;
	ret->own = -1;
	r = cgroups_open(guard_covered ? spec->cgroup : guard->cgroup,
			 &ret->guarded, err);
	if (!r && !own_covered && !guard_covered)
		r = cgroups_open(spec->cgroup, &ret->own, err);
	if (r && ret->guarded >= 0)
		close(ret->guarded);
	return r;
}

/* For later changes, which come without loading anything. */
static int keep_protected(struct intercept *intercept,
			  const struct guard *guard, struct err *err)
{
	int *kept = &intercept->rules.protected;

	if (*kept < 0)
		*kept = fcntl(guard_protected_map(guard), F_DUPFD_CLOEXEC, 3);
	return *kept < 0 ? err_set(err, errno, "the guard's map: %s",
				   strerror(errno))
			 : 0;
}

static int put_up_protected(struct intercept *intercept, uint32_t index,
			    const struct intercept_site *site, struct err *err)
{
	struct abi_site *row = &intercept->table[index];
	uint32_t set = 0;
	int r = rules_guard(&intercept->rules, index, row->guard_rules, site,
			    &set, err);

	if (!r)
		store(&row->guard_rules, set);
	return r;
}

static int put_up_guard(struct intercept *intercept, struct site *state,
			const struct intercept_site *site,
			const struct guard_targets *targets,
			struct guard **ret_guard, struct err *err)
{
	struct abi_site *row = &intercept->table[state->index];
	struct guard *guard;
	int r;

	state->truth = guard_truth_possible();
	r = guard_load(pins_folder(intercept->pins), state->index, state->truth,
		       &guard, err);
	if (r)
		return r;
	r = keep_protected(intercept, guard, err);
	if (!r)
		r = put_up_protected(intercept, state->index, site, err);
	if (!r) {
		store(&row->guard_mode, site->guard.mode);
		r = guard_packets(guard, intercept->pins, site->name, targets,
				  err);
	}
	if (r) {
		guard_free(guard);
		return r;
	}
	*ret_guard = guard;
	return 0;
}

static int put_up_rules(struct intercept *intercept, uint32_t index,
			const struct intercept_site *site, uint64_t cookie,
			struct err *err)
{
	struct abi_site *row = &intercept->table[index];
	uint32_t set = 0;
	int r = 0;

	if (site->egress.cgroup)
		r = rules_egress(&intercept->rules, index, row->rules, site,
				 &set, err);
	if (!r)
		r = rules_ports(&intercept->rules, index, cookie,
				&site->ingress.ports, err);
	if (r)
		return r;
	if (site->egress.cgroup)
		store(&row->rules, set);
	store(&row->egress_open, site->egress.fail_open);
	store(&row->ingress_open, site->ingress.fail_open);
	return 0;
}

/* Connections on their way to the port before are let in still. */
static void move_port(struct abi_site *row, uint32_t port)
{
	if (row->egress_port == port)
		return;
	store(&row->egress_port_before, row->egress_port);
	store(&row->egress_port, port);
}

static int put_up_traffic(struct intercept *intercept,
			  const struct intercept_spec *spec, uint32_t index,
			  const struct intercept_site *site, bool *ret_new,
			  struct err *err)
{
	uint64_t cookie;
	int r;

	*ret_new = false;
	r = netns_cookie(site->netns, &cookie, err);
	if (!r)
		r = put_up_rules(intercept, index, site, cookie, err);
	if (!r && (site->egress.cgroup || site->ingress.ports.count))
		r = attach_steer(intercept, index, site, cookie, err);
	if (r)
		return r;
	/* Not before steer is there: somebody might listen on that port. */
	move_port(&intercept->table[index],
		  site->egress.cgroup ? site->egress.port : 0);
	if (site->egress.cgroup)
		r = attach_egress(intercept, spec, index, site, ret_new, err);
	return r;
}

static int put_up_site(struct intercept *intercept,
		       const struct intercept_spec *spec, size_t i,
		       struct err *err)
{
	const struct intercept_site *site = &spec->sites[i];
	struct guard_targets targets = {-1, -1};
	struct guard *guard = NULL;
	bool is_new = false;
	int r = 0;

	if (site->guard.cgroup && site->guard.mode != ABI_GUARD_OFF) {
		r = open_targets(spec, &site->guard, &targets, err);
		if (!r)
			r = put_up_guard(intercept, &intercept->sites[i], site,
					 &targets, &guard, err);
	}
	if (!r)
		r = put_up_traffic(intercept, spec, intercept->sites[i].index,
				   site, &is_new, err);
	if (!r && guard)
		r = guard_connects(guard, intercept->pins, site->name, &targets,
				   is_new, err);
	guard_free(guard);
	if (targets.guarded >= 0)
		close(targets.guarded);
	if (targets.own >= 0)
		close(targets.own);
	return r;
}

/* ---- the whole */

int intercept_follow(struct intercept *intercept,
		     const struct intercept_spec *spec, struct err *err)
{
	int r = intercept_claim(intercept, spec, err);

	pins_begin(intercept->pins);
	if (!r)
		r = attach_shared(intercept, spec, err);
	for (size_t i = 0; !r && i < spec->site_count; i++)
		r = put_up_site(intercept, spec, i, err);
	if (r)
		return r;
	pins_prune(intercept->pins);
	for (size_t i = 0; i < spec->site_count; i++)
		if (!spec->sites[i].guard.cgroup)
			store(&intercept->table[intercept->sites[i].index]
				       .guard_mode,
			      ABI_GUARD_OFF);
	silence_others(intercept);
	return 0;
}

int intercept_refresh(struct intercept *intercept,
		      const struct intercept_spec *spec, struct err *err)
{
	int r = intercept_claim(intercept, spec, err);

	for (size_t i = 0; !r && i < spec->site_count; i++) {
		const struct intercept_site *site = &spec->sites[i];
		uint64_t cookie;

		r = netns_cookie(site->netns, &cookie, err);
		if (!r)
			r = put_up_rules(intercept, intercept->sites[i].index,
					 site, cookie, err);
		if (!r && site->guard.cgroup)
			r = put_up_protected(intercept,
					     intercept->sites[i].index, site,
					     err);
	}
	return r;
}

static int open_maps(struct intercept *intercept, const char *pin_dir,
		     struct err *err)
{
	const struct programs_options options = {.pin_dir = pin_dir};
	int r = programs_load(PROGRAMS_SHARED, &options, &intercept->shared,
			      err);

	if (r)
		return r;
	find_maps(intercept);
	r = map_table(intercept);
	return r ? err_set(err, -r, "the sites' map: %s", strerror(-r)) : 0;
}

int intercept_open(const struct intercept_spec *spec, struct intercept **ret,
		   struct err *err)
{
	struct intercept *intercept = calloc(1, sizeof(*intercept));
	int r;

	if (!intercept)
		return err_set(err, ENOMEM, "memory is short");
	intercept->rules.protected = -1;
	r = pins_open(spec->pin_dir, &intercept->pins, err);
	if (!r) {
		intercept->adopted = pins_holds_links(intercept->pins);
		r = open_maps(intercept, spec->pin_dir, err);
	}
	if (!r)
		r = intercept_claim(intercept, spec, err);
	if (r) {
		intercept_close(intercept);
		return r;
	}
	*ret = intercept;
	return 0;
}

bool intercept_adopted(const struct intercept *intercept)
{
	return intercept->adopted;
}

void intercept_leave(struct intercept *intercept)
{
	pins_unlock(intercept->pins);
}

void intercept_close(struct intercept *intercept)
{
	if (!intercept)
		return;
	if (intercept->table)
		munmap(intercept->table,
		       ABI_SITES_MAX * sizeof(struct abi_site));
	if (intercept->rules.protected >= 0)
		close(intercept->rules.protected);
	programs_free(intercept->shared);
	pins_close(intercept->pins);
	free(intercept);
}

int intercept_detach(const char *pin_dir, bool force, struct err *err)
{
	return pins_remove(pin_dir, force, err);
}

/* ---- while it runs */

int intercept_listeners(struct intercept *intercept, size_t site,
			enum abi_direction direction, const int *fds,
			size_t count, struct err *err)
{
	uint32_t index;

	if (site >= intercept->site_count || direction > ABI_INGRESS)
		abort();
	index = intercept->sites[site].index;
	return sockets_listen(&intercept->sockets, index, direction,
			      &intercept->table[index].shards[direction], fds,
			      count, err);
}

uint32_t intercept_row_index(const struct intercept *intercept, size_t site,
			     enum abi_direction direction)
{
	if (site >= intercept->site_count)
		abort();
	return ABI_ROW(intercept->sites[site].index, direction);
}

int intercept_origin(const struct intercept *intercept, int fd,
		     struct addr *ret_addr)
{
	return sockets_origin(&intercept->sockets, fd, ret_addr);
}

int intercept_own(const struct intercept *intercept, int fd, uint32_t row,
		  enum abi_own_state state, uint32_t timeout_ms)
{
	return sockets_own(&intercept->sockets, fd, row, state, timeout_ms);
}

int intercept_row(const struct intercept *intercept, size_t site,
		  enum abi_direction direction, struct intercept_row *ret)
{
	return sockets_row(&intercept->sockets,
			   intercept_row_index(intercept, site, direction),
			   ret);
}

bool intercept_guard_truth(const struct intercept *intercept, size_t site)
{
	return site < intercept->site_count && intercept->sites[site].truth;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/guard.skel.h"
#include "bpf/intercept.skel.h"
#include "bpf/steer.skel.h"
#include "bpf/words.h"

struct programs {
	struct intercept_bpf *intercept;
	struct steer_bpf *steer;
	struct guard_bpf *guard;
	struct bpf_object *object; /* of whichever it is */
};

/* An earlier version's map would make the load fail. */
static void make_way(const struct bpf_map *map, const char *path)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0 ||
	    info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map))
		unlink(path);
	close(fd);
}

static int share_maps(struct bpf_object *object, const char *pin_dir)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int r = 0;

	bpf_object__for_each_map(map, object)
	{
		/* constants belong to one instance */
		if (r || bpf_map__is_internal(map))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", pin_dir,
			     bpf_map__name(map)) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		make_way(map, path);
		r = bpf_map__set_pin_path(map, path);
	}
	return r;
}

static void want(struct bpf_program *program, bool wanted)
{
	bpf_program__set_autoload(program, wanted);
}

static int open_intercept(struct programs *programs, bool shared,
			  const struct programs_options *options)
{
	struct intercept_bpf *skeleton = intercept_bpf__open();

	if (!skeleton)
		return -errno;
	programs->intercept = skeleton;
	programs->object = skeleton->obj;
	skeleton->rodata->site_index = options->site;
	want(skeleton->progs.lives, shared);
	want(skeleton->progs.original_dst, shared);
	want(skeleton->progs.connect4, !shared);
	want(skeleton->progs.connect6, !shared);
	want(skeleton->progs.getpeername4, !shared);
	want(skeleton->progs.getpeername6, !shared);
	return 0;
}

static int open_steer(struct programs *programs,
		      const struct programs_options *options)
{
	struct steer_bpf *skeleton = steer_bpf__open();

	if (!skeleton)
		return -errno;
	programs->steer = skeleton;
	programs->object = skeleton->obj;
	skeleton->rodata->site_index = options->site;
	skeleton->rodata->netns_cookie = options->netns_cookie;
	return 0;
}

static int open_guard(struct programs *programs,
		      const struct programs_options *options)
{
	struct guard_bpf *skeleton = guard_bpf__open();

	if (!skeleton)
		return -errno;
	programs->guard = skeleton;
	programs->object = skeleton->obj;
	skeleton->rodata->site_index = options->site;
	want(skeleton->progs.guard_truth, options->truth);
	want(skeleton->progs.guard_word, !options->truth);
	return 0;
}

static int open_kind(struct programs *programs, enum programs_kind kind,
		     const struct programs_options *options)
{
	switch (kind) {
	case PROGRAMS_SHARED:
		return open_intercept(programs, true, options);
	case PROGRAMS_EGRESS:
		return open_intercept(programs, false, options);
	case PROGRAMS_STEER:
		return open_steer(programs, options);
	case PROGRAMS_GUARD:
		return open_guard(programs, options);
	}
	abort();
}

int programs_load(enum programs_kind kind,
		  const struct programs_options *options, struct programs **ret,
		  struct err *err)
{
	libbpf_print_fn_t before = words_keep();
	struct programs *programs = calloc(1, sizeof(*programs));
	int r = -ENOMEM;

	if (programs)
		r = open_kind(programs, kind, options);
	if (!r)
		r = share_maps(programs->object, options->pin_dir);
	if (!r)
		r = bpf_object__load(programs->object);
	libbpf_set_print(before);
	if (!r) {
		*ret = programs;
		return 0;
	}
	programs_free(programs);
	return err_set(err, -r, "BPF programs cannot be loaded: %s%s (%s)",
		       strerror(-r),
		       r == -EPERM || r == -EACCES
			       ? "; it takes CAP_BPF, CAP_NET_ADMIN and "
				 "CAP_PERFMON"
			       : "",
		       words_last());
}

int programs_fd(const struct programs *programs, const char *name)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(programs->object, name);
	int fd = program ? bpf_program__fd(program) : -1;

	if (fd < 0)
		abort();
	return fd;
}

int programs_map_fd(const struct programs *programs, const char *name)
{
	const struct bpf_map *map =
		bpf_object__find_map_by_name(programs->object, name);
	int fd = map ? bpf_map__fd(map) : -1;

	if (fd < 0)
		abort();
	return fd;
}

void programs_free(struct programs *programs)
{
	if (!programs)
		return;
	intercept_bpf__destroy(programs->intercept);
	steer_bpf__destroy(programs->steer);
	guard_bpf__destroy(programs->guard);
	free(programs);
}

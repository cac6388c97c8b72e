/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/rows.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/pins.h"

#define ROW_ALIGNMENT 128

/* A map, and what BTF says of its values. */
struct shape {
	int fd;
	struct bpf_map_info info;
	const struct btf *btf;
	struct btf *own;	    /* btf, when it came from the kernel */
	const struct btf_type *row; /* NULL: the kernel did not tell us */
};

int rows_plain(struct rows *ret, size_t row_size, size_t count)
{
	void *at;

	if (posix_memalign(&at, ROW_ALIGNMENT, row_size * count) != 0)
		return -ENOMEM;
	memset(at, 0, row_size * count);
	*ret = (struct rows){at, row_size, count, false, 0};
	return 0;
}

void rows_free(struct rows *rows)
{
	if (rows->mapped)
		munmap(rows->at, rows->row_size * rows->count);
	else
		free(rows->at);
	*rows = (struct rows){NULL, 0, 0, false, 0};
}

static int rows_mapped(struct rows *ret, int fd, size_t row_size, size_t count)
{
	void *at = mmap(NULL, row_size * count, PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct rows){at, row_size, count, true, 0};
	return 0;
}

static int map_of(struct shape *ret, int fd)
{
	__u32 size = sizeof(ret->info);

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	if (bpf_obj_get_info_by_fd(fd, &ret->info, &size) != 0)
		return -errno;
	/* For a program or a link it would be another struct. */
	if (ret->info.type != BPF_MAP_TYPE_ARRAY ||
	    ret->info.key_size != sizeof(__u32))
		return -EINVAL;
	return 0;
}

static int row_of(struct shape *shape, __u32 type)
{
	shape->row = btf__type_by_id(shape->btf, type);
	return shape->row && btf_is_struct(shape->row) ? 0 : -EINVAL;
}

/* What this program was built with. */
static int shape_made(struct shape *ret, const struct bpf_map *map,
		      const struct btf *btf)
{
	int r = map_of(ret, bpf_map__fd(map));

	ret->btf = btf;
	return r ? r : row_of(ret, bpf_map__btf_value_type_id(map));
}

/*
 * What stands pinned. The kernel describes a map to CAP_SYS_ADMIN alone
 * (BPF_BTF_GET_FD_BY_ID): without it, row stays NULL.
 */
static int shape_found(struct shape *ret, int fd)
{
	int r = map_of(ret, fd);

	if (r)
		return r;
	ret->own = btf__load_from_kernel_by_id(ret->info.btf_id);
	if (!ret->own)
		return ret->info.btf_id && errno == EPERM ? 0 : -EINVAL;
	ret->btf = ret->own;
	r = row_of(ret, ret->info.btf_value_type_id);
	if (r)
		btf__free(ret->own);
	return r;
}

static const struct btf_member *member_named(const struct shape *shape,
					     const char *name)
{
	const struct btf_member *members = btf_members(shape->row);

	for (int i = 0; i < btf_vlen(shape->row); i++)
		if (strcmp(btf__name_by_offset(shape->btf, members[i].name_off),
			   name) == 0)
			return &members[i];
	return NULL;
}

static __s64 member_size(const struct shape *shape,
			 const struct btf_member *member)
{
	return btf__resolve_size(shape->btf, member->type);
}

/* FNV-1a over the names of the fields, where they are and how long. */
static __u32 layout_of(const struct shape *shape)
{
	const struct btf_member *members = btf_members(shape->row);
	__u32 hash = 2166136261U;

	for (int i = 0; i < btf_vlen(shape->row); i++) {
		char text[128];

		snprintf(text, sizeof(text), "%.80s %u %lld;",
			 btf__name_by_offset(shape->btf, members[i].name_off),
			 members[i].offset, member_size(shape, &members[i]));
		for (const char *c = text; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 16777619U;
	}
	return hash;
}

/* What the rows say themselves; a map of free rows fits every layout. */
static bool says_layout(const struct shape *shape, __u32 layout)
{
	unsigned char *row = malloc(shape->info.value_size);
	bool same = row != NULL;

	for (__u32 i = 0; same && i < shape->info.max_entries; i++) {
		struct counters_head head;

		if (bpf_map_lookup_elem(shape->fd, &i, row) != 0)
			break;
		memcpy(&head, row, sizeof(head));
		same = !head.used || head.schema == layout;
	}
	free(row);
	return same;
}

static bool same_layout(const struct shape *a, const struct shape *b)
{
	const struct btf_member *members;

	if (a->info.value_size != b->info.value_size ||
	    a->info.map_flags != b->info.map_flags)
		return false;
	if (!a->row)
		return says_layout(a, layout_of(b));
	if (btf_vlen(a->row) != btf_vlen(b->row))
		return false;
	members = btf_members(a->row);
	for (int i = 0; i < btf_vlen(a->row); i++) {
		const struct btf_member *other = member_named(
			b, btf__name_by_offset(a->btf, members[i].name_off));

		if (!other || other->offset != members[i].offset ||
		    member_size(b, other) != member_size(a, &members[i]))
			return false;
	}
	return true;
}

/* Fields that both have, and in one size. */
static void copy_row(const struct shape *from, const unsigned char *old,
		     const struct shape *to, unsigned char *row)
{
	const struct btf_member *members = btf_members(to->row);

	for (int i = 0; i < btf_vlen(to->row); i++) {
		const struct btf_member *other = member_named(
			from,
			btf__name_by_offset(to->btf, members[i].name_off));
		__s64 size = member_size(to, &members[i]);

		if (other && size > 0 && member_size(from, other) == size)
			memcpy(row + members[i].offset / 8,
			       old + other->offset / 8, (size_t)size);
	}
}

static int migrate(const struct shape *from, const struct shape *to,
		   struct rows *rows)
{
	unsigned char *old = malloc(from->info.value_size);
	__u32 count = from->info.max_entries;
	int r = old ? 0 : -ENOMEM;

	if (count > rows->count)
		count = (__u32)rows->count;
	for (__u32 i = 0; !r && i < count; i++) {
		r = bpf_map_lookup_elem(from->fd, &i, old);
		if (!r)
			copy_row(from, old, to, rows_row(rows, i));
	}
	free(old);
	return r;
}

/* old is what stands at path. */
static int take_over(struct rows *ret, int old, const struct shape *made,
		     const char *path)
{
	size_t row_size = made->info.value_size;
	struct shape found;
	int r = shape_found(&found, old);

	/* Not one of ours: it is left alone. */
	if (r)
		return -EEXIST;
	if (same_layout(&found, made) &&
	    found.info.max_entries >= made->info.max_entries) {
		r = rows_mapped(ret, old, row_size, found.info.max_entries);
	} else {
		r = rows_mapped(ret, made->fd, row_size,
				made->info.max_entries);
		if (!r && found.row)
			r = migrate(&found, made, ret);
		if (!r)
			r = pins_replace(made->fd, path);
		if (r)
			rows_free(ret);
	}
	btf__free(found.own);
	return r;
}

size_t rows_pinned_count(const char *pin_path, const char *name)
{
	char path[PATH_MAX];
	struct shape found;
	size_t count = 0;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin_path, name) >=
	    (int)sizeof(path))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (shape_found(&found, fd) == 0) {
		count = found.info.max_entries;
		btf__free(found.own);
	}
	close(fd);
	return count;
}

int rows_pinned(struct rows *ret, const struct bpf_map *map,
		const struct btf *btf, size_t row_size, const char *pin_path,
		struct err *err)
{
	char path[PATH_MAX];
	struct shape made;
	int old, r;

	if (snprintf(path, sizeof(path), "%s/%s", pin_path,
		     bpf_map__name(map)) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "%s is too long", pin_path);
	r = shape_made(&made, map, btf);
	if (r)
		return err_set(err, -r, "the map %s is not as it was built: %s",
			       bpf_map__name(map), strerror(-r));
	if (made.info.value_size != row_size)
		abort();
	old = bpf_obj_get(path);
	if (old >= 0) {
		r = take_over(ret, old, &made, path);
		close(old);
	} else {
		r = rows_mapped(ret, made.fd, row_size, made.info.max_entries);
		if (!r)
			r = pins_replace(made.fd, path);
		if (r)
			rows_free(ret);
	}
	if (r)
		return err_set(err, -r, "%s cannot be pinned: %s", path,
			       strerror(-r));
	ret->layout = layout_of(&made);
	return 0;
}

static int by_owner(const void *a, const void *b)
{
	const struct counters_head *x = *(struct counters_head *const *)a;
	const struct counters_head *y = *(struct counters_head *const *)b;
	int r = strncmp(x->name, y->name, sizeof(x->name));

	if (r)
		return r;
	return (x->worker > y->worker) - (x->worker < y->worker);
}

struct counters_head **rows_sorted(const struct rows *rows, size_t *ret_count)
{
	struct counters_head **used =
		calloc(rows->count, sizeof(struct counters_head *));
	size_t count = 0;

	if (!used)
		return NULL;
	for (size_t i = 0; i < rows->count; i++) {
		struct counters_head *head = rows_row(rows, i);

		if (head->used)
			used[count++] = head;
	}
	qsort(used, count, sizeof(*used), by_owner);
	*ret_count = count;
	return used;
}

struct counters_head *rows_search(struct counters_head **sorted, size_t count,
				  const char *name, unsigned int worker)
{
	struct counters_head key = {.worker = worker};
	struct counters_head *wanted = &key, **at;

	snprintf(key.name, sizeof(key.name), "%s", name);
	at = bsearch(&wanted, sorted, count, sizeof(*sorted), by_owner);
	return at ? *at : NULL;
}

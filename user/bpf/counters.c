/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/counters.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf/counters.skel.h"
#include "bpf/rows.h"
#include "bpf/words.h"

/* Room for reloads that add listeners. */
#define ROWS_MIN 64

enum kind {
	LISTENERS,
	CLUSTERS,
	LISTENER_TLS,
	CLUSTER_TLS,
	LISTENER_TIMES,
	CLUSTER_TIMES,
	KINDS,
};

static const size_t row_sizes[KINDS] = {
	[LISTENERS] = sizeof(struct listener_row),
	[CLUSTERS] = sizeof(struct cluster_row),
	[LISTENER_TLS] = sizeof(struct negotiated_row),
	[CLUSTER_TLS] = sizeof(struct negotiated_row),
	[LISTENER_TIMES] = sizeof(struct listener_times_row),
	[CLUSTER_TIMES] = sizeof(struct cluster_times_row),
};

static bool of_listeners(enum kind kind)
{
	return kind == LISTENERS || kind == LISTENER_TLS ||
	       kind == LISTENER_TIMES;
}

struct counters {
	unsigned int workers;
	bool pinned;
	int lock; /* the pin folder, locked; -1: none */
	struct rows rows[KINDS];
	/* by index * workers + worker, of the last configuration */
	struct counters_head **found[KINDS];
};

/* ---- making the maps */

static size_t wanted(const struct config *config, enum kind kind)
{
	return of_listeners(kind) ? config->listener_count
				  : config->cluster_count;
}

static size_t capacity(const struct config *config, unsigned int workers,
		       enum kind kind)
{
	size_t count = ROWS_MIN;

	while (count < 2 * wanted(config, kind) * workers)
		count *= 2;
	return count;
}

static int open_folder(const char *path, struct err *err)
{
	bool made = mkdir(path, 0755) == 0;
	struct statfs fs;
	int fd, error;

	if (!made && errno != EEXIST)
		return err_set(err, errno, "%s cannot be made: %s", path,
			       strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstatfs(fd, &fs) == 0) {
		if (fs.f_type == BPF_FS_MAGIC)
			return fd;
		errno = EINVAL;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	if (made)
		rmdir(path);
	if (error == EINVAL)
		return err_set(err, error,
			       "%s is not in a bpf file system; mount one "
			       "(mount -t bpf bpf /sys/fs/bpf) or give another "
			       "counters.pin",
			       path);
	return err_set(err, error, "%s: %s", path, strerror(error));
}

/* Two daemons that write the same rows would both count wrong. */
static int lock_folder(const char *path, int *ret_fd, struct err *err)
{
	int fd = open_folder(path, err);
	int error;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = fd;
		return 0;
	}
	error = errno;
	close(fd);
	if (error == EWOULDBLOCK)
		return err_set(err, EBUSY,
			       "another daemon counts in %s; give this one a "
			       "counters.pin of its own",
			       path);
	return err_set(err, error, "%s: %s", path, strerror(error));
}

static int pin_all(struct counters *counters, const struct config *config,
		   struct counters_bpf *skeleton, struct err *err)
{
	struct bpf_map *maps[KINDS] = {
		[LISTENERS] = skeleton->maps.listeners,
		[CLUSTERS] = skeleton->maps.clusters,
		[LISTENER_TLS] = skeleton->maps.listener_tls,
		[CLUSTER_TLS] = skeleton->maps.cluster_tls,
		[LISTENER_TIMES] = skeleton->maps.listener_times,
		[CLUSTER_TIMES] = skeleton->maps.cluster_times,
	};
	int r = 0;

	for (int i = 0; !r && i < KINDS; i++) {
		size_t count =
			capacity(config, counters->workers, (enum kind)i);
		size_t found = rows_pinned_count(config->pin_path,
						 bpf_map__name(maps[i]));

		r = bpf_map__set_max_entries(
			maps[i], (__u32)(found > count ? found : count));
	}
	if (!r)
		r = counters_bpf__load(skeleton);
	if (r)
		return err_set(err, -r, "maps cannot be made: %s (%s)",
			       strerror(-r), words_last());
	for (int i = 0; !r && i < KINDS; i++)
		r = rows_pinned(&counters->rows[i], maps[i],
				bpf_object__btf(skeleton->obj), row_sizes[i],
				config->pin_path, err);
	return r;
}

static int open_pinned(struct counters *counters, const struct config *config,
		       struct err *err)
{
	libbpf_print_fn_t before = words_keep();
	struct counters_bpf *skeleton = NULL;
	int r = lock_folder(config->pin_path, &counters->lock, err);

	if (!r) {
		skeleton = counters_bpf__open();
		r = skeleton ? pin_all(counters, config, skeleton, err)
			     : err_set(err, errno, "libbpf: %s",
				       strerror(errno));
	}
	/* What is mapped or pinned outlives the descriptors. */
	counters_bpf__destroy(skeleton);
	libbpf_set_print(before);
	if (r) {
		for (int i = 0; i < KINDS; i++)
			rows_free(&counters->rows[i]);
		if (counters->lock >= 0)
			close(counters->lock);
		counters->lock = -1;
	}
	counters->pinned = r == 0;
	return r;
}

static int open_plain(struct counters *counters, const struct config *config)
{
	int r = 0;

	for (int i = 0; !r && i < KINDS; i++)
		r = rows_plain(
			&counters->rows[i], row_sizes[i],
			capacity(config, counters->workers, (enum kind)i));
	return r;
}

/* ---- finding rows */

static const char *name_of(const struct config *config, enum kind kind,
			   size_t i)
{
	return of_listeners(kind) ? config->listeners[i].name
				  : config->clusters[i].name;
}

/* One table of rows for config, NULL where one has yet to be claimed. */
static int match(const struct counters *counters, const struct config *config,
		 enum kind kind, struct counters_head ***ret_found)
{
	const struct rows *rows = &counters->rows[kind];
	size_t count = wanted(config, kind) * counters->workers;
	size_t used_count, missing = 0;
	struct counters_head **used = rows_sorted(rows, &used_count);
	struct counters_head **found = calloc(count + 1, sizeof(*found));

	for (size_t i = 0; used && found && i < count; i++) {
		found[i] = rows_search(
			used, used_count,
			name_of(config, kind, i / counters->workers),
			(unsigned int)(i % counters->workers));
		missing += !found[i];
	}
	free(used);
	if (used && found && missing <= rows->count - used_count) {
		*ret_found = found;
		return 0;
	}
	free(found);
	return used && found ? -ENOSPC : -ENOMEM;
}

/* match() has seen to it that there are enough. */
static void claim_missing(struct counters *counters,
			  const struct config *config, enum kind kind)
{
	const struct rows *rows = &counters->rows[kind];
	size_t count = wanted(config, kind) * counters->workers;
	size_t next = 0;

	for (size_t i = 0; i < count; i++) {
		struct counters_head *head;

		if (counters->found[kind][i])
			continue;
		do
			head = rows_row(rows, next++);
		while (head->used);
		memset(head, 0, rows->row_size);
		snprintf(head->name, sizeof(head->name), "%s",
			 name_of(config, kind, i / counters->workers));
		head->worker = (unsigned int)(i % counters->workers);
		head->schema = rows->layout;
		head->used = 1;
		counters->found[kind][i] = head;
	}
}

static void write_addresses(struct counters *counters,
			    const struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		char text[ADDR_TEXT_MAX];

		addr_format_stat(&config->listeners[i].listen, text);
		for (unsigned int w = 0; w < counters->workers; w++) {
			struct listener_row *row =
				counters_listener(counters, i, w);

			snprintf(row->address, sizeof(row->address), "%.63s",
				 text);
		}
	}
}

int counters_follow(struct counters *counters, const struct config *config,
		    struct err *err)
{
	struct counters_head **found[KINDS] = {NULL};
	int r = 0;

	for (int i = 0; !r && i < KINDS; i++)
		r = match(counters, config, (enum kind)i, &found[i]);
	for (int i = 0; i < KINDS; i++) {
		free(r ? found[i] : counters->found[i]);
		if (r)
			continue;
		counters->found[i] = found[i];
		claim_missing(counters, config, (enum kind)i);
	}
	if (r == -ENOSPC)
		return err_set(err, ENOSPC,
			       "there are no rows left to count so many "
			       "listeners or clusters in; a restart makes "
			       "room");
	if (r)
		return err_set(err, -r, "memory is short");
	write_addresses(counters, config);
	return 0;
}

static bool listed(const struct config *config, unsigned int workers,
		   enum kind kind, const struct counters_head *head)
{
	for (size_t i = 0; i < wanted(config, kind); i++)
		if (strncmp(head->name, name_of(config, kind, i),
			    sizeof(head->name)) == 0)
			return head->worker < workers;
	return false;
}

static void zero_gauges(struct counters_head *head, enum kind kind)
{
#define COUNTER(field, name, help)
#define GAUGE(field, name, help) row->field = 0;
	if (kind == LISTENERS) {
		struct listener_row *row = (void *)head;

		LISTENER_COUNTERS(COUNTER, GAUGE)
	} else if (kind == CLUSTERS) {
		struct cluster_row *row = (void *)head;

		CLUSTER_COUNTERS(COUNTER, GAUGE)
	}
#undef COUNTER
#undef GAUGE
}

/* What an earlier daemon left: rows of what is gone are freed. */
static void begin_generation(struct counters *counters,
			     const struct config *config)
{
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t i = 0; i < counters->rows[kind].count; i++) {
			struct counters_head *head =
				rows_row(&counters->rows[kind], i);

			if (!head->used)
				continue;
			if (!listed(config, counters->workers, (enum kind)kind,
				    head)) {
				/* Whoever sums a dump must not count it. */
				memset(head, 0, counters->rows[kind].row_size);
				continue;
			}
			head->generation++;
			head->schema = counters->rows[kind].layout;
			zero_gauges(head, (enum kind)kind);
		}
	}
}

/* ---- the whole */

int counters_open(const struct config *config, unsigned int workers,
		  struct counters **ret_counters, struct err *err)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	struct err ignored;
	int r = 0;

	if (!counters)
		return err_set(err, ENOMEM, "memory is short");
	counters->workers = workers;
	counters->lock = -1;
	if (!config->pin_path || open_pinned(counters, config, err) < 0)
		r = open_plain(counters, config);
	if (!r) {
		begin_generation(counters, config);
		r = counters_follow(counters, config, &ignored);
	}
	if (r) {
		counters_close(counters);
		return err_set(err, ENOMEM, "memory is short");
	}
	*ret_counters = counters;
	return 0;
}

void counters_close(struct counters *counters)
{
	if (!counters)
		return;
	for (int i = 0; i < KINDS; i++) {
		rows_free(&counters->rows[i]);
		free(counters->found[i]);
	}
	if (counters->lock >= 0)
		close(counters->lock);
	free(counters);
}

bool counters_pinned(const struct counters *counters)
{
	return counters->pinned;
}

unsigned int counters_workers(const struct counters *counters)
{
	return counters->workers;
}

static void *row_of(struct counters *counters, enum kind kind, size_t i,
		    unsigned int worker)
{
	return counters->found[kind][i * counters->workers + worker];
}

struct listener_row *counters_listener(struct counters *counters,
				       size_t listener, unsigned int worker)
{
	return row_of(counters, LISTENERS, listener, worker);
}

struct cluster_row *counters_cluster(struct counters *counters, size_t cluster,
				     unsigned int worker)
{
	return row_of(counters, CLUSTERS, cluster, worker);
}

struct negotiated_row *counters_listener_negotiated(struct counters *counters,
						    size_t listener,
						    unsigned int worker)
{
	return row_of(counters, LISTENER_TLS, listener, worker);
}

struct negotiated_row *counters_cluster_negotiated(struct counters *counters,
						   size_t cluster,
						   unsigned int worker)
{
	return row_of(counters, CLUSTER_TLS, cluster, worker);
}

struct listener_times_row *counters_listener_times(struct counters *counters,
						   size_t listener,
						   unsigned int worker)
{
	return row_of(counters, LISTENER_TIMES, listener, worker);
}

struct cluster_times_row *counters_cluster_times(struct counters *counters,
						 size_t cluster,
						 unsigned int worker)
{
	return row_of(counters, CLUSTER_TIMES, cluster, worker);
}

unsigned long long *counters_negotiated_field(struct negotiated_row *row,
					      const char *kind,
					      const char *name)
{
	static const struct {
		const char *kind;
		const char *name; /* "": the one for all others */
		size_t offset;
	} fields[] = {
#define FIELD(field, kind, name, stat) \
	{#kind, name, offsetof(struct negotiated_row, field)},
		NEGOTIATED_COUNTERS(FIELD)
#undef FIELD
	};
	size_t other = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].kind, kind) != 0)
			continue;
		if (!*fields[i].name)
			other = fields[i].offset;
		if (strcasecmp(fields[i].name, name) == 0) {
			other = fields[i].offset;
			break;
		}
	}
	return (unsigned long long *)(void *)((char *)row + other);
}

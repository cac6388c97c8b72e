/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"

#define LANE_SIZE (256U << 10) /* a power of two; some 700 lines */
#define FREE_WAIT_S 2
#define FIELDS_MAX 32
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* head and tail only grow; a line is put before head passes it. */
struct access_lane {
	_Alignas(64) _Atomic size_t head; /* written by the worker */
	struct access_log *log;
	char *bytes;
	_Alignas(64) _Atomic size_t tail; /* written by the writer */
};

struct access_log {
	struct access_lane *lanes;
	unsigned int lane_count;
	int wake_fd;
	atomic_bool woken;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	bool failing;	       /* the writer's: told that it cannot write */
	int fd;		       /* the writer's; -1: none */
	bool journal;	       /* lines are the journal's, and fd says it is */
	char *path;	       /* the control thread's */
	pthread_mutex_t mutex; /* between those two only */
	bool fd_changed;
	int next_fd;
	bool next_journal;
};

/* ---- the workers' end */

static void wake(struct access_log *log)
{
	uint64_t one = 1;

	if (atomic_exchange(&log->woken, true))
		return;
	/* A counter that is full wakes as well. */
	if (write(log->wake_fd, &one, sizeof(one)) < 0)
		return;
}

bool access_lane_put(struct access_lane *lane, const char *line, size_t size)
{
	size_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&lane->tail, memory_order_acquire);
	size_t at = head % LANE_SIZE, first = LANE_SIZE - at;

	if (LANE_SIZE - (head - tail) < size)
		return false;
	if (first > size)
		first = size;
	memcpy(lane->bytes + at, line, first);
	memcpy(lane->bytes, line + first, size - first);
	atomic_store_explicit(&lane->head, head + size, memory_order_release);
	wake(lane->log);
	return true;
}

/* ---- the writer's thread */

static void take_next_fd(struct access_log *log)
{
	pthread_mutex_lock(&log->mutex);
	if (log->fd_changed) {
		if (log->fd >= 0)
			close(log->fd);
		log->fd = log->next_fd;
		log->journal = log->next_journal;
		log->fd_changed = false;
		log->failing = false;
	}
	pthread_mutex_unlock(&log->mutex);
}

static int write_pieces(int fd, struct iovec *piece, int count)
{
	while (count) {
		ssize_t n = writev(fd, piece, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (count && (size_t)n >= piece->iov_len) {
			n -= (ssize_t)piece->iov_len;
			piece++;
			count--;
		}
		if (!count)
			break;
		piece->iov_base = (char *)piece->iov_base + n;
		piece->iov_len -= (size_t)n;
	}
	return 0;
}

/* One entry: lines, the empty one included, that sd_journal_sendv(3) takes
 * each for itself. */
static int send_entry(char *entry, size_t size)
{
	struct iovec fields[FIELDS_MAX];
	int count = 0;

	for (char *at = entry; at < entry + size && count < FIELDS_MAX;) {
		char *end = memchr(at, '\n', (size_t)(entry + size - at));

		if (!end || end == at)
			break;
		fields[count++] = (struct iovec){at, (size_t)(end - at)};
		at = end + 1;
	}
	return count ? sd_journal_sendv(fields, count) : 0;
}

/* Byte i of what lies in two pieces. */
static char byte_at(const struct iovec pieces[2], size_t i)
{
	const char *first = pieces[0].iov_base, *second = pieces[1].iov_base;

	return i < pieces[0].iov_len ? first[i] : second[i - pieces[0].iov_len];
}

static int send_entries(const struct iovec pieces[2])
{
	size_t size = pieces[0].iov_len + pieces[1].iov_len, used = 0;
	char entry[ACCESS_LINE_MAX];
	int r = 0;

	for (size_t i = 0; i < size; i++) {
		int one;

		/* A line of another format, from before a reload, has no
		 * empty one behind it: it is not the journal's. */
		if (used == sizeof(entry))
			used = 0;
		entry[used++] = byte_at(pieces, i);
		if (used < 2 || entry[used - 1] != '\n' ||
		    entry[used - 2] != '\n')
			continue;
		one = send_entry(entry, used);
		r = r ? r : one;
		used = 0;
	}
	return r;
}

/* Whole lines: what a worker has put is never half of one. */
static void drain_lane(struct access_log *log, struct access_lane *lane)
{
	size_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
	size_t at = tail % LANE_SIZE, size = head - tail;
	size_t first = size < LANE_SIZE - at ? size : LANE_SIZE - at;
	struct iovec pieces[2] = {
		{lane->bytes + at, first},
		{lane->bytes, size - first},
	};
	int r = 0;

	/* After the head was read: a line that was put after a change goes
	 * where that leads. */
	take_next_fd(log);
	if (size && log->fd >= 0 && log->journal)
		r = send_entries(pieces);
	else if (size && log->fd >= 0)
		r = write_pieces(log->fd, pieces, size > first ? 2 : 1);
	atomic_store_explicit(&lane->tail, head, memory_order_release);
	if (r && !log->failing)
		log_line(LOG_LEVEL_ERROR,
			 "the access log cannot be written; lines are lost "
			 "until it can",
			 "why", strerror(-r), NULL);
	if (size)
		log->failing = r != 0;
}

static void *writer_main(void *argument)
{
	struct access_log *log = argument;
	bool last = false;

	while (!last) {
		uint64_t count;

		if (read(log->wake_fd, &count, sizeof(count)) < 0 &&
		    errno != EINTR)
			break;
		last = atomic_load(&log->stopping);
		atomic_exchange(&log->woken, false);
		for (unsigned int i = 0; i < log->lane_count; i++)
			drain_lane(log, &log->lanes[i]);
	}
	return NULL;
}

/* ---- the control thread's end */

static int make_lanes(struct access_log *log, unsigned int count)
{
	log->lanes = aligned_alloc(_Alignof(struct access_lane),
				   count * sizeof(*log->lanes));
	if (!log->lanes)
		return -ENOMEM;
	memset(log->lanes, 0, count * sizeof(*log->lanes));
	for (unsigned int i = 0; i < count; i++) {
		log->lanes[i].log = log;
		log->lanes[i].bytes = malloc(LANE_SIZE);
		if (!log->lanes[i].bytes)
			return -ENOMEM;
		log->lane_count++;
	}
	return 0;
}

static void release(struct access_log *log)
{
	for (unsigned int i = 0; i < log->lane_count; i++)
		free(log->lanes[i].bytes);
	free(log->lanes);
	if (log->wake_fd >= 0)
		close(log->wake_fd);
	if (log->fd >= 0)
		close(log->fd);
	if (log->fd_changed && log->next_fd >= 0)
		close(log->next_fd);
	pthread_mutex_destroy(&log->mutex);
	free(log->path);
	free(log);
}

int access_log_new(unsigned int workers, struct access_log **ret,
		   struct err *err)
{
	struct access_log *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return err_set(err, ENOMEM, "memory is short");
	pthread_mutex_init(&log->mutex, NULL);
	log->fd = -1;
	log->wake_fd = eventfd(0, EFD_CLOEXEC);
	r = log->wake_fd < 0 ? -errno : make_lanes(log, workers);
	if (r) {
		release(log);
		return err_set(err, -r, "the access log: %s", strerror(-r));
	}
	*ret = log;
	return 0;
}

/* O_NONBLOCK, so that a FIFO without a reader is an error and does not wait;
 * writing may wait then, it is the writer's own time. */
static int open_path(const char *path, int *ret_fd, struct err *err)
{
	int fd;

	/* libsystemd says nothing where nobody takes it. */
	if (strcmp(path, CONFIG_JOURNAL) == 0)
		fd = open(JOURNAL_SOCKET, O_PATH | O_CLOEXEC);
	else if (strcmp(path, "/dev/stdout") == 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (strcmp(path, "/dev/stderr") == 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path,
			  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
				  O_NONBLOCK,
			  0640);
	if (fd < 0)
		return err_set(err, errno,
			       "the access log %s cannot be opened: %s", path,
			       strerror(errno));
	if (path[0] == '/' && strncmp(path, "/dev/std", 8) != 0)
		fcntl(fd, F_SETFL, O_APPEND);
	*ret_fd = fd;
	return 0;
}

static int start(struct access_log *log, struct err *err)
{
	int r;

	if (log->started)
		return 0;
	r = pthread_create(&log->thread, NULL, writer_main, log);
	if (r)
		return err_set(err, r,
			       "the access log's thread cannot start: %s",
			       strerror(r));
	pthread_setname_np(log->thread, "access-log");
	log->started = true;
	return 0;
}

static void hand_over(struct access_log *log, int fd, bool journal)
{
	pthread_mutex_lock(&log->mutex);
	if (log->fd_changed && log->next_fd >= 0)
		close(log->next_fd);
	log->next_fd = fd;
	log->next_journal = journal;
	log->fd_changed = true;
	pthread_mutex_unlock(&log->mutex);
	wake(log);
}

static int use(struct access_log *log, const char *path, struct err *err)
{
	char *own;
	int fd = -1;
	int r = open_path(path, &fd, err);

	if (!r)
		r = start(log, err);
	if (r) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	own = strdup(path);
	free(log->path);
	log->path = own;
	hand_over(log, fd, strcmp(path, CONFIG_JOURNAL) == 0);
	return 0;
}

int access_log_follow(struct access_log *log, const char *path, struct err *err)
{
	if (path && log->path && strcmp(path, log->path) == 0)
		return 0;
	if (path)
		return use(log, path, err);
	free(log->path);
	log->path = NULL;
	if (log->started)
		hand_over(log, -1, false);
	return 0;
}

int access_log_reopen(struct access_log *log, struct err *err)
{
	char path[PATH_MAX];

	if (!log->path)
		return 0;
	snprintf(path, sizeof(path), "%s", log->path);
	return use(log, path, err);
}

void access_log_free(struct access_log *log)
{
	struct timespec until;

	if (!log)
		return;
	if (log->started) {
		atomic_store(&log->stopping, true);
		atomic_store(&log->woken, false);
		wake(log);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += FREE_WAIT_S;
		/* It is stuck in a write that nobody reads. The process ends
		 * here: what it holds ends with it. */
		if (pthread_timedjoin_np(log->thread, NULL, &until) != 0) {
			pthread_detach(log->thread);
			return;
		}
	}
	release(log);
}

struct access_lane *access_log_lane(struct access_log *log, unsigned int worker)
{
	return &log->lanes[worker];
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/worker.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "flow/accept.h"
#include "flow/access_line.h"
#include "flow/conn.h"
#include "flow/dial.h"
#include "flow/recheck.h"

#define RING_ENTRIES 1024
#define WAIT_MS_MAX 1000
#define TRIM_MS 5000
#define SLICE_NS 100000 /* the shortest that the kernel grants */

enum {
	WORD_DRAIN = 1U << 0,
	WORD_STOP = 1U << 1,
	WORD_DRAIN_INBOUND = 1U << 2,
	WORD_LEAVE = 1U << 3,
};

/* What the starting thread and the new one share until the ring stands. */
struct start {
	struct worker *worker;
	struct err *err;
	int result;
	sem_t done;
};

/* An eventfd's counter cannot overflow in any life; nothing else can fail. */
static void add_one(int event_fd)
{
	uint64_t one = 1;

	if (write(event_fd, &one, sizeof(one)) < 0)
		log_line(LOG_LEVEL_ERROR, "a thread cannot be woken", "why",
			 strerror(errno), NULL);
}

/* ---- made by the control thread */

int worker_new(unsigned int index, bool kernel_rekey, int ended_fd,
	       struct worker **ret_worker, struct err *err)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return err_set(err, ENOMEM, "memory is short");
	worker->index = index;
	worker->kernel_rekey = kernel_rekey;
	worker->ended_fd = ended_fd;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (worker->wake_fd < 0) {
		int error = errno;

		free(worker);
		return err_set(err, error, "a worker needs an eventfd: %s",
			       strerror(error));
	}
	list_init(&worker->acceptors);
	list_init(&worker->conns);
	list_init(&worker->waiting);
	list_init(&worker->released);
	*ret_worker = worker;
	return 0;
}

/* ---- the worker's own thread */

static void release_all(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->released) {
		struct conn *conn = list_entry(node, struct conn, node);

		if (!access_line_put(conn))
			conn_log(conn);
		conn_free(conn);
	}
}

static void end_all(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->conns)
		conn_end_notified(list_entry(node, struct conn, node),
				  CONN_DRAIN);
}

static void wake_start(struct worker *worker)
{
	ring_read(&worker->ring, &worker->wake, worker->wake_fd,
		  &worker->wake_value, sizeof(worker->wake_value));
}

static void adopt(struct worker *worker)
{
	struct generation *next = atomic_exchange(&worker->next, NULL);
	struct generation *old = worker->generation;

	if (!next)
		return;
	worker->generation = next;
	accept_adopt(worker, next);
	recheck_all(worker);
	if (old)
		generation_retire(old);
}

static void end_accepting(struct worker *worker, unsigned int words)
{
	if (!worker->leaving || !(words & (WORD_DRAIN | WORD_STOP)))
		return;
	worker->leaving = false;
	accept_leave_doors(worker);
}

static void begin_draining(struct worker *worker, unsigned int words)
{
	worker->draining = true;
	worker->leaving = words & WORD_LEAVE;
	if (!worker->leaving) {
		accept_stop_all(worker);
		return;
	}
	accept_stop_addresses(worker);
	end_accepting(worker, words);
}

static void follow(struct worker *worker, unsigned int words)
{
	adopt(worker);
	if (words & WORD_DRAIN_INBOUND)
		accept_stop_inbound(worker);
}

static void woken(struct op *op, int res, unsigned int flags)
{
	struct worker *worker = list_entry(op, struct worker, wake);
	unsigned int words = atomic_load(&worker->words);

	(void)flags;
	if (res == -ECANCELED)
		return;
	if (worker->draining)
		end_accepting(worker, words);
	else if (words & (WORD_LEAVE | WORD_DRAIN | WORD_STOP))
		begin_draining(worker, words);
	else
		follow(worker, words);
	listing_begin(worker);
	if (words & WORD_STOP) {
		worker->stopping = true;
		end_all(worker);
	}
	dial_resume(worker);
	wake_start(worker);
}

static bool finished(const struct worker *worker)
{
	return worker->draining && list_empty(&worker->conns) &&
	       list_empty(&worker->released) &&
	       worker->ring.in_flight == (worker->wake.armed ? 1U : 0U);
}

static void run(struct worker *worker)
{
	while (!finished(worker)) {
		uint64_t wait_ms =
			worker->listing
				? 0
				: wheel_wait_ms(&worker->wheel, clock_now_ms(),
						WAIT_MS_MAX);
		int r = ring_wait(&worker->ring, wait_ms);

		if (r < 0) {
			/* Nothing can be forwarded any more; a restart by the
			 * service manager is the way out. */
			log_line(LOG_LEVEL_ERROR, "the ring failed", "errno",
				 err_name(-r), NULL);
			abort();
		}
		/* What completed has completed now: time does not stand
		 * still while the ring waits. */
		worker->now_ms = clock_now_ms();
		ring_complete(&worker->ring);
		wheel_run(&worker->wheel, worker->now_ms);
		release_all(worker);
		listing_go_on(worker);
		atomic_fetch_add(&worker->turns, 1);
	}
	atomic_store(&worker->turns, 0);
}

static void trim(struct timer *timer)
{
	struct worker *worker = list_entry(timer, struct worker, trim);

	bufs_trim(&worker->bufs);
	timer_arm(&worker->wheel, timer, worker->now_ms + TRIM_MS);
}

static int set_up(struct worker *worker, struct err *err)
{
	int r = ring_init(&worker->ring, RING_ENTRIES, err);

	if (r < 0)
		return r;
	r = bufs_init(&worker->bufs, &worker->ring, err);
	if (r < 0)
		goto no_bufs;
	worker->aead = tls_aead_new();
	if (!worker->aead) {
		r = err_set(err, ENOMEM, "memory is short");
		goto no_aead;
	}
	worker->now_ms = clock_now_ms();
	wheel_init(&worker->wheel, worker->now_ms);
	timer_init(&worker->trim, trim);
	trim(&worker->trim);
	ahead_init(&worker->ahead);
	peers_init(&worker->peers);
	resume_init(&worker->resume);
	op_init(&worker->wake, woken);
	return 0;

no_aead:
	bufs_fini(&worker->bufs);
no_bufs:
	ring_fini(&worker->ring);
	return r;
}

static void tear_down(struct worker *worker)
{
	ring_fini(&worker->ring);
	bufs_fini(&worker->bufs);
	resume_fini(&worker->resume);
	tls_aead_free(worker->aead);
}

/* A worker that wakes for a peer goes before a thread that computes on the same
 * processor, such as one that prints statistics: from 6.12 on who asks for
 * shorter slices does (linux/sched/types.h, sched_runtime). Before that, who
 * slept did in any case, and the wish is neither kept nor refused. */
static void ask_for_short_slices(void)
{
	/* struct sched_attr; libcs and the kernel's headers disagree where it
	 * is to be had. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr)};

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0)
		return;
	attr.runtime = SLICE_NS;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void *worker_main(void *argument)
{
	struct start *start = argument;
	struct worker *worker = start->worker;

	ask_for_short_slices();
	start->result = set_up(worker, start->err);
	if (start->result < 0) {
		sem_post(&start->done);
		return NULL;
	}
	adopt(worker);
	wake_start(worker);
	/* start is gone once it is told. */
	sem_post(&start->done);
	run(worker);
	listing_end(worker);
	tear_down(worker);
	add_one(worker->ended_fd);
	return NULL;
}

/* ---- words from the control thread */

int worker_start(struct worker *worker, struct err *err)
{
	struct start start = {.worker = worker, .err = err};
	char name[16];
	int r;

	sem_init(&start.done, 0, 0);
	r = pthread_create(&worker->thread, NULL, worker_main, &start);
	if (r != 0) {
		sem_destroy(&start.done);
		return err_set(err, r, "a worker's thread cannot start: %s",
			       strerror(r));
	}
	snprintf(name, sizeof(name), "worker-%u", worker->index);
	pthread_setname_np(worker->thread, name);
	while (sem_wait(&start.done) != 0 && errno == EINTR)
		;
	sem_destroy(&start.done);
	if (start.result < 0)
		pthread_join(worker->thread, NULL);
	worker->started = start.result == 0;
	return start.result;
}

void worker_wake(struct worker *worker)
{
	add_one(worker->wake_fd);
}

static void tell(struct worker *worker, unsigned int word)
{
	atomic_fetch_or(&worker->words, word);
	worker_wake(worker);
}

void worker_serve(struct worker *worker, struct generation *generation)
{
	assert(worker_settled(worker));
	atomic_store(&worker->next, generation);
	worker_wake(worker);
}

bool worker_settled(const struct worker *worker)
{
	return atomic_load(&worker->next) == NULL;
}

void worker_found(struct worker *worker)
{
	add_one(worker->wake_fd);
}

void worker_leave(struct worker *worker)
{
	tell(worker, WORD_LEAVE);
}

void worker_drain(struct worker *worker)
{
	tell(worker, WORD_DRAIN);
}

void worker_drain_inbound(struct worker *worker)
{
	tell(worker, WORD_DRAIN_INBOUND);
}

void worker_stop(struct worker *worker)
{
	tell(worker, WORD_STOP);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->started)
		pthread_join(worker->thread, NULL);
	generation_free(worker->generation);
	generation_free(atomic_load(&worker->next));
	close(worker->wake_fd);
	free(worker);
}

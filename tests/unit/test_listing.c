/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker's connections as they are listed: in slices, and no more than
 * LISTING_MAX. The worker has no thread: the test takes its turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flow/conn.h"
#include "flow/listing.h"
#include "flow/worker.h"

#define WORKERS 2

static struct plan plan = {.refs = 1};
static struct config_listener listener_config;
static struct config_cluster cluster_config;
static struct generation generation = {.plan = &plan};
static struct worker_listener listener = {.generation = &generation,
					  .config = &listener_config};
static struct worker_cluster cluster = {.config = &cluster_config};
static struct worker threads[WORKERS];
static struct worker *workers[] = {&threads[0], &threads[1]};
static int done_fd;

static int set_up(void **state)
{
	(void)state;
	done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(done_fd >= 0);
	for (unsigned int w = 0; w < WORKERS; w++) {
		threads[w] = (struct worker){.index = w};
		threads[w].wake_fd = eventfd(0, EFD_CLOEXEC);
		assert_true(threads[w].wake_fd >= 0);
		list_init(&threads[w].conns);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned int w = 0; w < WORKERS; w++)
		close(threads[w].wake_fd);
	close(done_fd);
	assert_int_equal(plan.refs, 1);
	return 0;
}

/* count of them in w's list; the caller's to free. */
static struct conn *connections(unsigned int w, size_t count)
{
	struct conn *conns = calloc(count, sizeof(*conns));

	assert_non_null(conns);
	for (size_t i = 0; i < count; i++) {
		conns[i].worker = &threads[w];
		conns[i].listener = &listener;
		conns[i].cluster = &cluster;
		conns[i].down.fd = conns[i].up.fd = -1;
		list_add_tail(&conns[i].node, &threads[w].conns);
	}
	return conns;
}

static size_t listed(const struct listing *listing)
{
	size_t count = 0;

	for (unsigned int w = 0; w < listing->worker_count; w++)
		for (const struct listing_slice *slice = listing->slices[w];
		     slice; slice = slice->next)
			count += slice->count;
	return count;
}

static bool is_done(void)
{
	eventfd_t value;

	return eventfd_read(done_fd, &value) == 0;
}

static struct listing *ask(void)
{
	struct listing *listing = listing_new(WORKERS, done_fd);

	assert_non_null(listing);
	listing_ask(listing, workers);
	return listing;
}

/* Takes w's turns until it has told all; returns how many it took. */
static size_t tell(unsigned int w)
{
	size_t turns = 0;

	listing_begin(&threads[w]);
	for (; threads[w].listing; turns++)
		listing_go_on(&threads[w]);
	return turns;
}

/* More than is listed, of two workers: the rest is counted, and every turn
 * has its bound. */
static void what_is_above_the_limit_is_omitted(void **state)
{
	struct conn *first = connections(0, LISTING_MAX - 100);
	struct conn *second = connections(1, 500);
	struct listing *listing = ask();

	(void)state;
	assert_int_equal(tell(0), (LISTING_MAX - 100) / LISTING_SLICE + 1);
	assert_false(is_done());
	assert_int_equal(tell(1), 500 / LISTING_SLICE + 1);
	assert_true(is_done());
	assert_int_equal(listed(listing), LISTING_MAX);
	assert_int_equal(listing->omitted, 400);
	listing_free(listing);
	/* Then there is room again. */
	list_init(&threads[0].conns);
	listing = ask();
	tell(0);
	tell(1);
	assert_true(is_done());
	assert_int_equal(listed(listing), 500);
	assert_int_equal(listing->omitted, 0);
	listing_free(listing);
	free(first);
	free(second);
}

/* One that ends between two turns is where the listing goes on. */
static void one_that_leaves_is_passed_over(void **state)
{
	struct conn *conns = connections(0, LISTING_SLICE + 10);
	struct listing *listing = ask();

	(void)state;
	listing_begin(&threads[0]);
	listing_go_on(&threads[0]);
	assert_ptr_equal(threads[0].listing_at, &conns[LISTING_SLICE].node);
	listing_leave(&conns[LISTING_SLICE]);
	list_del(&conns[LISTING_SLICE].node);
	assert_int_equal(tell(0), 1);
	assert_int_equal(tell(1), 1);
	assert_true(is_done());
	assert_int_equal(listed(listing), LISTING_SLICE + 9);
	listing_free(listing);
	free(conns);
}

/* Half way, or before it was asked: it counts as done. */
static void a_worker_that_ends_has_told(void **state)
{
	struct conn *conns = connections(0, 2 * LISTING_SLICE);
	struct listing *listing = ask();

	(void)state;
	listing_begin(&threads[0]);
	listing_go_on(&threads[0]);
	listing_end(&threads[0]);
	assert_false(is_done());
	listing_end(&threads[1]);
	assert_true(is_done());
	assert_int_equal(listed(listing), LISTING_SLICE);
	listing_free(listing);
	listing = ask();
	assert_true(is_done());
	listing_free(listing);
	free(conns);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_above_the_limit_is_omitted),
		CASE(one_that_leaves_is_passed_over),
		CASE(a_worker_that_ends_has_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

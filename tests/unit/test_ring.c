/* SPDX-License-Identifier: BSD-2-Clause */
/* How many completions a wait of the ring comes back with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/ring.h"

#define ENTRIES 64
#define LONG_MS 20000
#define LONG_US (LONG_MS * 1000U)

static struct ring ring;
static struct op ops[RING_GATHER];
static char bytes[RING_GATHER];
static int pairs[RING_GATHER][2];
static int completed;

static void done(struct op *op, int res, unsigned int flags)
{
	(void)op;
	(void)flags;
	assert_int_equal(res, 1);
	completed++;
}

static int set_up(void **state)
{
	struct err err;

	(void)state;
	completed = 0;
	assert_int_equal(ring_init(&ring, ENTRIES, &err), 0);
	for (int i = 0; i < RING_GATHER; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]),
				 0);
		op_init(&ops[i], done);
		ring_recv(&ring, &ops[i], pairs[i][0], &bytes[i], 1);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	while (ring.in_flight) {
		assert_int_equal(ring_wait(&ring, LONG_MS), 0);
		ring_complete(&ring);
	}
	for (int i = 0; i < RING_GATHER; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	ring_fini(&ring);
	return 0;
}

/* Each when whoever waits for the one before has had time to come back. */
static void *write_one_by_one(void *arg)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	for (int i = 0; i < RING_GATHER; i++) {
		nanosleep(&pause, NULL);
		assert_int_equal(write(pairs[i][1], "", 1), 1);
	}
	return arg;
}

static int completed_by_one_wait(void)
{
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_one_by_one, NULL),
			 0);
	assert_int_equal(ring_wait(&ring, LONG_MS), 0);
	ring_complete(&ring);
	assert_int_equal(pthread_join(writer, NULL), 0);
	return completed;
}

static void the_first_ends_a_wait(void **state)
{
	(void)state;
	assert_in_range(completed_by_one_wait(), 1, RING_GATHER - 1);
}

static void several_are_gathered(void **state)
{
	(void)state;
	if (!ring.can_gather)
		skip();
	ring_gather(&ring, LONG_US);
	assert_int_equal(completed_by_one_wait(), RING_GATHER);
}

/* The eighth never comes. */
static void what_there_is_is_not_kept(void **state)
{
	(void)state;
	if (!ring.can_gather)
		skip();
	ring_gather(&ring, 50000);
	assert_int_equal(write(pairs[0][1], "", 1), 1);
	assert_int_equal(ring_wait(&ring, LONG_MS), 0);
	ring_complete(&ring);
	assert_int_equal(completed, 1);
	for (int i = 1; i < RING_GATHER; i++)
		assert_int_equal(write(pairs[i][1], "", 1), 1);
}

/* Else whoever comes next would wait for what has long been over. */
static void gathering_ends_by_itself(void **state)
{
	(void)state;
	ring_gather(&ring, 1);
	for (int i = 0; ring.gather_waits; i++) {
		assert_in_range(i, 0, RING_GATHER);
		assert_int_equal(ring_wait(&ring, 1), 0);
	}
	assert_in_range(completed_by_one_wait(), 1, RING_GATHER - 1);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_first_ends_a_wait),
		CASE(several_are_gathered),
		CASE(what_there_is_is_not_kept),
		CASE(gathering_ends_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

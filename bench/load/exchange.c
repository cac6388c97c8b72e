/* SPDX-License-Identifier: BSD-2-Clause */
/* Exchanges on kept connections: bulk (few and large), requests (many and
 * small), idle (one each). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/client.h"
#include "load/load.h"

#define BULK_SIZE (1ULL << 30)
#define REQUEST_SIZE 1024
#define REQUEST_CONNECTIONS 16
#define DIALS_AT_ONCE 64

struct run {
	const struct load *load;
	struct loop loop;
	struct request request;
	struct client *clients;
	unsigned int connections;
	unsigned int dialled;
	unsigned int standing; /* and those that failed to */
	unsigned int asking;
	uint64_t asked;
	uint64_t begun_ns;
	uint64_t deadline_ns;
	struct result *result;
};

static void ignore(struct client *client)
{
	(void)client;
}

/* When a request is due under a fixed rate, from the first on. */
static uint64_t due_ns(const struct run *run, uint64_t index)
{
	return run->begun_ns +
	       (uint64_t)((double)index * 1e9 / run->load->rate);
}

static bool more_wanted(const struct run *run, uint64_t now_ns)
{
	if (run->load->count)
		return run->asked < run->load->count;
	return now_ns < run->deadline_ns;
}

static void ask(struct run *run, struct client *client, uint64_t scheduled_ns)
{
	client->scheduled_ns = scheduled_ns;
	run->asked++;
	run->asking++;
	client_ask(client);
}

/*
 * Under a fixed rate a request counts from when it was due, not from when a
 * connection was free for it: a proxy that stalls cannot hide how many it
 * kept waiting.
 */
static void ask_due(struct run *run)
{
	uint64_t now_ns = loop_now_ns();

	for (unsigned int i = 0; i < run->connections; i++) {
		struct client *client = &run->clients[i];
		uint64_t due = due_ns(run, run->asked);

		if (due > now_ns || !more_wanted(run, due))
			return;
		if (client->stands && !client->asking && !client->watch.dead)
			ask(run, client, due);
	}
}

static void dial_more(struct run *run);

static void answered(struct run *run, struct client *client)
{
	uint64_t now_ns = loop_now_ns();

	run->asking--;
	run->result->count++;
	histogram_add(&run->result->latency_ns, now_ns - client->scheduled_ns);
	if (run->load->rate > 0)
		ask_due(run);
	else if (more_wanted(run, now_ns))
		ask(run, client, now_ns);
}

static void told(struct client *client, enum client_event event)
{
	struct run *run = client->owner;

	switch (event) {
	case CLIENT_STANDS:
		run->standing++;
		dial_more(run);
		break;
	case CLIENT_ANSWERED:
		answered(run, client);
		break;
	case CLIENT_FAILED:
		run->result->failed++;
		if (!run->result->error)
			run->result->error = client->error;
		if (client->asking)
			run->asking--;
		if (client->stands)
			break;
		run->standing++;
		dial_more(run);
	}
}

static void dial_more(struct run *run)
{
	while (run->dialled < run->connections &&
	       run->dialled - run->standing < DIALS_AT_ONCE) {
		struct client *client = &run->clients[run->dialled++];

		client->told = told;
		client->end = ignore;
		client->owner = run;
		client_dial(client, &run->loop, &run->load->target,
			    &run->request);
	}
}

static struct result *set_up(struct run *run, const struct load *load,
			     uint64_t size)
{
	char path[32];

	memset(run, 0, sizeof(*run));
	run->load = load;
	run->result = calloc(1, sizeof(*run->result));
	run->clients = calloc(run->connections = load->connections,
			      sizeof(*run->clients));
	if (!run->result || !run->clients)
		loop_die("memory is short");
	snprintf(path, sizeof(path), "/%llu",
		 (unsigned long long)(load->size == UINT64_MAX ? size
							       : load->size));
	request_make(&run->request, load->host, load->path ? load->path : path,
		     load->body);
	loop_init(&run->loop);
	dial_more(run);
	while (run->standing < run->connections)
		loop_turn(&run->loop, -1);
	if (run->result->failed)
		loop_die("%llu of %u connections failed: %s",
			 (unsigned long long)run->result->failed,
			 run->connections, strerror(-run->result->error));
	return run->result;
}

static void tear_down(struct run *run)
{
	for (unsigned int i = 0; i < run->connections; i++)
		client_drop(&run->clients[i]);
	loop_turn(&run->loop, 0);
	loop_fini(&run->loop);
	free(run->clients);
	free(run->result);
}

/* How long the loop may sleep: to the next due request, or the deadline. */
static int64_t patience_ns(const struct run *run)
{
	uint64_t now_ns = loop_now_ns();
	uint64_t until_ns = run->load->count ? UINT64_MAX : run->deadline_ns;

	if (run->load->rate > 0 && run->asking < run->connections &&
	    more_wanted(run, due_ns(run, run->asked)) &&
	    due_ns(run, run->asked) < until_ns)
		until_ns = due_ns(run, run->asked);
	if (until_ns == UINT64_MAX)
		return -1;
	return until_ns > now_ns ? (int64_t)(until_ns - now_ns) : 0;
}

static bool running(const struct run *run)
{
	if (run->result->failed)
		return false;
	if (run->load->count)
		return run->asking || run->asked < run->load->count;
	return loop_now_ns() < run->deadline_ns;
}

static void exchange(struct run *run)
{
	struct result *result = run->result;

	for (unsigned int i = 0; i < run->connections; i++)
		run->clients[i].bytes = 0;
	run->begun_ns = loop_now_ns();
	run->deadline_ns = run->begun_ns + (uint64_t)(run->load->seconds * 1e9);
	for (unsigned int i = 0; run->load->rate <= 0 && i < run->connections;
	     i++)
		if (more_wanted(run, run->begun_ns) && !result->failed)
			ask(run, &run->clients[i], run->begun_ns);
	while (running(run)) {
		if (run->load->rate > 0)
			ask_due(run);
		loop_turn(&run->loop, patience_ns(run));
	}
	result->seconds = (double)(loop_now_ns() - run->begun_ns) / 1e9;
	for (unsigned int i = 0; i < run->connections; i++)
		result->bytes += run->clients[i].bytes;
}

static void say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

/* Whoever measures tells what connections cost from what they carry: it says
 * when to begin, and when its figures are taken and all may end. */
static void await_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

static uint64_t run_question(const struct load *load, const char *question,
			     uint64_t size)
{
	static struct run run;
	uint64_t failures;

	set_up(&run, load, size);
	if (load->wait) {
		say_ready();
		await_line();
	}
	exchange(&run);
	result_print(load, question, run.result);
	if (load->wait)
		await_line();
	failures = run.result->failed;
	tear_down(&run);
	return failures;
}

uint64_t load_bulk(const struct load *load)
{
	struct load bulk = *load;

	if (!bulk.connections)
		bulk.connections = 1;
	bulk.rate = 0;
	return run_question(&bulk, "bulk", load->body ? 0 : BULK_SIZE);
}

uint64_t load_requests(const struct load *load)
{
	struct load requests = *load;

	if (!requests.connections)
		requests.connections = REQUEST_CONNECTIONS;
	return run_question(&requests, "requests", REQUEST_SIZE);
}

static void stdin_ready(struct watch *watch, uint32_t events)
{
	char bytes[64];

	(void)events;
	if (read(watch->fd, bytes, sizeof(bytes)) <= 0)
		watch->fd = -1;
}

uint64_t load_idle(const struct load *load)
{
	static struct run run;
	struct watch input = {.fd = STDIN_FILENO, .ready = stdin_ready};
	struct load idle = *load;

	if (!idle.connections)
		idle.connections = 1000;
	idle.rate = 0;
	idle.count = idle.connections;
	set_up(&run, &idle, REQUEST_SIZE);
	exchange(&run);
	if (!run.result->failed) {
		say_ready();
		loop_watch(&run.loop, &input, EPOLLIN);
	}
	while (!run.result->failed && input.fd >= 0)
		loop_turn(&run.loop, -1);
	result_print(&idle, "idle", run.result);
	if (run.result->failed)
		return run.result->failed;
	tear_down(&run);
	return 0;
}

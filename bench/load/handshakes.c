/* SPDX-License-Identifier: BSD-2-Clause */
/* New connections, one after another on a few lanes: each shakes hands, asks
 * once for nothing, and ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/client.h"
#include "load/load.h"

#define LANES 4

struct run {
	struct load *load;
	struct loop loop;
	struct request request;
	struct result *result;
	uint64_t dialled;
	unsigned int open;
	uint64_t deadline_ns;
};

static bool more_wanted(const struct run *run)
{
	if (run->result->failed)
		return false;
	if (run->load->count)
		return run->dialled < run->load->count;
	return loop_now_ns() < run->deadline_ns;
}

static void dial(struct run *run, struct client *client)
{
	run->dialled++;
	run->open++;
	client_dial(client, &run->loop, &run->load->target, &run->request);
}

static void told(struct client *client, enum client_event event)
{
	struct run *run = client->owner;
	struct result *result = run->result;

	switch (event) {
	case CLIENT_STANDS:
		histogram_add(&result->latency_ns,
			      loop_now_ns() - client->begun_ns);
		if (run->load->target.session &&
		    !SSL_session_reused(client->link.ssl)) {
			client->error = -EKEYREJECTED;
			client_drop(client);
			told(client, CLIENT_FAILED);
			break;
		}
		client_ask(client);
		break;
	case CLIENT_ANSWERED:
		result->count++;
		/* By now the tickets have come with the answer. */
		if (run->load->resume && !run->load->target.session)
			run->load->target.session =
				SSL_get1_session(client->link.ssl);
		client_drop(client);
		break;
	case CLIENT_FAILED:
		result->failed++;
		if (!result->error)
			result->error = client->error;
	}
}

static void ended(struct client *client)
{
	struct run *run = client->owner;

	run->open--;
	if (more_wanted(run))
		dial(run, client);
}

static void lanes(struct run *run, struct client *clients, unsigned int count)
{
	for (unsigned int i = 0; i < count && more_wanted(run); i++) {
		clients[i].told = told;
		clients[i].end = ended;
		clients[i].owner = run;
		dial(run, &clients[i]);
	}
	while (run->open)
		loop_turn(&run->loop, -1);
}

/* The one full handshake whose session all others resume. */
static void first(struct run *run, struct client *client)
{
	uint64_t count = run->load->count;

	run->load->count = 1;
	lanes(run, client, 1);
	run->load->count = count;
	if (run->result->failed)
		return;
	if (!run->load->target.session ||
	    !SSL_SESSION_is_resumable(run->load->target.session))
		loop_die("the peer gives no session to resume");
	memset(run->result, 0, sizeof(*run->result));
	run->dialled = 0;
}

uint64_t load_handshakes(struct load *load)
{
	unsigned int count = load->connections ? load->connections : LANES;
	struct client *clients = calloc(count, sizeof(*clients));
	struct run run = {.load = load};
	uint64_t begun_ns, failures;

	run.result = calloc(1, sizeof(*run.result));
	if (!clients || !run.result)
		loop_die("memory is short");
	request_make(&run.request, load->host, load->path ? load->path : "/0",
		     0);
	loop_init(&run.loop);
	if (load->resume)
		first(&run, &clients[0]);
	begun_ns = loop_now_ns();
	run.deadline_ns = begun_ns + (uint64_t)(load->seconds * 1e9);
	lanes(&run, clients, count);
	run.result->seconds = (double)(loop_now_ns() - begun_ns) / 1e9;
	result_print(load, load->resume ? "resumptions" : "handshakes",
		     run.result);
	failures = run.result->failed;
	SSL_SESSION_free(load->target.session);
	load->target.session = NULL;
	loop_fini(&run.loop);
	free(clients);
	free(run.result);
	return failures;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flow/listing.h"

/* A worker that takes longer than this for a few hundred connections a turn
 * hangs. */
#define WORKERS_US 5000000
/* Then the text of the last one is dropped: it may be megabytes. */
#define KEEP_US 5000000

struct waiter {
	struct waiter *next;
	void (*ready)(void *owner, void *who);
	void *owner;
	void *who;
};

struct connections {
	struct worker *const *workers;
	unsigned int worker_count;
	int done_fd;
	sd_event_source *done;
	sd_event_source *timer;
	struct listing *listing; /* being made, or NULL */
	struct waiter *served;	 /* by the one being made */
	struct waiter *next;	 /* came later, and want a later one */
	char *text; /* of the last one; NULL: it failed, or is dropped */
	size_t size;
};

/* ---- as JSON */

static void put_field(struct text *text, const char *name, const char *value)
{
	text_word(text, name);
	text_json(text, value);
}

static const char *policy_of(const struct listing_entry *entry, bool up)
{
	static const char *const words[] = {
		[CONFIG_TLS_STRICT] = "strict",
		[CONFIG_TLS_PERMISSIVE] = "permissive",
		[CONFIG_TLS_DISABLED] = "disabled",
	};

	if (up)
		return words[entry->cluster->tls ? CONFIG_TLS_STRICT
						 : CONFIG_TLS_DISABLED];
	return words[entry->listener->tls_mode];
}

static void put_side(struct text *text, const struct listing_entry *entry,
		     bool up)
{
	static const char *const states[] = {
		[LISTING_NONE] = "none",
		[LISTING_UNDECIDED] = "undecided",
		[LISTING_HANDSHAKE] = "handshake",
		[LISTING_TLS] = "tls",
		[LISTING_PLAIN] = "plain",
	};
	const struct listing_side *side = up ? &entry->up : &entry->down;
	char peer[ADDR_TEXT_MAX];

	if (side->state == LISTING_NONE) {
		text_word(text, "null");
		return;
	}
	text_word(text, "{\"cookie\":");
	text_number(text, side->cookie);
	put_field(text, ",\"peer\":", addr_format(&side->peer, peer));
	put_field(text, ",\"policy\":", policy_of(entry, up));
	put_field(text, ",\"state\":", states[side->state]);
	if (side->state == LISTING_TLS) {
		put_field(text, ",\"version\":", side->version);
		put_field(text, ",\"cipher\":", side->cipher);
		put_field(text,
			  ",\"tx\":", side->tx_kernel ? "kernel" : "user");
		put_field(text,
			  ",\"rx\":", side->rx_kernel ? "kernel" : "user");
	}
	text_word(text, "}");
}

static void put_entry(struct text *text, const struct listing_entry *entry)
{
	put_field(text, "{\"listener\":", entry->listener->name);
	put_field(text, ",\"cluster\":", entry->cluster->name);
	text_word(text, ",\"age_ms\":");
	text_number(text, entry->age_ms);
	text_word(text, ",\"idle_ms\":");
	text_number(text, entry->idle_ms);
	text_word(text, ",\"rx_bytes\":");
	text_number(text, entry->rx_bytes);
	text_word(text, ",\"tx_bytes\":");
	text_number(text, entry->tx_bytes);
	text_word(text, ",\n  \"down\":");
	put_side(text, entry, false);
	text_word(text, ",\n  \"up\":");
	put_side(text, entry, true);
	text_word(text, "}");
}

static void print(const struct listing *listing, struct text *text)
{
	bool first = true;

	text_format(text, "{\"pid\":%d,\"omitted\":%u,\n\"connections\":[",
		    (int)getpid(), atomic_load(&listing->omitted));
	for (unsigned int w = 0; w < listing->worker_count; w++) {
		const struct listing_slice *slice = listing->slices[w];

		for (; slice; slice = slice->next) {
			for (size_t i = 0; i < slice->count; i++) {
				text_word(text, first ? "\n " : ",\n ");
				first = false;
				put_entry(text, &slice->entries[i]);
			}
		}
	}
	text_word(text, "\n]}\n");
}

/* ---- made, one at a time */

static void drop_text(struct connections *connections)
{
	free(connections->text);
	connections->text = NULL;
}

static void set_timer(struct connections *connections, uint64_t us)
{
	sd_event_source_set_time_relative(connections->timer, us);
	sd_event_source_set_enabled(connections->timer, SD_EVENT_ONESHOT);
}

static void tell(struct waiter **waiters)
{
	struct waiter *waiter = *waiters;

	*waiters = NULL;
	while (waiter) {
		struct waiter *next = waiter->next;

		waiter->ready(waiter->owner, waiter->who);
		free(waiter);
		waiter = next;
	}
}

static void begin(struct connections *connections)
{
	struct listing *listing;

	if (connections->listing || !connections->next)
		return;
	connections->served = connections->next;
	connections->next = NULL;
	listing = listing_new(connections->worker_count, connections->done_fd);
	if (!listing) {
		drop_text(connections);
		tell(&connections->served);
		return;
	}
	connections->listing = listing;
	set_timer(connections, WORKERS_US);
	listing_ask(listing, connections->workers);
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct connections *connections = data;
	struct text text = {0};
	eventfd_t value;

	(void)source;
	(void)events;
	if (eventfd_read(fd, &value) != 0)
		return 0;
	drop_text(connections);
	print(connections->listing, &text);
	listing_free(connections->listing);
	connections->listing = NULL;
	if (text_take(&text, &connections->text, &connections->size))
		connections->text = NULL;
	set_timer(connections, KEEP_US);
	tell(&connections->served);
	begin(connections);
	return 0;
}

/* Nobody waits for longer, but for a listing that has begun its end must
 * come first: a worker writes to it. */
static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct connections *connections = data;

	(void)source;
	(void)usec;
	drop_text(connections);
	if (!connections->listing)
		return 0;
	tell(&connections->served);
	tell(&connections->next);
	set_timer(connections, WORKERS_US);
	return 0;
}

int connections_wait(struct connections *connections,
		     void (*ready)(void *owner, void *who), void *owner,
		     void *who)
{
	struct waiter *waiter;

	waiter = calloc(1, sizeof(*waiter));
	if (!waiter) {
		drop_text(connections);
		return -ENOMEM;
	}
	waiter->ready = ready;
	waiter->owner = owner;
	waiter->who = who;
	waiter->next = connections->next;
	connections->next = waiter;
	begin(connections);
	return 0;
}

void connections_get(const struct request *request, struct answer *ret)
{
	const struct connections *connections = request->context->connections;

	if (connections && !request->again) {
		ret->later = true;
		return;
	}
	if (!connections || !connections->text) {
		answer_say(ret, 503,
			   "a worker did not answer, or memory is "
			   "short\n");
		return;
	}
	ret->status = 200;
	ret->type = "application/json";
	ret->size = connections->size;
	ret->body = malloc(connections->size);
	if (ret->body)
		memcpy(ret->body, connections->text, connections->size);
}

/* ---- the whole */

int connections_new(sd_event *loop, struct worker *const *workers,
		    unsigned int count, struct connections **ret,
		    struct err *err)
{
	struct connections *connections = calloc(1, sizeof(*connections));
	int r;

	if (!connections)
		return err_set(err, ENOMEM, "memory is short");
	connections->workers = workers;
	connections->worker_count = count;
	connections->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = connections->done_fd < 0 ? -errno : 0;
	if (r >= 0)
		r = sd_event_add_io(loop, &connections->done,
				    connections->done_fd, EPOLLIN, on_done,
				    connections);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &connections->timer,
					       CLOCK_MONOTONIC, KEEP_US, 0,
					       on_timer, connections);
	if (r < 0) {
		connections_free(connections);
		return err_set(err, -r, "admin: the event loop: %s",
			       strerror(-r));
	}
	*ret = connections;
	return 0;
}

void connections_free(struct connections *connections)
{
	if (!connections)
		return;
	sd_event_source_disable_unref(connections->done);
	sd_event_source_disable_unref(connections->timer);
	tell(&connections->served);
	tell(&connections->next);
	listing_free(connections->listing);
	if (connections->done_fd >= 0)
		close(connections->done_fd);
	drop_text(connections);
	free(connections);
}

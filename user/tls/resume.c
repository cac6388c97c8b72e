/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct list slot;
	struct list recent;
	uint8_t demands[SESSION_DEMANDS_SIZE];
	struct addr endpoint;
	SSL_SESSION *session;
	time_t made; /* put here */
	time_t until;
};

void resume_init(struct resume *resume)
{
	for (size_t i = 0; i < RESUME_SLOTS; i++)
		list_init(&resume->slots[i]);
	list_init(&resume->recent);
	resume->count = 0;
}

static void drop(struct resume *resume, struct entry *entry)
{
	list_del(&entry->slot);
	list_del(&entry->recent);
	SSL_SESSION_free(entry->session);
	free(entry);
	resume->count--;
}

static struct entry *oldest(struct resume *resume)
{
	return list_entry(resume->recent.next, struct entry, recent);
}

void resume_fini(struct resume *resume)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &resume->recent)
		drop(resume, list_entry(node, struct entry, recent));
}

static struct list *slot_of(struct resume *resume,
			    const struct session_demands *demands,
			    const struct addr *endpoint)
{
	/* Ports and addresses end where they differ most. */
	const uint8_t *port = (const uint8_t *)&endpoint->v4.sin_port;
	const uint8_t *last =
		endpoint->any.sa_family == AF_INET6
			? &endpoint->v6.sin6_addr.s6_addr[15]
			: (const uint8_t *)&endpoint->v4.sin_addr + 3;

	return &resume->slots[(demands->digest[0] ^ *last ^
			       (port[0] + 31U * port[1])) %
			      RESUME_SLOTS];
}

static bool belongs(const struct entry *entry,
		    const struct session_demands *demands,
		    const struct addr *endpoint)
{
	return addr_equal(&entry->endpoint, endpoint) &&
	       memcmp(entry->demands, demands->digest,
		      sizeof(entry->demands)) == 0;
}

/* Room for one more of this endpoint, and of all. */
static void make_room(struct resume *resume, struct list *slot,
		      const struct session_demands *demands,
		      const struct addr *endpoint)
{
	struct entry *first = NULL;
	struct list *node;
	size_t count = 0;

	list_for_each (node, slot) {
		struct entry *entry = list_entry(node, struct entry, slot);

		if (!belongs(entry, demands, endpoint))
			continue;
		first = first ? first : entry;
		count++;
	}
	if (count >= RESUME_MAX_EACH)
		drop(resume, first);
	else if (resume->count >= RESUME_MAX)
		drop(resume, oldest(resume));
}

int resume_put(struct resume *resume, const struct session_demands *demands,
	       const struct addr *endpoint, SSL_SESSION *session, time_t until)
{
	struct list *slot = slot_of(resume, demands, endpoint);
	const unsigned char *ticket;
	struct entry *entry;
	size_t size;

	SSL_SESSION_get0_ticket(session, &ticket, &size);
	if (size > RESUME_TICKET_MAX)
		return -EMSGSIZE;
	if (until <= time(NULL))
		return -ETIME;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	if (SSL_SESSION_up_ref(session) != 1) {
		free(entry);
		return -ENOMEM;
	}
	make_room(resume, slot, demands, endpoint);
	memcpy(entry->demands, demands->digest, sizeof(entry->demands));
	entry->endpoint = *endpoint;
	entry->session = session;
	entry->made = time(NULL);
	entry->until = until;
	list_add_tail(&entry->slot, slot);
	list_add_tail(&entry->recent, &resume->recent);
	resume->count++;
	return 0;
}

/* OpenSSL 3.3 has one that outlives 2038, and 3.4 warns of the other. */
static time_t made_at(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_PREREQ(3, 3)
	return SSL_SESSION_get_time_ex(session);
#else
	return (time_t)SSL_SESSION_get_time(session);
#endif
}

/* A clock that was set back says nothing about what was checked. */
static bool good(const struct entry *entry)
{
	time_t now = time(NULL);

	return now >= entry->made && now < entry->until &&
	       now < made_at(entry->session) + (time_t)SSL_SESSION_get_timeout(
						       entry->session) &&
	       SSL_SESSION_is_resumable(entry->session);
}

static bool is_once(const SSL_SESSION *session)
{
	return SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION;
}

SSL_SESSION *resume_take(struct resume *resume,
			 const struct session_demands *demands,
			 const struct addr *endpoint, time_t *ret_until)
{
	struct list *slot = slot_of(resume, demands, endpoint);
	struct list *node = slot->prev, *before;

	for (; node != slot; node = before) {
		struct entry *entry = list_entry(node, struct entry, slot);
		SSL_SESSION *session = NULL;

		before = node->prev;
		if (!belongs(entry, demands, endpoint))
			continue;
		if (good(entry) && SSL_SESSION_up_ref(entry->session) == 1) {
			session = entry->session;
			*ret_until = entry->until;
		}
		if (!session || is_once(session)) {
			drop(resume, entry);
		} else {
			list_del(&entry->recent);
			list_add_tail(&entry->recent, &resume->recent);
		}
		if (session)
			return session;
	}
	return NULL;
}

void resume_drop(struct resume *resume, const struct session_demands *demands,
		 const struct addr *endpoint, const SSL_SESSION *session)
{
	struct list *slot = slot_of(resume, demands, endpoint);
	struct list *node, *after;

	list_for_each_safe (node, after, slot) {
		struct entry *entry = list_entry(node, struct entry, slot);

		if (entry->session == session)
			drop(resume, entry);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/ahead.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

void ahead_init(struct ahead *ahead)
{
	memset(ahead, 0, sizeof(*ahead));
	/* Without randomness the table still counts. */
	if (getrandom(&ahead->key, sizeof(ahead->key), 0) < 0)
		ahead->key = 1;
}

/* An IPv6 host has a /64 to choose from: all of it is one source. */
static uint64_t source_of(const struct addr *addr)
{
	uint64_t value = 0;

	if (addr->any.sa_family == AF_INET)
		memcpy(&value, &addr->v4.sin_addr, 4);
	else
		memcpy(&value, &addr->v6.sin6_addr, 8);
	return value;
}

/* The finalizer of splitmix64, keyed. */
static uint16_t slot_of(const struct ahead *ahead, const struct addr *addr)
{
	uint64_t x = source_of(addr) ^ ahead->key;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return (uint16_t)((x ^ x >> 31) % AHEAD_SLOTS);
}

bool ahead_enter(struct ahead *ahead, const struct addr *source,
		 unsigned int max, uint16_t *ret_slot)
{
	uint16_t slot = slot_of(ahead, source);

	if (ahead->counts[slot] >= max || ahead->counts[slot] == UINT16_MAX)
		return false;
	ahead->counts[slot]++;
	*ret_slot = slot;
	return true;
}

void ahead_leave(struct ahead *ahead, uint16_t slot)
{
	ahead->counts[slot]--;
}

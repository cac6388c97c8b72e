/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/said.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {
	[SAID_UNDECIDED] = "undecided",
	[SAID_HANDSHAKE] = "handshake",
	[SAID_TLS] = "tls",
	[SAID_PLAIN] = "plain",
};

static const char *const policies[] = {
	[SAID_STRICT] = "strict",
	[SAID_PERMISSIVE] = "permissive",
	[SAID_DISABLED] = "disabled",
};

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The index of what key says; -1 when it says nothing known. */
static int index_of(const json_t *object, const char *key,
		    const char *const *words, int count)
{
	const char *value = string_of(object, key);

	for (int i = 0; value && i < count; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	return -1;
}

static bool is_kernel(const json_t *object, const char *key)
{
	const char *value = string_of(object, key);

	return value && strcmp(value, "kernel") == 0;
}

static int parse_side(const json_t *connection, bool up, struct said *ret)
{
	const json_t *side = json_object_get(connection, up ? "up" : "down");
	json_int_t cookie = json_integer_value(json_object_get(side, "cookie"));
	json_int_t pair = json_integer_value(
		json_object_get(json_object_get(connection, "down"), "cookie"));
	int state = index_of(side, "state", states, 4);
	int policy = index_of(side, "policy", policies, 3);

	if (!json_is_object(side))
		return json_is_null(side) ? 0 : -EPROTO;
	if (state < 0 || policy < 0 || cookie < 0)
		return -EPROTO;
	*ret = (struct said){
		.cookie = (uint64_t)cookie,
		.pair = (uint64_t)pair,
		.up = up,
		.listener = string_of(connection, "listener"),
		.cluster = string_of(connection, "cluster"),
		.peer = string_of(side, "peer"),
		.policy = (enum said_policy)policy,
		.state = (enum said_state)state,
		.version = string_of(side, "version"),
		.cipher = string_of(side, "cipher"),
		.tx_kernel = is_kernel(side, "tx"),
		.rx_kernel = is_kernel(side, "rx"),
	};
	return ret->listener && ret->cluster ? 1 : -EPROTO;
}

static int by_cookie(const void *a, const void *b)
{
	const struct said *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static int parse_all(struct said_list *list)
{
	const json_t *connections =
		json_object_get(list->document, "connections");
	const json_t *pid = json_object_get(list->document, "pid");
	size_t count = json_array_size(connections);

	if (!json_is_array(connections) || !json_is_integer(pid))
		return -EPROTO;
	list->pid = (long)json_integer_value(pid);
	list->omitted = (size_t)json_integer_value(
		json_object_get(list->document, "omitted"));
	list->items = calloc(2 * count + 1, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * count; i++) {
		int r = parse_side(json_array_get(connections, i / 2), i & 1,
				   &list->items[list->count]);

		if (r < 0)
			return r;
		list->count += (size_t)r;
	}
	qsort(list->items, list->count, sizeof(*list->items), by_cookie);
	return 0;
}

int said_parse(const char *text, struct said_list *ret, struct err *err)
{
	struct said_list list = {0};
	json_error_t error;
	int r = -EPROTO;

	list.document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (list.document)
		r = parse_all(&list);
	if (r) {
		said_fini(&list);
		return err_set(err, -r,
			       r == -ENOMEM ? "memory is short"
					    : "what the daemon says of its "
					      "connections is not understood: "
					      "is it of another version?");
	}
	*ret = list;
	return 0;
}

void said_fini(struct said_list *list)
{
	free(list->items);
	json_decref(list->document);
	*list = (struct said_list){0};
}

const struct said *said_find(const struct said_list *list, uint64_t cookie)
{
	struct said key = {.cookie = cookie};

	if (!list->count)
		return NULL;
	return bsearch(&key, list->items, list->count, sizeof(key), by_cookie);
}

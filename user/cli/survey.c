/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/inodes.h"

#define PATH "/connections"

struct sockets {
	struct diag_socket *items;
	size_t count;
	size_t room;
	bool short_of_memory;
};

/* Cookies of what a round found and no listing named, in rising order. */
struct strangers {
	uint64_t *items;
	size_t count;
};

static void keep(const struct diag_socket *socket, void *data)
{
	struct sockets *sockets = data;

	/* No process has it: orphaned, or not yet accepted. */
	if (!socket->inode || sockets->short_of_memory)
		return;
	if (sockets->count == sockets->room) {
		size_t room = sockets->room ? 2 * sockets->room : 1024;
		struct diag_socket *items =
			realloc(sockets->items, room * sizeof(*items));

		if (!items) {
			sockets->short_of_memory = true;
			return;
		}
		sockets->items = items;
		sockets->room = room;
	}
	sockets->items[sockets->count++] = *socket;
}

static int ask_daemon(const struct daemon *daemon, struct said_list *ret,
		      struct err *err)
{
	char *body;
	int r = http_get(&daemon->admin, PATH, &body, err);

	if (r)
		return r;
	r = said_parse(body, ret, err);
	free(body);
	return r;
}

/* ---- whose socket, and what is wanted of it */

static unsigned int port_of(const struct addr *addr)
{
	return addr->any.sa_family == AF_INET ? addr->v4.sin_port
					      : addr->v6.sin6_port;
}

static bool is_admins(const struct daemon *daemon,
		      const struct diag_socket *socket)
{
	return !daemon->admin.path &&
	       port_of(&socket->local) == port_of(&daemon->admin.addr);
}

static enum said_policy listener_policy(const struct config_listener *listener)
{
	static const enum said_policy policies[] = {
		[CONFIG_TLS_STRICT] = SAID_STRICT,
		[CONFIG_TLS_PERMISSIVE] = SAID_PERMISSIVE,
		[CONFIG_TLS_DISABLED] = SAID_DISABLED,
	};

	return policies[listener->tls_mode];
}

static enum said_policy cluster_policy(const struct config_cluster *cluster)
{
	return cluster->tls ? SAID_STRICT : SAID_DISABLED;
}

/* The file's word counts: connections may be older than it. */
static enum said_policy policy_listed(const struct config *config,
				      const struct said *said)
{
	for (size_t i = 0; config && said->up && i < config->cluster_count; i++)
		if (strcmp(config->clusters[i].name, said->cluster) == 0)
			return cluster_policy(&config->clusters[i]);
	for (size_t i = 0; config && !said->up && i < config->listener_count;
	     i++)
		if (strcmp(config->listeners[i].name, said->listener) == 0)
			return listener_policy(&config->listeners[i]);
	return said->policy;
}

/* Of a socket that the daemon does not list, by where it leads. */
static enum said_policy policy_unlisted(const struct config *config,
					const struct diag_socket *socket)
{
	for (size_t i = 0; config && i < config->listener_count; i++)
		if (port_of(&config->listeners[i].listen) ==
		    port_of(&socket->local))
			return listener_policy(&config->listeners[i]);
	for (size_t i = 0; config && i < config->cluster_count; i++) {
		const struct config_cluster *cluster = &config->clusters[i];

		for (size_t e = 0; e < cluster->endpoint_count; e++)
			if (addr_equal(&cluster->endpoints[e], &socket->remote))
				return cluster_policy(cluster);
	}
	return SAID_DISABLED;
}

/* ---- one round */

static int by_cookie(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool was_there(const struct strangers *strangers, uint64_t cookie)
{
	return strangers->count &&
	       bsearch(&cookie, strangers->items, strangers->count,
		       sizeof(cookie), by_cookie);
}

static void add_row(struct survey *survey, const struct daemon *daemon,
		    const struct diag_socket *socket)
{
	const struct said *before = said_find(&survey->before, socket->cookie);
	const struct said *after = said_find(&survey->after, socket->cookie);
	const struct said *said = after ? after : before;
	struct survey_row *row = &survey->rows[survey->count++];

	*row = (struct survey_row){
		.socket = *socket,
		.said = said,
		.judgement = verdict_judge(socket, before, after),
		.policy = said ? policy_listed(daemon->config, said)
			       : policy_unlisted(daemon->config, socket),
	};
	survey->ulp_untold |= !socket->told;
}

/* Rows for what is the daemon's; what it does not list counts only if it was
 * there in the last round already. ret_strangers are of this round. */
static int judge(struct survey *survey, const struct daemon *daemon,
		 const struct sockets *sockets, const struct inodes *inodes,
		 const struct strangers *before, struct strangers *ret)
{
	size_t found = 0, rows_of_pid = 0;

	survey->rows = calloc(sockets->count + 1, sizeof(*survey->rows));
	ret->items = calloc(sockets->count + 1, sizeof(*ret->items));
	if (!survey->rows || !ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < sockets->count; i++) {
		const struct diag_socket *socket = &sockets->items[i];
		bool listed = said_find(&survey->before, socket->cookie) ||
			      said_find(&survey->after, socket->cookie);

		if (listed) {
			found += said_find(&survey->before, socket->cookie) &&
				 said_find(&survey->after, socket->cookie);
			rows_of_pid += inodes_have(inodes, socket->inode);
			add_row(survey, daemon, socket);
		} else if (inodes_have(inodes, socket->inode) &&
			   !is_admins(daemon, socket)) {
			ret->items[ret->count++] = socket->cookie;
			if (was_there(before, socket->cookie))
				add_row(survey, daemon, socket);
		}
	}
	/* Another PID namespace: it is somebody else who has its number. */
	if (survey->count && !rows_of_pid)
		survey->fds_unseen = true;
	for (size_t i = 0; i < survey->before.count; i++) {
		uint64_t cookie = survey->before.items[i].cookie;

		survey->gone += said_find(&survey->after, cookie) != NULL;
	}
	survey->gone -= found < survey->gone ? found : survey->gone;
	qsort(ret->items, ret->count, sizeof(*ret->items), by_cookie);
	return 0;
}

static int look(const struct daemon *daemon, const struct strangers *before,
		struct survey *survey, struct strangers *ret_strangers,
		struct err *err)
{
	struct sockets sockets = {0};
	struct inodes inodes = {0};
	int r = ask_daemon(daemon, &survey->before, err);

	if (r)
		return r;
	r = inodes_of(survey->before.pid, &inodes);
	survey->fds_unseen = r == -EACCES || r == -EPERM || r == -ENOENT;
	r = r == -ENOMEM ? err_set(err, ENOMEM, "memory is short") : 0;
	if (!r)
		r = diag_each(keep, &sockets, err);
	if (!r)
		r = ask_daemon(daemon, &survey->after, err);
	if (!r &&
	    (sockets.short_of_memory ||
	     judge(survey, daemon, &sockets, &inodes, before, ret_strangers)))
		r = err_set(err, ENOMEM, "memory is short");
	free(sockets.items);
	inodes_fini(&inodes);
	return r;
}

static int by_connection(const void *a, const void *b)
{
	const struct survey_row *x = a, *y = b;
	int order;

	if (!x->said || !y->said)
		return !x->said - !y->said;
	order = strcmp(x->said->listener, y->said->listener);
	if (order)
		return order;
	if (x->said->pair != y->said->pair)
		return x->said->pair < y->said->pair ? -1 : 1;
	return x->said->up - y->said->up;
}

int survey_take(const struct daemon *daemon, struct survey *ret,
		struct err *err)
{
	struct strangers none = {NULL, 0}, first = none, second = none;
	struct survey survey = {0};
	int r = look(daemon, &none, &survey, &first, err);

	if (!r && (first.count || survey.gone)) {
		survey_fini(&survey);
		r = look(daemon, &first, &survey, &second, err);
	}
	free(first.items);
	free(second.items);
	if (!r && survey.gone && !survey.count)
		r = err_set(err, ENOENT,
			    "none of the daemon's sockets is in this network "
			    "namespace: nsenter --net -t %ld millrace verify …",
			    survey.before.pid);
	if (r) {
		survey_fini(&survey);
		return r;
	}
	qsort(survey.rows, survey.count, sizeof(*survey.rows), by_connection);
	*ret = survey;
	return 0;
}

void survey_fini(struct survey *survey)
{
	said_fini(&survey->before);
	said_fini(&survey->after);
	free(survey->rows);
	*survey = (struct survey){0};
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/routes.h"

#include <errno.h>
#include <string.h>

#include "admin/actions.h"
#include "admin/connections.h"
#include "admin/info.h"
#include "admin/page.h"
#include "admin/stats.h"

#define PROMETHEUS "text/plain; version=0.0.4; charset=UTF-8"

static bool buckets_parse(const char *word, enum stats_buckets *ret)
{
	static const char *const words[] = {
		[STATS_BUCKETS_NONE] = "none",
		[STATS_BUCKETS_CUMULATIVE] = "cumulative",
		[STATS_BUCKETS_DISJOINT] = "disjoint",
	};

	*ret = STATS_BUCKETS_NONE;
	for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		*ret = (enum stats_buckets)i;
		return true;
	}
	return !word;
}

static void stats(const struct request *request, enum stats_format format,
		  struct answer *ret)
{
	struct stats_query query = {
		.filter = request->value(request, "filter"),
		.used_only = request->value(request, "usedonly") != NULL,
	};
	struct err err = {""};
	int r;

	if (!buckets_parse(request->value(request, "histogram_buckets"),
			   &query.buckets)) {
		answer_say(ret, 400,
			   "usage: /stats?histogram_buckets="
			   "none|cumulative|disjoint\n");
		return;
	}
	r = stats_print(request->context, format, &query, &ret->body,
			&ret->size, &err);

	if (r == -EINVAL) {
		answer_say(ret, 400, "%s\n", err.text);
		return;
	}
	ret->status = 200;
	ret->type = format == STATS_TEXT   ? "text/plain; charset=UTF-8"
		    : format == STATS_JSON ? "application/json"
					   : PROMETHEUS;
	if (r)
		ret->body = NULL;
}

static void get_prometheus(const struct request *request, struct answer *ret)
{
	stats(request, STATS_PROMETHEUS, ret);
}

static void get_stats(const struct request *request, struct answer *ret)
{
	const char *format = request->value(request, "format");

	if (!format || strcmp(format, "text") == 0)
		stats(request, STATS_TEXT, ret);
	else if (strcmp(format, "json") == 0)
		stats(request, STATS_JSON, ret);
	else if (strcmp(format, "prometheus") == 0)
		stats(request, STATS_PROMETHEUS, ret);
	else
		answer_say(ret, 400,
			   "usage: /stats?format=text|json|prometheus\n");
}

static void get_help(const struct request *request, struct answer *ret);

/* Sorted by path. */
static const struct {
	const char *method;
	const char *path;
	void (*answer)(const struct request *request, struct answer *ret);
	const char *help;
} routes[] = {
	{"GET", "/", page_get, "a page to look at"},
	{"GET", "/certs", info_certs, "certificates in use"},
	{"GET", "/clusters", info_clusters, "clusters and their endpoints"},
	{"GET", "/config_dump", info_config,
	 "the configuration in use, keys left out"},
	{"GET", "/connections", connections_get,
	 "every connection, its sockets, and who encrypts"},
	{"POST", "/drain_listeners", actions_drain,
	 "stop accepting (?graceful: until the drain timeout; ?inboundonly)"},
	{"POST", "/healthcheck/fail", actions_health_fail,
	 "/ready answers 503 from now on"},
	{"POST", "/healthcheck/ok", actions_health_ok,
	 "/ready tells the truth again"},
	{"GET", "/help", get_help, "this list"},
	{"GET", "/listeners", info_listeners, "listeners and their addresses"},
	{"POST", "/logging", actions_logging,
	 "the log level (?level=error|warning|info|debug sets it)"},
	{"GET", "/memory", info_memory, "memory in use"},
	{"POST", "/quitquitquit", actions_quit, "end, without a drain"},
	{"GET", "/ready", info_ready, "LIVE, or 503 and why not"},
	{"POST", "/reload", actions_reload,
	 "read the configuration again; 400 and why not"},
	{"POST", "/reopen_logs", actions_reopen_logs,
	 "open the access log's file anew"},
	{"POST", "/reset_counters", actions_reset_counters,
	 "tell counters as if they were 0 now"},
	{"GET", "/server_info", info_server, "version, state, uptime"},
	{"GET", "/stats", get_stats,
	 "counters (?filter=REGEX, ?usedonly, ?format=json|prometheus, "
	 "?histogram_buckets=cumulative|disjoint)"},
	{"GET", "/stats/prometheus", get_prometheus,
	 "counters for Prometheus (?filter=REGEX, ?usedonly)"},
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static void list(struct answer *ret, unsigned int status, const char *first)
{
	struct text text = {0};

	text_format(&text, "%sadmin commands are:\n", first);
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		text_format(&text, "  %s (%s): %s\n", routes[i].path,
			    routes[i].method, routes[i].help);
	answer_text(ret, &text);
	ret->status = status;
}

static void get_help(const struct request *request, struct answer *ret)
{
	(void)request;
	list(ret, 200, "");
}

/* Who may only look, and a page that somebody's browser shows, must not act:
 * any site can make a browser post to a loopback address. */
static bool is_refused(const struct request *request, struct answer *ret)
{
	if (strcmp(request->method, "POST") != 0)
		return false;
	if (request->read_only)
		answer_say(ret, 403,
			   "admin.access is open-read-only: GET alone is "
			   "answered\n");
	else if (request->from_page)
		answer_say(ret, 403,
			   "a page in a browser may not ask for this\n");
	else
		return false;
	return true;
}

void routes_answer(const struct request *request, struct answer *ret)
{
	/* HEAD asks for GET's headers; the server leaves the body out. */
	const char *method =
		strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (strcmp(routes[i].path, request->path) != 0)
			continue;
		if (strcmp(routes[i].method, method) == 0) {
			if (!is_refused(request, ret))
				routes[i].answer(request, ret);
			return;
		}
		answer_say(ret, 405, "Method %.16s not allowed, %s required.\n",
			   request->method, routes[i].method);
		ret->allow = routes[i].method;
		return;
	}
	list(ret, 404, "invalid path. ");
}

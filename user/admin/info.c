/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/info.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "admin/certs.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "mesh/membership.h"
#include <version.h>

void info_ready(const struct request *request, struct answer *ret)
{
	const struct admin_context *context = request->context;

	answer_say(ret, admin_context_state(context) == ADMIN_LIVE ? 200 : 503,
		   "%s\n", admin_context_words(context));
}

void info_server(const struct request *request, struct answer *ret)
{
	const struct admin_context *context = request->context;
	unsigned long long up_s = (clock_now_ms() - context->started_ms) / 1000;
	struct text text = {0};
	struct utsname kernel;

	if (uname(&kernel) != 0)
		strcpy(kernel.release, "unknown");
	text_format(&text,
		    "{\n \"version\":\"millrace/" MILLRACE_VERSION "\",\n"
		    " \"state\":\"%s\",\n"
		    " \"uptime_current_epoch\":\"%llus\",\n"
		    " \"uptime_all_epochs\":\"%llus\",\n"
		    " \"kernel\":\"%s\",\n \"pid\":%d,\n"
		    " \"log_level\":\"%s\",\n \"counters_pinned\":%s,\n"
		    " \"command_line_options\":{\"concurrency\":%u,"
		    "\"config_path\":",
		    admin_context_words(context), up_s, up_s, kernel.release,
		    (int)getpid(), log_level_name(log_level_get()),
		    counters_pinned(context->counters) ? "true" : "false",
		    counters_workers(context->counters));
	text_json(&text, context->config->path);
	text_word(&text, "}\n}\n");
	answer_json(ret, &text);
}

/* 64-bit numbers are strings, as protobuf's JSON has them. */
void info_memory(const struct request *request, struct answer *ret)
{
	struct mallinfo2 heap = mallinfo2();
	unsigned long long resident = 0, pages = 0;
	struct text text = {0};
	FILE *statm = fopen("/proc/self/statm", "re");

	(void)request;
	if (statm) {
		if (fscanf(statm, "%*u %llu", &pages) == 1)
			resident = pages *
				   (unsigned long long)sysconf(_SC_PAGESIZE);
		fclose(statm);
	}
	text_format(&text,
		    "{\n \"allocated\":\"%zu\",\n \"heap_size\":\"%zu\",\n"
		    " \"pageheap_unmapped\":\"0\",\n"
		    " \"pageheap_free\":\"%zu\",\n"
		    " \"total_thread_cache\":\"0\",\n"
		    " \"total_physical_bytes\":\"%llu\"\n}\n",
		    heap.uordblks + heap.hblkhd, heap.arena + heap.hblkhd,
		    heap.fordblks, resident);
	answer_json(ret, &text);
}

void info_certs(const struct request *request, struct answer *ret)
{
	struct text text = {0};

	certs_print(request->context->config, request->context->credentials,
		    &text);
	answer_json(ret, &text);
}

/* What the file said, presets filled in; keys were left out where it was
 * read. */
void info_config(const struct request *request, struct answer *ret)
{
	const struct config *config = request->context->config;
	struct text text = {0};

	text_word(&text, "{\"configs\":[{\"@type\":\"millrace\",\"path\":");
	text_json(&text, config->path);
	text_word(&text, ",\"config\":");
	text_word(&text, config->dump ? config->dump : "null");
	text_word(&text, "}]}\n");
	answer_json(ret, &text);
}

/* ---- listeners and clusters */

static void put_address(struct text *text, const struct addr *addr)
{
	char words[ADDR_TEXT_MAX];
	char *port = strrchr(addr_format(addr, words), ':');
	char *host = words;

	if (!port) {
		text_word(text, "{}");
		return;
	}
	*port++ = '\0';
	if (*host == '[') {
		host++;
		port[-2] = '\0';
	}
	text_format(text,
		    "{\"socket_address\":{\"address\":\"%s\","
		    "\"port_value\":%s}}",
		    host, port);
}

static void listeners_json(const struct config *config, struct text *text)
{
	text_word(text, "{\"listener_statuses\":[");
	for (size_t i = 0; i < config->listener_count; i++) {
		text_word(text, i ? ",\n{\"name\":" : "\n{\"name\":");
		text_json(text, config->listeners[i].name);
		text_word(text, ",\"local_address\":");
		put_address(text, &config->listeners[i].listen);
		text_word(text, "}");
	}
	text_word(text, "\n]}\n");
}

void info_listeners(const struct request *request, struct answer *ret)
{
	const struct config *config = request->context->config;
	char address[ADDR_TEXT_MAX];
	struct text text = {0};

	if (request_wants(request, "json")) {
		listeners_json(config, &text);
		answer_json(ret, &text);
		return;
	}
	for (size_t i = 0; i < config->listener_count; i++)
		text_format(&text, "%s::%s\n", config->listeners[i].name,
			    addr_format(&config->listeners[i].listen, address));
	answer_text(ret, &text);
}

/* Who its endpoints are right now; items is the caller's to free. */
static struct members members_of(const struct admin_context *context, size_t i)
{
	const struct config_cluster *cluster = &context->config->clusters[i];
	struct members members = {0};
	size_t size = cluster->endpoint_count * sizeof(struct addr);

	if (context->memberships && context->memberships[i]) {
		membership_follow(context->memberships[i], &members);
		return members;
	}
	members.items = size ? malloc(size) : NULL;
	if (members.items) {
		memcpy(members.items, cluster->endpoints, size);
		members.count = cluster->endpoint_count;
	}
	return members;
}

static void clusters_json(const struct admin_context *context,
			  struct text *text)
{
	const struct config *config = context->config;

	text_word(text, "{\"cluster_statuses\":[");
	for (size_t i = 0; i < config->cluster_count; i++) {
		const struct config_cluster *cluster = &config->clusters[i];
		struct members members = members_of(context, i);

		text_word(text, i ? ",\n{\"name\":" : "\n{\"name\":");
		text_json(text, cluster->name);
		text_word(text, ",\"added_via_api\":false,\"host_statuses\":[");
		for (size_t e = 0; e < members.count; e++) {
			text_word(text, e ? ",{\"address\":" : "{\"address\":");
			put_address(text, &members.items[e]);
			text_word(text, ",\"weight\":1}");
		}
		text_word(text, "]}");
		free(members.items);
	}
	text_word(text, "\n]}\n");
}

/* What is counted is counted per cluster: only where there is one endpoint
 * is it that endpoint's too. */
static void put_endpoint(const struct admin_context *context, size_t cluster,
			 const char *prefix, struct text *text)
{
	unsigned int workers = counters_workers(context->counters);
	unsigned long long total = 0, active = 0, failed = 0;
	unsigned long long rx = 0, tx = 0;

	for (unsigned int w = 0; w < workers; w++) {
		const struct cluster_row *row =
			counters_cluster(context->counters, cluster, w);

		total += row->cx_total;
		active += row->cx_active;
		failed += row->cx_connect_fail;
		rx += row->rx_bytes;
		tx += row->tx_bytes;
	}
	text_format(text,
		    "%s::cx_active::%llu\n%s::cx_connect_fail::%llu\n"
		    "%s::cx_total::%llu\n%s::rx_bytes::%llu\n"
		    "%s::tx_bytes::%llu\n",
		    prefix, active, prefix, failed, prefix, total, prefix, rx,
		    prefix, tx);
}

static void put_cluster(const struct admin_context *context, size_t i,
			struct text *text)
{
	const struct config_cluster *cluster = &context->config->clusters[i];
	char address[ADDR_TEXT_MAX], prefix[ADDR_TEXT_MAX + 256];
	struct members members = members_of(context, i);

	text_format(text, "%s::observability_name::%s\n", cluster->name,
		    cluster->name);
	text_format(text, "%s::added_via_api::false\n", cluster->name);
	for (size_t e = 0; e < members.count; e++) {
		snprintf(prefix, sizeof(prefix), "%.200s::%s", cluster->name,
			 addr_format(&members.items[e], address));
		if (members.count == 1)
			put_endpoint(context, i, prefix, text);
		text_format(text, "%s::hostname::%s\n", prefix,
			    cluster->server_name ? cluster->server_name : "");
		text_format(text, "%s::weight::1\n", prefix);
	}
	free(members.items);
}

void info_clusters(const struct request *request, struct answer *ret)
{
	const struct admin_context *context = request->context;
	struct text text = {0};

	if (request_wants(request, "json")) {
		clusters_json(context, &text);
		answer_json(ret, &text);
		return;
	}
	for (size_t i = 0; i < context->config->cluster_count; i++)
		put_cluster(context, i, &text);
	answer_text(ret, &text);
}

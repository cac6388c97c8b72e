/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>

#include "admin/stats.h"
#include "base/clock.h"
#include "base/durations.h"
#include "flow/worker.h"

#define WORKERS 2

/* A listener that terminates, a plain one, a cluster with TLS, a plain one. */
static struct config_listener listeners[] = {
	{.name = (char *)(uintptr_t) "ingress", .tls_mode = CONFIG_TLS_STRICT},
	{.name = (char *)(uintptr_t) "plain", .tls_mode = CONFIG_TLS_DISABLED},
};
static struct config_cluster clusters[] = {
	{.name = (char *)(uintptr_t) "app"},
	{.name = (char *)(uintptr_t) "other", .tls = true},
};
static struct config config = {
	.listeners = listeners,
	.listener_count = 2,
	.clusters = clusters,
	.cluster_count = 2,
};
static struct admin_context context = {.config = &config};
static struct worker threads[WORKERS];
static struct worker *workers[] = {&threads[0], &threads[1]};

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(
		addr_parse("0.0.0.0:15000", &listeners[0].listen, NULL), 0);
	assert_int_equal(addr_parse("[::1]:10000", &listeners[1].listen, NULL),
			 0);
	config.listener_count = 2;
	config.cluster_count = 2;
	context.state = ADMIN_LIVE;
	context.started_ms = clock_now_ms();
	return counters_open(&config, WORKERS, &context.counters, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	counters_close(context.counters);
	return 0;
}

/* The caller's to free. */
static char *text_of(const char *filter, bool used_only)
{
	struct stats_query query = {.filter = filter, .used_only = used_only};
	struct err err = {""};
	char *text;
	size_t size;

	assert_int_equal(
		stats_print(&context, STATS_TEXT, &query, &text, &size, &err),
		0);
	assert_string_equal(err.text, "");
	assert_int_equal(size, strlen(text));
	return text;
}

/* The caller's to free. */
static char *printed(enum stats_format format, const char *filter)
{
	const struct stats_query query = {.filter = filter};
	struct err err = {""};
	char *text;
	size_t size;

	assert_int_equal(
		stats_print(&context, format, &query, &text, &size, &err), 0);
	return text;
}

static void expect(const char *filter, bool used_only, const char *expected)
{
	char *text = text_of(filter, used_only);

	assert_string_equal(text, expected);
	free(text);
}

static bool has_line(const char *text, const char *line)
{
	char needle[256];

	snprintf(needle, sizeof(needle), "\n%s\n", line);
	return strncmp(text, needle + 1, strlen(needle + 1)) == 0 ||
	       strstr(text, needle);
}

/* Three handshakes on the one listener that terminates: the words that a
 * runbook written for Envoy looks for. */
static void handshakes_read_as_with_envoy(void **state)
{
	(void)state;
	config.listener_count = 1;
	config.cluster_count = 1;
	counters_listener(context.counters, 0, 0)->ssl_handshake = 1;
	counters_listener(context.counters, 0, 1)->ssl_handshake = 2;
	expect("ssl.handshake", false,
	       "listener.0.0.0.0_15000.ssl.handshake: 3\n");
	expect("ssl.*(fail|error)", false,
	       "listener.0.0.0.0_15000.ssl.connection_error: 0\n"
	       "listener.0.0.0.0_15000.ssl.fail_verify_cert_hash: 0\n"
	       "listener.0.0.0.0_15000.ssl.fail_verify_error: 0\n"
	       "listener.0.0.0.0_15000.ssl.fail_verify_no_cert: 0\n"
	       "listener.0.0.0.0_15000.ssl.fail_verify_san: 0\n");
	config.listener_count = 2;
	config.cluster_count = 2;
}

static void values_are_summed_over_workers(void **state)
{
	(void)state;
	for (unsigned int w = 0; w < WORKERS; w++) {
		counters_listener(context.counters, 0, w)->cx_total = 10 + w;
		counters_listener(context.counters, 1, w)->cx_total = 20 + w;
		counters_cluster(context.counters, 0, w)->cx_total = 30 + w;
		counters_cluster(context.counters, 1, w)->cx_total =
			(1ull << 40) + w;
		counters_listener(context.counters, 0, w)->cx_active = 4;
		counters_listener(context.counters, 1, w)->cx_active = 1;
	}
	expect("(listener|cluster).*stream_cx_total", false,
	       "cluster.app.upstream_cx_total: 61\n"
	       "cluster.other.upstream_cx_total: 2199023255553\n"
	       "listener.0.0.0.0_15000.downstream_cx_total: 21\n"
	       "listener.[__1]_10000.downstream_cx_total: 41\n");
	threads[0].connections = 4;
	threads[1].connections = 6;
	context.workers = workers;
	context.worker_count = WORKERS;
	expect("^server.total_connections$", false,
	       "server.total_connections: 10\n");
	expect("draining", false,
	       "listener_manager.total_listeners_draining: 0\n"
	       "server.millrace.draining_connections: 0\n");
	context.inbound_drained = true;
	expect("total_listeners", false,
	       "listener_manager.total_listeners_active: 1\n"
	       "listener_manager.total_listeners_draining: 1\n");
	context.state = ADMIN_DRAINING;
	expect("draining", false,
	       "listener_manager.total_listeners_draining: 2\n"
	       "server.millrace.draining_connections: 10\n");
	context.inbound_drained = false;
	context.state = ADMIN_LIVE;
	context.worker_count = 0;
}

static void tls_lines_stand_where_there_is_tls(void **state)
{
	(void)state;
	expect("ssl.connection_error", false,
	       "cluster.other.ssl.connection_error: 0\n"
	       "listener.0.0.0.0_15000.ssl.connection_error: 0\n");
	expect("engine.tx_user|fallback.no_ulp|peer_alert", false,
	       "cluster.other.millrace.engine.tx_user: 0\n"
	       "cluster.other.millrace.fallback.no_ulp: 0\n"
	       "cluster.other.millrace.peer_alert: 0\n"
	       "listener.0.0.0.0_15000.millrace.engine.tx_user: 0\n"
	       "listener.0.0.0.0_15000.millrace.fallback.no_ulp: 0\n"
	       "listener.0.0.0.0_15000.millrace.peer_alert: 0\n");
}

static void negotiated_names_appear_once_seen(void **state)
{
	struct negotiated_row *down, *up;

	(void)state;
	expect("ssl.(ciphers|versions|curves)", false, "");
	down = counters_listener_negotiated(context.counters, 0, 1);
	up = counters_cluster_negotiated(context.counters, 1, 0);
	++*counters_negotiated_field(down, "ciphers", "TLS_AES_128_GCM_SHA256");
	++*counters_negotiated_field(down, "versions", "TLSv1.3");
	++*counters_negotiated_field(down, "curves", "x25519");
	++*counters_negotiated_field(up, "ciphers",
				     "ECDHE-ECDSA-AES128-GCM-SHA256");
	++*counters_negotiated_field(up, "versions", "TLSv1.2");
	++*counters_negotiated_field(up, "curves", "secp256r1");
	++*counters_negotiated_field(up, "curves", "X25519MLKEM768");
	expect("ssl.(ciphers|versions|curves)", false,
	       "cluster.other.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256: 1\n"
	       "cluster.other.ssl.curves.P-256: 1\n"
	       "cluster.other.ssl.curves.other: 1\n"
	       "cluster.other.ssl.versions.TLSv1.2: 1\n"
	       "listener.0.0.0.0_15000.ssl.ciphers.TLS_AES_128_GCM_SHA256: 1\n"
	       "listener.0.0.0.0_15000.ssl.curves.X25519: 1\n"
	       "listener.0.0.0.0_15000.ssl.versions.TLSv1.3: 1\n");
}

static void used_only_leaves_out_what_never_moved(void **state)
{
	struct cluster_row *row;

	(void)state;
	expect("^(listener|cluster)[.]", true, "");
	row = counters_cluster(context.counters, 0, 0);
	row->cx_total = 2;
	row->cx_destroy = 2;
	/* the gauge is 0 again, and was not always */
	expect("^(listener|cluster)[.]", true,
	       "cluster.app.membership_healthy: 0\n"
	       "cluster.app.membership_total: 0\n"
	       "cluster.app.upstream_cx_active: 0\n"
	       "cluster.app.upstream_cx_destroy: 2\n"
	       "cluster.app.upstream_cx_total: 2\n"
	       "cluster.app.upstream_cx_connect_ms: No recorded values\n"
	       "cluster.app.upstream_cx_length_ms: No recorded values\n");
}

static void the_server_tells_its_state(void **state)
{
	char *text;

	(void)state;
	context.started_ms = clock_now_ms() - 5000;
	text = text_of("^(server|listener_manager)[.]", false);
	assert_true(has_line(text, "listener_manager.listener_added: 2"));
	assert_true(
		has_line(text, "listener_manager.total_listeners_active: 2"));
	assert_true(
		has_line(text, "listener_manager.total_listeners_draining: 0"));
	assert_true(has_line(text, "server.concurrency: 2"));
	assert_true(has_line(text, "server.live: 1"));
	assert_true(has_line(text, "server.state: 0"));
	assert_true(has_line(text, "server.uptime: 5") ||
		    has_line(text, "server.uptime: 6"));
	free(text);
	context.state = ADMIN_DRAINING;
	expect("_active|_draining|server.(live|state)", true,
	       "listener_manager.total_listeners_active: 0\n"
	       "listener_manager.total_listeners_draining: 2\n"
	       "server.live: 0\n"
	       "server.state: 1\n");
}

/* Sorted by bytes, every line "name: number", no name twice; then what are no
 * single numbers, sorted too. */
static void the_whole_is_a_sorted_list(void **state)
{
	char *text = text_of(NULL, false);
	char *rest = text;
	const char *before = "";
	bool histograms = false;
	char *line;
	size_t count = 0;

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		char *value = strstr(line, ": ");

		assert_non_null(value);
		*value = '\0';
		if (!histograms &&
		    strcmp(value + 2, "No recorded values") == 0) {
			histograms = true;
			before = "";
		}
		assert_true(strcmp(before, line) < 0);
		if (!histograms)
			assert_int_equal(strspn(value + 2, "0123456789"),
					 strlen(value + 2));
		before = line;
		count++;
	}
	assert_null(rest);
	assert_true(count > 100);
	assert_true(histograms);
	free(text);
}

static void tcp_proxy_is_told_by_its_names(void **state)
{
	struct listener_row *row = counters_listener(context.counters, 0, 1);

	(void)state;
	row->cx_total = 5;
	row->rx_bytes = 100;
	row->tx_bytes = 200;
	row->no_route = 1;
	row->idle_timeout = 2;
	expect("^tcp.ingress", false,
	       "tcp.ingress.downstream_cx_no_route: 1\n"
	       "tcp.ingress.downstream_cx_rx_bytes_total: 100\n"
	       "tcp.ingress.downstream_cx_total: 5\n"
	       "tcp.ingress.downstream_cx_tx_bytes_total: 200\n"
	       "tcp.ingress.idle_timeout: 2\n");
}

static void stapling_is_told_where_it_is_configured(void **state)
{
	struct config_identity identity = {.ocsp_path =
						   (char *)(uintptr_t) "a"};

	(void)state;
	expect("ocsp", false, "");
	listeners[0].identities = &identity;
	listeners[0].identity_count = 1;
	expect("ocsp", false,
	       "listener.0.0.0.0_15000.ssl.ocsp_staple_failed: 0\n"
	       "listener.0.0.0.0_15000.ssl.ocsp_staple_omitted: 0\n"
	       "listener.0.0.0.0_15000.ssl.ocsp_staple_requests: 0\n"
	       "listener.0.0.0.0_15000.ssl.ocsp_staple_responses: 0\n");
	listeners[0].identities = NULL;
	listeners[0].identity_count = 0;
}

/* Of two workers: 3, 3, 3 and 400 ms. */
static void record_times(void)
{
	struct durations *first =
		&counters_cluster_times(context.counters, 0, 0)->cx_connect_ms;
	struct durations *second =
		&counters_cluster_times(context.counters, 0, 1)->cx_connect_ms;

	/* as many as the histogram has */
	counters_cluster(context.counters, 0, 0)->cx_total = 4;
	durations_add(first, 3);
	durations_add(first, 3);
	durations_add(second, 3);
	durations_add(second, 400);
}

static void histograms_have_quantiles(void **state)
{
	char *text;

	(void)state;
	expect("app.upstream_cx_(connect|length)_ms", false,
	       "cluster.app.upstream_cx_connect_ms: No recorded values\n"
	       "cluster.app.upstream_cx_length_ms: No recorded values\n");
	expect("_ms$", true, "");
	record_times();
	expect("_ms$", true,
	       "cluster.app.upstream_cx_connect_ms: P0(nan,3) P25(nan,3) "
	       "P50(nan,3) P75(nan,3) P90(nan,400) P95(nan,400) P99(nan,400) "
	       "P99.5(nan,400) P99.9(nan,400) P100(nan,400)\n");
	text = printed(STATS_JSON, "app.upstream_cx_connect_ms");
	assert_string_equal(
		text,
		"{\"stats\":[{\"histograms\":{\"supported_quantiles\":[0,25,50,"
		"75,90,95,99,99.5,99.9,100],\"computed_quantiles\":[{\"name\":"
		"\"cluster.app.upstream_cx_connect_ms\",\"values\":["
		"{\"interval\":null,\"cumulative\":3},"
		"{\"interval\":null,\"cumulative\":3},"
		"{\"interval\":null,\"cumulative\":3},"
		"{\"interval\":null,\"cumulative\":3},"
		"{\"interval\":null,\"cumulative\":400},"
		"{\"interval\":null,\"cumulative\":400},"
		"{\"interval\":null,\"cumulative\":400},"
		"{\"interval\":null,\"cumulative\":400},"
		"{\"interval\":null,\"cumulative\":400},"
		"{\"interval\":null,\"cumulative\":400}]}]}}]}\n");
	free(text);
}

static void histograms_have_buckets(void **state)
{
	struct stats_query query = {.filter = "app.upstream_cx_connect_ms"};
	struct err err = {""};
	char *text;
	size_t size;

	(void)state;
	record_times();
	query.buckets = STATS_BUCKETS_CUMULATIVE;
	assert_int_equal(
		stats_print(&context, STATS_TEXT, &query, &text, &size, &err),
		0);
	assert_string_equal(
		text,
		"cluster.app.upstream_cx_connect_ms: B0.5(0,0) B1(0,0) B5(0,3) "
		"B10(0,3) B25(0,3) B50(0,3) B100(0,3) B250(0,3) B500(0,4) "
		"B1000(0,4) B2500(0,4) B5000(0,4) B10000(0,4) B30000(0,4) "
		"B60000(0,4) B300000(0,4) B600000(0,4) B1800000(0,4) "
		"B3600000(0,4)\n");
	free(text);
	query.buckets = STATS_BUCKETS_DISJOINT;
	assert_int_equal(
		stats_print(&context, STATS_JSON, &query, &text, &size, &err),
		0);
	assert_non_null(strstr(text, "{\"histograms\":[{\"name\":\"cluster.app."
				     "upstream_cx_connect_ms\",\"buckets\":["));
	assert_non_null(strstr(text, "{\"upper_bound\":5,\"interval\":0,"
				     "\"cumulative\":3}"));
	assert_non_null(strstr(text, "{\"upper_bound\":10,\"interval\":0,"
				     "\"cumulative\":0}"));
	assert_non_null(strstr(text, "{\"upper_bound\":500,\"interval\":0,"
				     "\"cumulative\":1}"));
	free(text);
}

static const struct {
	const char *filter;
	const char *words; /* a part of them */
} bad_filters[] = {
	{"(", "no extended regular expression: Unmatched ("},
	{"[a", "no extended regular expression"},
	{"((a{200}){200}){200}", "counts"},
	{"a\\\\{2}", "counts"},
	{"a\\{2", NULL},
	{"(.*)(.*)\\2\\1", "back-references"},
	{"a\\\\1", NULL},
};

/* A family's lines stand together under one TYPE, with Envoy's labels. */
static void prometheus_has_families_and_labels(void **state)
{
	char *text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		counters_listener_negotiated(context.counters, i, 0)->tls13 = 3;
		counters_cluster_negotiated(context.counters, i, 0)
			->rsa_aes128 = 2;
	}
	text = printed(STATS_PROMETHEUS,
		       "versions|ciphers|^(listener|cluster).*cx_total");
	assert_string_equal(
		text,
		"# HELP envoy_cluster_ssl_ciphers completed handshakes that "
		"negotiated it\n"
		"# TYPE envoy_cluster_ssl_ciphers counter\n"
		"envoy_cluster_ssl_ciphers{cipher_suite=\"ECDHE-RSA-AES128-GCM-"
		"SHA256\",envoy_cluster_name=\"other\"} 2\n"
		"# HELP envoy_cluster_upstream_cx_total connections begun\n"
		"# TYPE envoy_cluster_upstream_cx_total counter\n"
		"envoy_cluster_upstream_cx_total{envoy_cluster_name=\"app\"} "
		"0\n"
		"envoy_cluster_upstream_cx_total{envoy_cluster_name=\"other\"} "
		"0\n"
		"# HELP envoy_listener_downstream_cx_total connections "
		"accepted\n"
		"# TYPE envoy_listener_downstream_cx_total counter\n"
		"envoy_listener_downstream_cx_total{envoy_listener_address="
		"\"0.0.0.0_15000\"} 0\n"
		"envoy_listener_downstream_cx_total{envoy_listener_address="
		"\"[__1]_10000\"} 0\n"
		"# HELP envoy_listener_ssl_versions completed handshakes that "
		"negotiated it\n"
		"# TYPE envoy_listener_ssl_versions counter\n"
		"envoy_listener_ssl_versions{envoy_ssl_version=\"TLSv1.3\","
		"envoy_listener_address=\"0.0.0.0_15000\"} 3\n");
	free(text);
}

static void prometheus_has_histograms(void **state)
{
	static const char *const lines[] = {
		"# TYPE envoy_cluster_upstream_cx_connect_ms histogram",
		"envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_"
		"name="
		"\"app\",le=\"0.5\"} 0",
		"envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_"
		"name="
		"\"app\",le=\"5\"} 3",
		"envoy_cluster_upstream_cx_connect_ms_bucket{envoy_cluster_"
		"name="
		"\"app\",le=\"+Inf\"} 4",
		"envoy_cluster_upstream_cx_connect_ms_sum{envoy_cluster_name="
		"\"app\"} 409",
		"envoy_cluster_upstream_cx_connect_ms_count{envoy_cluster_name="
		"\"app\"} 4",
	};
	char *text;

	(void)state;
	record_times();
	text = printed(STATS_PROMETHEUS, "app.upstream_cx_connect_ms");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(has_line(text, lines[i]));
	free(text);
}

/* Where one cluster's name is the beginning of another's. */
static void names_that_interleave_are_sorted(void **state)
{
	char *kept[] = {clusters[0].name, clusters[1].name};
	char *text, *line, *last = NULL;
	size_t lines = 0;

	(void)state;
	clusters[0].name = (char *)(uintptr_t) "a";
	clusters[1].name = (char *)(uintptr_t) "a.ssl";
	text = text_of("^cluster.*[^s]$", false);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		*strchr(line, ':') = '\0';
		if (last)
			assert_true(strcmp(last, line) < 0);
		last = line;
		lines++;
	}
	assert_true(lines > 40);
	free(text);
	clusters[0].name = kept[0];
	clusters[1].name = kept[1];
}

static void a_bad_filter_is_refused_with_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_filters) / sizeof(bad_filters[0]);
	     i++) {
		struct stats_query query = {.filter = bad_filters[i].filter};
		char *text = NULL;
		struct err err = {""};
		size_t size;
		int r = stats_print(&context, STATS_TEXT, &query, &text, &size,
				    &err);

		if (!bad_filters[i].words) {
			assert_int_equal(r, 0);
			free(text);
			continue;
		}
		assert_int_equal(r, -EINVAL);
		assert_null(text);
		assert_non_null(strstr(err.text, bad_filters[i].words));
	}
}

static void a_long_filter_is_refused(void **state)
{
	char filter[2000];
	struct stats_query query = {.filter = filter};
	struct err err = {""};
	char *text;
	size_t size;

	(void)state;
	memset(filter, 'a', sizeof(filter) - 1);
	filter[sizeof(filter) - 1] = '\0';
	assert_int_equal(
		stats_print(&context, STATS_TEXT, &query, &text, &size, &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "longer than"));
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(handshakes_read_as_with_envoy),
		CASE(values_are_summed_over_workers),
		CASE(tls_lines_stand_where_there_is_tls),
		CASE(negotiated_names_appear_once_seen),
		CASE(used_only_leaves_out_what_never_moved),
		CASE(the_server_tells_its_state),
		CASE(the_whole_is_a_sorted_list),
		CASE(tcp_proxy_is_told_by_its_names),
		CASE(stapling_is_told_where_it_is_configured),
		CASE(histograms_have_quantiles),
		CASE(histograms_have_buckets),
		CASE(prometheus_has_histograms),
		CASE(prometheus_has_families_and_labels),
		CASE(names_that_interleave_are_sorted),
		CASE(a_bad_filter_is_refused_with_words),
		CASE(a_long_filter_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

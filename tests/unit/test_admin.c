/* SPDX-License-Identifier: BSD-2-Clause */
/* The admin endpoint over loopback: its client and its loop in one thread. */
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
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/server.h"
#include "base/clock.h"

#define ANSWER_MAX 65536

static struct config_listener listeners[1];
static struct config_cluster clusters[1];
static struct config config = {
	.listeners = listeners,
	.listener_count = 1,
	.clusters = clusters,
	.cluster_count = 1,
};
static struct admin_context context = {.config = &config};
static struct admin_server *server;
static struct addr where;
static sd_event *loop;

/* A port that was free a moment ago. */
static struct addr free_port(const char *text)
{
	struct addr addr;
	int fd;

	assert_int_equal(addr_parse(text, &addr, NULL), 0);
	addr.v4.sin_port = 0; /* at the same place in both families */
	fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &addr.any, addr.size), 0);
	assert_int_equal(getsockname(fd, &addr.any, &addr.size), 0);
	close(fd);
	return addr;
}

static int set_up(void **state)
{
	struct err err = {""};

	(void)state;
	listeners[0].name = (char *)(uintptr_t) "ingress";
	clusters[0].name = (char *)(uintptr_t) "app";
	assert_int_equal(
		addr_parse("0.0.0.0:15000", &listeners[0].listen, NULL), 0);
	context.state = ADMIN_LIVE;
	context.started_ms = clock_now_ms();
	assert_int_equal(counters_open(&config, 1, &context.counters, NULL), 0);
	assert_true(sd_event_new(&loop) >= 0);
	where = free_port("127.0.0.1:1");
	config.admin_listen = where;
	assert_int_equal(admin_server_new(loop, &context, &server, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	admin_server_free(server);
	sd_event_unref(loop);
	admin_context_fini(&context);
	counters_close(context.counters);
	return 0;
}

static int dial(void)
{
	int fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &where.any, where.size), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/* Turns the loop until the peer closes, or for ms; what came, as text. */
static size_t receive(int fd, char text[static ANSWER_MAX], uint64_t ms)
{
	uint64_t end = clock_now_ms() + ms;
	size_t size = 0;

	while (clock_now_ms() < end && size < ANSWER_MAX - 1) {
		ssize_t r;

		assert_true(sd_event_run(loop, 10000) >= 0);
		r = recv(fd, text + size, ANSWER_MAX - 1 - size, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno == ECONNRESET))
			break;
		size += r > 0 ? (size_t)r : 0;
	}
	text[size] = '\0';
	return size;
}

/* Sends text as it is, for one answer; ret_body is within answer. */
static int ask_raw(const char *text, char answer[static ANSWER_MAX],
		   char **ret_body)
{
	int fd = dial();
	int status = 0;

	send_text(fd, text);
	receive(fd, answer, 5000);
	close(fd);
	assert_int_equal(sscanf(answer, "HTTP/1.%*d %d", &status), 1);
	*ret_body = strstr(answer, "\r\n\r\n");
	assert_non_null(*ret_body);
	*ret_body += 4;
	return status;
}

static int ask(const char *method, const char *target,
	       char answer[static ANSWER_MAX], char **ret_body)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "%s %s HTTP/1.1\r\nHost: localhost\r\n"
		 "Connection: close\r\n\r\n",
		 method, target);
	return ask_raw(text, answer, ret_body);
}

#define TEXT "text/plain; charset=UTF-8"
#define JSON "application/json"

static const struct {
	const char *method;
	const char *target;
	int status;
	const char *body; /* how it begins */
	const char *type;
} cases[] = {
	{"GET", "/ready", 200, "LIVE\n", TEXT},
	{"GET", "/help", 200, "admin commands are:\n  / (GET): ", TEXT},
	{"GET", "/", 200, "<!doctype html>", "text/html; charset=UTF-8"},
	{"GET", "/stats", 200, "cluster.app.membership_change: 0\n", TEXT},
	{"GET", "/stats?format=text&filter=server.live", 200,
	 "server.live: 1\n", TEXT},
	{"GET", "/stats?filter=downstream_cx_(total%7Cactive)", 200,
	 "listener.0.0.0.0_15000.downstream_cx_active: 0\n"
	 "listener.0.0.0.0_15000.downstream_cx_total: 0\n",
	 TEXT},
	{"GET", "/stats?usedonly&filter=cluster", 200, "", TEXT},
	{"GET", "/stats?filter=", 200, "cluster.app.", TEXT},
	{"GET", "/stats?filter=%28", 400, "the filter is no extended", TEXT},
	{"GET", "/stats?format=yaml", 400, "usage: /stats?format=", TEXT},
	{"GET", "/stats?format=json&filter=server.live", 200,
	 "{\"stats\":[{\"name\":\"server.live\",\"value\":1},\n"
	 "{\"histograms\":",
	 JSON},
	{"GET", "/stats?format=prometheus&filter=cx_total", 200,
	 "# HELP envoy_cluster_upstream_cx_total connections begun\n"
	 "# TYPE envoy_cluster_upstream_cx_total counter\n"
	 "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"app\"} 0\n"
	 "# HELP envoy_listener_downstream_cx_total connections accepted\n"
	 "# TYPE envoy_listener_downstream_cx_total counter\n"
	 "envoy_listener_downstream_cx_total{envoy_listener_address="
	 "\"0.0.0.0_15000\"} 0\n",
	 "text/plain; version=0.0.4; charset=UTF-8"},
	{"GET", "/stats/prometheus?filter=server.live", 200,
	 "# HELP envoy_server_live 1 when it serves\n"
	 "# TYPE envoy_server_live gauge\nenvoy_server_live 1\n",
	 "text/plain; version=0.0.4; charset=UTF-8"},
	{"GET", "/stats/prometheus?filter=%28", 400, "the filter is no", TEXT},
	{"GET", "/listeners", 200, "ingress::0.0.0.0:15000\n", TEXT},
	{"GET", "/listeners?format=json", 200, "{\"listener_statuses\":[",
	 JSON},
	{"GET", "/clusters", 200,
	 "app::observability_name::app\napp::added_via_api::false\n", TEXT},
	{"GET", "/clusters?format=json", 200, "{\"cluster_statuses\":[", JSON},
	{"GET", "/certs", 200, "{\"certificates\":[\n]}\n", JSON},
	{"GET", "/config_dump", 200, "{\"configs\":[{", JSON},
	{"GET", "/memory", 200, "{\n \"allocated\":\"", JSON},
	{"GET", "/server_info", 200, "{\n \"version\":\"millrace/", JSON},
	{"POST", "/logging", 200, "active loggers:\n  millrace: info\n", TEXT},
	{"POST", "/logging?level=debug", 200,
	 "active loggers:\n  millrace: debug\n", TEXT},
	{"POST", "/logging?level=loud", 400, "usage: /logging", TEXT},
	{"POST", "/logging?level=info", 200,
	 "active loggers:\n  millrace: info\n", TEXT},
	{"POST", "/healthcheck/fail", 200, "OK\n", TEXT},
	{"GET", "/ready", 503, "DRAINING\n", TEXT},
	{"GET", "/stats?filter=server.live", 200, "server.live: 0\n", TEXT},
	{"POST", "/healthcheck/ok", 200, "OK\n", TEXT},
	{"GET", "/ready", 200, "LIVE\n", TEXT},
	{"POST", "/reset_counters", 200, "OK\n", TEXT},
	{"POST", "/reopen_logs", 200, "OK\n", TEXT},
	/* nobody is there who could */
	{"POST", "/reload", 501, "this endpoint cannot", TEXT},
	{"POST", "/drain_listeners", 501, "this endpoint cannot", TEXT},
	{"POST", "/drain_listeners?inboundonly", 501, "this endpoint cannot",
	 TEXT},
	{"POST", "/quitquitquit", 501, "this endpoint cannot", TEXT},
	{"GET", "/nothing", 404, "invalid path. admin commands are:\n", TEXT},
	{"GET", "/stats/", 404, "invalid path.", TEXT},
	{"POST", "/stats", 405, "Method POST not allowed, GET required.\n",
	 TEXT},
	{"GET", "/quitquitquit", 405,
	 "Method GET not allowed, POST required.\n", TEXT},
	{"HEAD", "/reload", 405, "", TEXT},
	{"DELETE", "/ready", 405, "Method DELETE not allowed, GET required.\n",
	 TEXT},
};

static void each_path_has_its_answer(void **state)
{
	static char answer[ANSWER_MAX];
	char *body, line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status =
			ask(cases[i].method, cases[i].target, answer, &body);
		size_t size = strlen(body);

		snprintf(line, sizeof(line), "Content-Type: %s\r\n",
			 cases[i].type);
		if (status != cases[i].status || !strstr(answer, line) ||
		    strncmp(body, cases[i].body, strlen(cases[i].body)) != 0)
			fail_msg("%s %s: %s", cases[i].method, cases[i].target,
				 answer);
		if (size)
			assert_int_equal(body[size - 1], '\n');
		assert_int_equal(strstr(answer, "Allow: ") != NULL,
				 status == 405);
	}
}

static void reset_counters_begin_anew(void **state)
{
	static char answer[ANSWER_MAX];
	struct listener_row *row = counters_listener(context.counters, 0, 0);
	char *body;

	(void)state;
	row->cx_total = 5;
	row->cx_active = 2;
	assert_int_equal(ask("POST", "/reset_counters", answer, &body), 200);
	row->cx_total = 8;
	ask("GET", "/stats?filter=%5Elistener.*downstream_cx_(total%7Cactive)",
	    answer, &body);
	assert_string_equal(body,
			    "listener.0.0.0.0_15000.downstream_cx_active: 2\n"
			    "listener.0.0.0.0_15000.downstream_cx_total: 3\n");
	/* a row that another took over is below what it was */
	row->cx_total = 1;
	ask("GET", "/stats?filter=downstream_cx_total", answer, &body);
	assert_string_equal(body,
			    "listener.0.0.0.0_15000.downstream_cx_total: 1\n"
			    "tcp.ingress.downstream_cx_total: 1\n");
}

static int asked[3];

static int reload(void *data, char **ret_words)
{
	(void)data;
	if (++asked[0] == 1)
		return 0;
	if (asked[0] == 2)
		return -EAGAIN;
	*ret_words = strdup("a.yaml:3: listeners: no\n");
	return -EINVAL;
}

static void drain(void *data, bool deadline)
{
	(void)data;
	asked[1] = deadline ? 2 : 1;
}

static void drain_inbound(void *data)
{
	(void)data;
	asked[1] = 3;
}

static void quit(void *data)
{
	(void)data;
	asked[2] = 1;
}

static void what_is_asked_for_is_done(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	context.actions = (struct admin_actions){
		.reload = reload,
		.drain = drain,
		.drain_inbound = drain_inbound,
		.quit = quit,
	};
	assert_int_equal(ask("POST", "/reload", answer, &body), 200);
	assert_int_equal(ask("POST", "/reload", answer, &body), 503);
	assert_int_equal(ask("POST", "/reload", answer, &body), 400);
	assert_string_equal(body, "a.yaml:3: listeners: no\n");
	assert_int_equal(ask("POST", "/drain_listeners", answer, &body), 200);
	assert_int_equal(asked[1], 1);
	assert_int_equal(
		ask("POST", "/drain_listeners?graceful", answer, &body), 200);
	assert_int_equal(asked[1], 2);
	assert_int_equal(
		ask("POST", "/drain_listeners?inboundonly", answer, &body),
		200);
	assert_int_equal(asked[1], 3);
	assert_int_equal(ask("POST", "/quitquitquit", answer, &body), 200);
	assert_string_equal(body, "OK\n");
	assert_int_equal(asked[2], 1);
	context.actions = (struct admin_actions){0};
}

static void a_daemon_that_is_not_live_is_not_ready(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	context.state = ADMIN_INITIALIZING;
	assert_int_equal(ask("GET", "/ready", answer, &body), 503);
	assert_string_equal(body, "INITIALIZING\n");
	context.state = ADMIN_DRAINING;
	assert_int_equal(ask("GET", "/ready", answer, &body), 503);
	assert_string_equal(body, "DRAINING\n");
}

static void head_is_get_without_the_body(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	assert_int_equal(ask("HEAD", "/ready", answer, &body), 200);
	assert_string_equal(body, "");
	assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
}

static void a_connection_serves_many_requests(void **state)
{
	static const char request[] =
		"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static char answer[ANSWER_MAX];
	int fd = dial();

	(void)state;
	for (int i = 0; i < 3; i++) {
		send_text(fd, request);
		assert_true(receive(fd, answer, 300) > 0);
		assert_non_null(strstr(answer, "\r\n\r\nLIVE\n"));
	}
	/* and two in one write, the second of which is the last */
	send_text(fd, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
		      "GET /nothing HTTP/1.1\r\nHost: localhost\r\n"
		      "Connection: close\r\n\r\n");
	assert_true(receive(fd, answer, 5000) > 0);
	assert_non_null(strstr(answer, "\r\n\r\nLIVE\n"));
	assert_non_null(strstr(answer, " 404 "));
	close(fd);
}

static void a_slow_request_is_waited_for(void **state)
{
	static char answer[ANSWER_MAX];
	int slow = dial();

	(void)state;
	send_text(slow, "GET /ready HTT");
	assert_int_equal(receive(slow, answer, 100), 0);
	a_daemon_that_is_not_live_is_not_ready(state);
	send_text(slow, "P/1.0\r\n\r\n");
	assert_true(receive(slow, answer, 5000) > 0);
	assert_non_null(strstr(answer, " 503 "));
	close(slow);
}

/* A body is read past, however the client sends it. */
static void a_body_is_no_obstacle(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	assert_int_equal(ask_raw("POST /ready HTTP/1.1\r\nHost: localhost\r\n"
				 "Connection: close\r\n"
				 "Content-Length: 5\r\n\r\nhello",
				 answer, &body),
			 405);
	assert_int_equal(ask_raw("GET /ready HTTP/1.1\r\nHost: localhost\r\n"
				 "Connection: close\r\n"
				 "Transfer-Encoding: chunked\r\n\r\n"
				 "3\r\nabc\r\n0\r\n\r\n",
				 answer, &body),
			 200);
}

static void headers_have_a_limit(void **state)
{
	static char request[40000], answer[ANSWER_MAX];
	char *body;
	int status;

	(void)state;
	memset(request, 'a', sizeof(request) - 1);
	memcpy(request, "GET /ready HTTP/1.1\r\nX: ", 24);
	memcpy(request + sizeof(request) - 5, "\r\n\r\n", 5);
	status = ask_raw(request, answer, &body);
	assert_in_range(status, 400, 499);
	assert_int_equal(ask("GET", "/ready", answer, &body), 200);
}

static void connections_have_a_limit(void **state)
{
	static char answer[ANSWER_MAX];
	int fds[64], late;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		fds[i] = dial();
	late = dial();
	send_text(late, "GET /ready HTTP/1.0\r\n\r\n");
	assert_int_equal(receive(late, answer, 300), 0);
	/* it is served once there is room */
	close(fds[0]);
	assert_true(receive(late, answer, 5000) > 0);
	assert_non_null(strstr(answer, "LIVE\n"));
	close(late);
	for (size_t i = 1; i < 64; i++)
		close(fds[i]);
}

static void a_port_in_use_is_told(void **state)
{
	struct admin_server *other = NULL;
	struct err err = {""};

	(void)state;
	assert_int_equal(admin_server_new(loop, &context, &other, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.text, "in use"));
	assert_null(other);
}

/* Another server, at another place, in the place of the first one. */
static void serve_instead(const struct addr *listen, char *path)
{
	struct err err = {""};

	admin_server_free(server);
	server = NULL;
	config.admin_listen = *listen;
	config.admin_path = path;
	if (admin_server_new(loop, &context, &server, &err) != 0)
		fail_msg("%s", err.text);
}

static void ipv6_loopback_is_served(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	where = free_port("[::1]:1");
	serve_instead(&where, NULL);
	assert_int_equal(ask("GET", "/ready", answer, &body), 200);
}

static int ask_path(const char *path)
{
	static char answer[ANSWER_MAX];
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(to.sun_path, path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -errno;
	}
	send_text(fd, "GET /ready HTTP/1.0\r\n\r\n");
	receive(fd, answer, 5000);
	close(fd);
	return strstr(answer, "LIVE\n") ? 0 : -EPROTO;
}

static void a_unix_socket_is_served(void **state)
{
	char folder[] = "/tmp/test_admin.XXXXXX", path[64];
	struct admin_server *other = NULL;
	struct err err = {""};
	struct stat stat;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	serve_instead(&where, path);
	assert_int_equal(ask_path(path), 0);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(stat.st_mode & 0777, 0660);
	/* one that is served is left alone */
	assert_int_equal(admin_server_new(loop, &context, &other, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(ask_path(path), 0);
	admin_server_free(server);
	server = NULL;
	assert_int_equal(lstat(path, &stat), -1);
	/* one that was left is no obstacle; any other file is */
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	serve_instead(&where, path);
	assert_int_equal(ask_path(path), 0);
	admin_server_free(server);
	server = NULL;
	assert_int_equal(close(creat(path, 0600)), 0);
	assert_int_equal(admin_server_new(loop, &context, &server, &err),
			 -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	config.admin_path = NULL;
	assert_int_equal(rmdir(folder), 0);
}

static void who_may_only_look_cannot_act(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	config.admin_read_only = true;
	where = free_port("127.0.0.1:1");
	serve_instead(&where, NULL);
	/* The socket stays as open as it was. */
	config.admin_read_only = false;
	assert_int_equal(ask("POST", "/healthcheck/fail", answer, &body), 403);
	assert_non_null(strstr(body, "open-read-only"));
	assert_int_equal(ask("GET", "/ready", answer, &body), 200);
}

static void a_page_of_some_site_cannot_act(void **state)
{
	static char answer[ANSWER_MAX];
	char *body;

	(void)state;
	assert_int_equal(ask_raw("POST /healthcheck/fail HTTP/1.1\r\n"
				 "Host: localhost\r\nConnection: close\r\n"
				 "Origin: http://localhost\r\n\r\n",
				 answer, &body),
			 403);
	assert_non_null(strstr(body, "browser"));
	assert_int_equal(ask("GET", "/ready", answer, &body), 200);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_path_has_its_answer),
		CASE(reset_counters_begin_anew),
		CASE(what_is_asked_for_is_done),
		CASE(a_daemon_that_is_not_live_is_not_ready),
		CASE(head_is_get_without_the_body),
		CASE(a_connection_serves_many_requests),
		CASE(a_slow_request_is_waited_for),
		CASE(a_body_is_no_obstacle),
		CASE(headers_have_a_limit),
		CASE(connections_have_a_limit),
		CASE(a_port_in_use_is_told),
		CASE(ipv6_loopback_is_served),
		CASE(a_unix_socket_is_served),
		CASE(who_may_only_look_cannot_act),
		CASE(a_page_of_some_site_cannot_act),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

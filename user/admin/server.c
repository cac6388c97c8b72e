/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/connections.h"
#include "admin/routes.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/give_way.h"

#define CONNECTIONS_MAX 64
#define TIMEOUT_S 30
#define CONNECTION_MEMORY 16384
#define PIECE 65536 /* of a body, sent by one call */

struct admin_server {
	struct admin_context *context;
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	sd_event_source *timer;
	bool read_only; /* as long as the socket is the same */
	char *path;	/* of a unix socket that is ours to remove; or NULL */
	dev_t device;
	ino_t inode;
};

static const char *query_value(const struct request *request, const char *key)
{
	const char *value = NULL;
	enum MHD_Result found = MHD_lookup_connection_value_n(
		request->connection, MHD_GET_ARGUMENT_KIND, key, strlen(key),
		&value, NULL);

	if (found == MHD_NO)
		return NULL;
	return value ? value : "";
}

/* A body, of which a piece is sent at a time: while one call copies megabytes
 * into a socket nothing else runs on this processor, such as a worker. */
struct body {
	size_t size;
	char *text;
};

static ssize_t body_piece(void *data, uint64_t position, char *into,
			  size_t room)
{
	const struct body *body = data;
	size_t left = body->size - (size_t)position;
	size_t size = left < room ? left : room;

	memcpy(into, body->text + position, size);
	give_way(0, 1);
	return (ssize_t)size;
}

static void body_free(void *data)
{
	struct body *body = data;

	free(body->text);
	free(body);
}

/* Takes text, also when there is no memory for the rest. What is one piece
 * goes with its headers: where TCP is short of memory, on a host whose readers
 * have stopped, the second send() of a small answer could end in a reset. */
static struct MHD_Response *response_new(char *text, size_t size)
{
	struct MHD_Response *response;
	struct body *body;

	if (size <= PIECE) {
		response = MHD_create_response_from_buffer(
			size, text, MHD_RESPMEM_MUST_FREE);
		if (!response)
			free(text);
		return response;
	}
	body = malloc(sizeof(*body));
	if (!body) {
		free(text);
		return NULL;
	}
	*body = (struct body){.size = size, .text = text};
	response = MHD_create_response_from_callback(size, PIECE, body_piece,
						     body, body_free);
	if (!response)
		body_free(body);
	return response;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection,
				   const struct answer *answer)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	/* NULL closes the connection. */
	if (!answer->body)
		return MHD_NO;
	response = response_new(answer->body, answer->size);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				answer->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
				"no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	/* The page brings all that it needs, and asks only here. */
	MHD_add_response_header(response, "Content-Security-Policy",
				"default-src 'none'; style-src 'unsafe-inline';"
				" script-src 'unsafe-inline'; connect-src "
				"'self'; img-src data:; base-uri 'none'; "
				"form-action 'none'; frame-ancestors 'none'");
	if (answer->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					answer->allow);
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* With a loop of the caller's, nothing but a run takes it up again, and
 * MHD_get_timeout() does not ask for one. */
static void resume(void *owner, void *connection)
{
	struct admin_server *server = owner;

	MHD_resume_connection(connection);
	sd_event_source_set_time_relative(server->timer, 0);
	sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

/* Then handle() is called again. */
static void wait_for_workers(struct admin_server *server,
			     struct MHD_Connection *connection)
{
	MHD_suspend_connection(connection);
	if (connections_wait(server->context->connections, resume, server,
			     connection) < 0)
		resume(server, connection);
}

/* libmicrohttpd calls it when the headers are in, for the body, and at its
 * end; a body is of no interest. */
static enum MHD_Result handle(void *data, struct MHD_Connection *connection,
			      const char *path, const char *method,
			      const char *version, const char *body,
			      size_t *body_size, void **state)
{
	static char headers_are_in, waited;
	struct admin_server *server = data;
	struct request request = {
		.context = server->context,
		.method = method,
		.path = path,
		.value = query_value,
		.read_only = server->read_only,
		.from_page = MHD_lookup_connection_value(
				     connection, MHD_HEADER_KIND,
				     MHD_HTTP_HEADER_ORIGIN) != NULL,
		.connection = connection,
	};
	struct answer answer = {0};

	(void)version;
	(void)body;
	if (!*state) {
		*state = &headers_are_in;
		return MHD_YES;
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	request.again = *state == &waited;
	routes_answer(&request, &answer);
	if (answer.later) {
		*state = &waited;
		wait_for_workers(server, connection);
		return MHD_YES;
	}
	return send_answer(connection, &answer);
}

/* ---- in the loop */

static int set_timer(struct admin_server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	int r;

	if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES)
		return sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
	/* Between the pieces of a body it waits for nothing. */
	r = sd_event_source_set_time_accuracy(server->timer,
					      wait_ms ? CLOCK_ACCURACY_US : 1);
	if (r >= 0)
		r = sd_event_source_set_time_relative(server->timer,
						      wait_ms * 1000);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct admin_server *server = data;

	(void)source;
	(void)fd;
	(void)events;
	/* At the connection limit it stops listening, and takes it up again
	 * at the beginning of a run, not where one frees a place. */
	MHD_run(server->daemon);
	MHD_run(server->daemon);
	return set_timer(server);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)usec;
	return on_io(source, -1, 0, data);
}

static int join_loop(struct admin_server *server, sd_event *loop)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info)
		return -ENOTSUP;
	r = sd_event_add_io(loop, &server->io, info->epoll_fd, EPOLLIN, on_io,
			    server);
	if (r >= 0)
		r = sd_event_add_time_relative(
			loop, &server->timer, CLOCK_MONOTONIC, 0,
			CLOCK_ACCURACY_US, on_timer, server);
	return r < 0 ? r : set_timer(server);
}

/* ---- the socket */

/* One that nobody listens on any more is in the way. */
static void remove_stale(const struct sockaddr_un *where)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat stat;

	if (fd < 0)
		return;
	if (lstat(where->sun_path, &stat) == 0 && S_ISSOCK(stat.st_mode) &&
	    connect(fd, (const struct sockaddr *)where, sizeof(*where)) != 0 &&
	    errno == ECONNREFUSED)
		unlink(where->sun_path);
	close(fd);
}

/* The socket is ours to make: what the library's failures leave in errno
 * depends on its version. */
static int listen_on(const struct sockaddr *where, socklen_t size, int *ret_fd)
{
	const char *path = ((const struct sockaddr_un *)where)->sun_path;
	const int on = 1;
	int error;
	int fd = socket(where->sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (where->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Of a path: owner and group may connect. */
	if (bind(fd, where, size) != 0 ||
	    (where->sa_family == AF_UNIX && chmod(path, 0660) != 0) ||
	    listen(fd, CONNECTIONS_MAX) != 0) {
		error = errno;
		close(fd);
		return -error;
	}
	*ret_fd = fd;
	return 0;
}

static int listen_on_path(const char *path, int *ret_fd)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(where.sun_path))
		return -ENAMETOOLONG;
	memcpy(where.sun_path, path, strlen(path));
	remove_stale(&where);
	return listen_on((const struct sockaddr *)&where, sizeof(where),
			 ret_fd);
}

/* The path may have been taken over since. */
static void unlink_own(const struct admin_server *server)
{
	struct stat stat;

	if (server->path && lstat(server->path, &stat) == 0 &&
	    stat.st_dev == server->device && stat.st_ino == server->inode)
		unlink(server->path);
}

static int own_path(struct admin_server *server, const char *path)
{
	struct stat stat;

	server->path = strdup(path);
	if (!server->path)
		return -ENOMEM;
	if (lstat(path, &stat) != 0)
		return -errno;
	server->device = stat.st_dev;
	server->inode = stat.st_ino;
	return 0;
}

/* ---- the whole */

static struct MHD_Daemon *start(struct admin_server *server, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
				NULL, NULL, handle, server,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static int begin(struct admin_server *server, const struct config *config)
{
	const struct addr *addr = &config->admin_listen;
	int fd = -1, r;

	if (!config->admin_path)
		r = listen_on(&addr->any, addr->size, &fd);
	else
		r = listen_on_path(config->admin_path, &fd);
	if (!r && config->admin_path)
		r = own_path(server, config->admin_path);
	if (!r) {
		server->daemon = start(server, fd);
		if (!server->daemon)
			r = -EIO;
	}
	/* What is started owns the socket. */
	if (r && fd >= 0)
		close(fd);
	return r;
}

int admin_server_new(sd_event *loop, struct admin_context *context,
		     struct admin_server **ret, struct err *err)
{
	const struct config *config = context->config;
	struct admin_server *server = calloc(1, sizeof(*server));
	char text[ADDR_TEXT_MAX];
	int r;

	if (!server)
		return err_set(err, ENOMEM, "memory is short");
	server->context = context;
	server->read_only = config->admin_read_only;
	r = begin(server, config);
	if (r)
		err_set(err, -r, "admin: cannot listen on %s: %s",
			config->admin_path
				? config->admin_path
				: addr_format(&config->admin_listen, text),
			strerror(-r));
	if (!r) {
		r = join_loop(server, loop);
		if (r < 0)
			err_set(err, -r, "admin: the event loop: %s",
				strerror(-r));
	}
	if (r < 0) {
		admin_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void admin_server_free(struct admin_server *server)
{
	if (!server)
		return;
	sd_event_source_disable_unref(server->io);
	sd_event_source_disable_unref(server->timer);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	unlink_own(server);
	free(server->path);
	free(server);
}

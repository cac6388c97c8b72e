/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 30
#define ANSWER_MAX (256U << 20)

static int connect_to(int fd, const struct http_server *server)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};

	if (!server->path)
		return connect(fd, &server->addr.any, server->addr.size);
	if (strlen(server->path) >= sizeof(where.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(where.sun_path, server->path);
	return connect(fd, (const struct sockaddr *)&where, sizeof(where));
}

static int dial(const struct http_server *server, struct err *err)
{
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	char text[ADDR_TEXT_MAX];
	int fd = socket(server->path ? AF_UNIX : server->addr.any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
			   sizeof(timeout));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
			   sizeof(timeout));
		if (connect_to(fd, server) == 0)
			return fd;
	}
	err_set(err, errno,
		"no daemon answers at its admin endpoint %s: %s; is it "
		"running, with this configuration?",
		server->path ? server->path : addr_format(&server->addr, text),
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -ECONNREFUSED;
}

static int ask(int fd, const char *path)
{
	char *request;
	int size = asprintf(&request,
			    "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
	ssize_t sent;

	if (size < 0)
		return -ENOMEM;
	sent = send(fd, request, (size_t)size, MSG_NOSIGNAL);
	free(request);
	return sent == size ? 0 : sent < 0 ? -errno : -EIO;
}

/* The whole answer's size, by what of it is there; 0 when it is not known
 * yet. The server says it, and closes the connection only later. */
static size_t whole_size(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	const char *length = strcasestr(answer, "\r\nContent-Length:");

	if (!end || !length || length > end)
		return 0;
	return (size_t)(end + 4 - answer) +
	       strtoul(strchr(length, ':') + 1, NULL, 10);
}

static int more_room(char **text, size_t *room)
{
	char *more = *room < ANSWER_MAX ? realloc(*text, *room * 2) : NULL;

	if (!more)
		return -ENOMEM;
	*text = more;
	*room *= 2;
	return 0;
}

/* The whole answer, with a 0 behind it. */
static int read_all(int fd, char **ret)
{
	size_t size = 0, room = 65536, whole = 0;
	char *text = malloc(room);
	int r = text ? 0 : -ENOMEM;

	while (!r && (!whole || size < whole)) {
		ssize_t got;

		if (room - size < 2)
			r = more_room(&text, &room);
		if (r)
			break;
		got = recv(fd, text + size, room - size - 1, 0);
		if (got <= 0) {
			r = got == 0	      ? -EPROTO
			    : errno == EAGAIN ? -ETIMEDOUT
					      : -errno;
			break;
		}
		size += (size_t)got;
		text[size] = '\0';
		if (!whole)
			whole = whole_size(text);
	}
	if (r)
		free(text);
	else
		*ret = text;
	return r;
}

static int take_body(char *answer, const char *path, char **ret_body,
		     struct err *err)
{
	char *body = strstr(answer, "\r\n\r\n") + 4;
	int status = 0;

	if (sscanf(answer, "HTTP/%*d.%*d %d", &status) != 1)
		return err_set(err, EPROTO,
			       "what answers at the admin endpoint speaks no "
			       "HTTP");
	if (status != 200) {
		body[strcspn(body, "\r\n")] = '\0';
		return err_set(err, EPROTO, "GET %s is answered with %d: %s",
			       path, status, body);
	}
	*ret_body = strdup(body);
	return *ret_body ? 0 : err_set(err, ENOMEM, "memory is short");
}

int http_get(const struct http_server *server, const char *path,
	     char **ret_body, struct err *err)
{
	char *answer = NULL;
	int fd = dial(server, err);
	int r = fd;

	if (fd < 0)
		return r;
	r = ask(fd, path);
	if (!r)
		r = read_all(fd, &answer);
	close(fd);
	if (r)
		return err_set(err, -r,
			       "the admin endpoint does not answer "
			       "GET %s: %s",
			       path, strerror(-r));
	r = take_body(answer, path, ret_body, err);
	free(answer);
	return r;
}

char *http_escape(const char *text)
{
	char *escaped = malloc(3 * strlen(text) + 1), *at = escaped;

	if (!escaped)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			*at++ = (char)c;
		else
			at += sprintf(at, "%%%02X", c);
	}
	*at = '\0';
	return escaped;
}

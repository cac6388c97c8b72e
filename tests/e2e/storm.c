/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storm: both ends of connections, fast enough for a hundred thousand.
 *
 *	storm origin PORT...   says "LOCAL PEER" to whoever connects
 *	storm storm COUNT THREADS v4|v6 PORT...  connects to random addresses of
 *	                      10.9.0.0/16 or fd09::/64 from few ports, half of
 *	                      the time with a reset, and compares what it asked
 *	                      for with what the origin says
 *	storm hold COUNT ADDR PORT  keeps COUNT connections until end of input
 *	storm uring ADDR PORT  one connection, through io_uring
 *	storm steady THREADS ADDR PORT WORDS  one connection after another,
 *which says WORDS, until end of input; counts those that fail
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FROM_LOW 20000
#define FROM_COUNT 512
#define LINE 160

union any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static const char *text_of(const union any *addr, char text[LINE])
{
	char host[INET6_ADDRSTRLEN];

	if (addr->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(text, LINE, "%s:%u", host, ntohs(addr->v4.sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr)) {
		inet_ntop(AF_INET, &addr->v6.sin6_addr.s6_addr[12], host,
			  sizeof(host));
		snprintf(text, LINE, "%s:%u", host, ntohs(addr->v6.sin6_port));
	} else {
		inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
		snprintf(text, LINE, "[%s]:%u", host,
			 ntohs(addr->v6.sin6_port));
	}
	return text;
}

static socklen_t size_of(const union any *addr)
{
	return addr->sa.sa_family == AF_INET ? sizeof(addr->v4)
					     : sizeof(addr->v6);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- origin */

static void greet(int fd)
{
	union any local, peer;
	socklen_t local_size = sizeof(local), peer_size = sizeof(peer);
	char a[LINE], b[LINE], line[2 * LINE + 4];
	int n;

	if (getsockname(fd, &local.sa, &local_size) ||
	    getpeername(fd, &peer.sa, &peer_size))
		return;
	n = snprintf(line, sizeof(line), "%s %s\n", text_of(&local, a),
		     text_of(&peer, b));
	send(fd, line, (size_t)n, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}

static int listen_at(int port)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 4096))
		die("origin");
	return fd;
}

static void origin(char **ports)
{
	int epoll = epoll_create1(0), listeners = 0;
	int fds[16];

	for (; *ports; ports++) {
		struct epoll_event event = {.events = EPOLLIN};

		fds[listeners] = listen_at(atoi(*ports));
		event.data.fd = fds[listeners++];
		epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, got;
			bool listens = false;
			char bytes[4096];

			for (int k = 0; k < listeners; k++)
				listens |= fds[k] == fd;
			if (!listens) {
				if (recv(fd, bytes, sizeof(bytes), 0) <= 0)
					close(fd);
				continue;
			}
			while ((got = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >=
			       0) {
				struct epoll_event event = {.events = EPOLLIN,
							    .data.fd = got};

				greet(got);
				epoll_ctl(epoll, EPOLL_CTL_ADD, got, &event);
			}
		}
	}
}

/* ---- storm */

static atomic_long left_over, good, wrong, failed, retried;
static int last_error;
static bool use_v6;
static int ports[16], port_count;

static void random_target(unsigned int *seed, union any *ret)
{
	int port = ports[rand_r(seed) % port_count];

	memset(ret, 0, sizeof(*ret));
	if (use_v6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, "fd09::", &ret->v6.sin6_addr);
		for (int i = 8; i < 16; i++)
			ret->v6.sin6_addr.s6_addr[i] = (uint8_t)rand_r(seed);
	} else {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		ret->v4.sin_addr.s_addr =
			htonl(0x0a090000u | ((uint32_t)rand_r(seed) & 0xffff));
	}
}

static int connect_from(unsigned int *seed, const union any *to, bool pick)
{
	union any from = {.sa.sa_family = to->sa.sa_family};
	int fd = socket(to->sa.sa_family, SOCK_STREAM, 0), one = 1;
	struct timeval wait = {20, 0};
	int error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (pick) {
		uint16_t port =
			htons((uint16_t)(FROM_LOW + rand_r(seed) % FROM_COUNT));

		if (use_v6)
			from.v6.sin6_port = port;
		else
			from.v4.sin_port = port;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, &from.sa, size_of(&from)) != 0)
			goto fail;
	}
	if (connect(fd, &to->sa, size_of(to)) == 0)
		return fd;
fail:
	error = errno;
	close(fd);
	return -error;
}

static ssize_t read_line(int fd, char *line, size_t size)
{
	size_t at = 0;

	while (at + 1 < size) {
		ssize_t n = recv(fd, line + at, size - 1 - at, 0);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		at += (size_t)n;
		line[at] = '\0';
		if (strchr(line, '\n'))
			break;
	}
	return (ssize_t)at;
}

static bool once(unsigned int *seed)
{
	union any to;
	struct linger now = {1, 0};
	char line[2 * LINE], want[LINE];
	ssize_t n;
	int fd;

	random_target(seed, &to);
	fd = connect_from(seed, &to, true);
	/* its ports, not ours, to give out */
	if (fd == -EADDRNOTAVAIL || fd == -EADDRINUSE) {
		atomic_fetch_add(&retried, 1);
		return false;
	}
	if (fd < 0) {
		last_error = -fd;
		atomic_fetch_add(&failed, 1);
		return true;
	}
	n = read_line(fd, line, sizeof(line));
	if (n <= 0) {
		last_error = (int)-n;
		atomic_fetch_add(&failed, 1);
	} else {
		line[strcspn(line, " \n")] = '\0';
		atomic_fetch_add(
			strcmp(line, text_of(&to, want)) ? &wrong : &good, 1);
	}
	if (rand_r(seed) & 1)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	return true;
}

static void *storm_thread(void *data)
{
	unsigned int seed = (unsigned int)(uintptr_t)data;

	while (atomic_fetch_sub(&left_over, 1) > 0)
		while (!once(&seed))
			;
	return NULL;
}

static void storm(long count, int threads, char **argv)
{
	pthread_t thread[64];

	use_v6 = !strcmp(argv[0], "v6");
	for (argv++; *argv; argv++)
		ports[port_count++] = atoi(*argv);
	left_over = count;
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, storm_thread,
			       (void *)(uintptr_t)(i + 1));
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("{\"good\":%ld,\"wrong\":%ld,\"failed\":%ld,\"retried\":%ld,"
	       "\"error\":\"%s\"}\n",
	       good, wrong, failed, retried,
	       last_error ? strerrorname_np(last_error) : "");
}

/* ---- hold, steady */

static void parse(const char *host, const char *port, union any *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)atoi(port));
	} else if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)atoi(port));
	} else {
		die(host);
	}
}

static void until_end_of_input(void)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
}

static void hold(int count, const char *host, const char *port)
{
	int first_error = 0, held = 0, right = 0;
	union any to;

	parse(host, port, &to);
	for (int i = 0; i < count; i++) {
		char line[LINE], want[LINE];
		int fd = connect_from(NULL, &to, false);

		if (fd < 0) {
			first_error = first_error ? first_error : -fd;
			break;
		}
		held++;
		if (read_line(fd, line, sizeof(line)) <= 0)
			continue;
		line[strcspn(line, " \n")] = '\0';
		right += !strcmp(line, text_of(&to, want));
	}
	printf("{\"held\":%d,\"right\":%d,\"error\":\"%s\"}\n", held, right,
	       first_error ? strerrorname_np(first_error) : "");
	fflush(stdout);
	until_end_of_input();
}

/* Every step through a ring, as by a client of io_uring. */
static int ring_do(struct io_uring *ring,
		   void (*prepare)(struct io_uring_sqe *, void *), void *data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int r;

	prepare(sqe, data);
	io_uring_submit(ring);
	if (io_uring_wait_cqe(ring, &cqe))
		die("ring");
	r = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return r;
}

struct ring_step {
	int fd;
	union any to;
	char line[2 * LINE];
};

static void ring_connect(struct io_uring_sqe *sqe, void *data)
{
	struct ring_step *step = data;

	io_uring_prep_connect(sqe, step->fd, &step->to.sa, size_of(&step->to));
}

static void ring_receive(struct io_uring_sqe *sqe, void *data)
{
	struct ring_step *step = data;

	io_uring_prep_recv(sqe, step->fd, step->line, sizeof(step->line) - 1,
			   0);
}

static void by_ring(const char *host, const char *port)
{
	struct ring_step step = {.fd = -1};
	struct io_uring ring;
	int r;

	parse(host, port, &step.to);
	if (io_uring_queue_init(4, &ring, 0))
		die("ring");
	step.fd = socket(step.to.sa.sa_family, SOCK_STREAM, 0);
	r = ring_do(&ring, ring_connect, &step);
	if (!r)
		r = ring_do(&ring, ring_receive, &step);
	if (r < 0) {
		errno = -r;
		die("ring");
	}
	fputs(step.line, stdout);
	io_uring_queue_exit(&ring);
}

static union any steady_to;
static const char *steady_words;
static atomic_bool stop;

static void *steady_thread(void *data)
{
	struct linger now = {1, 0};

	(void)data;
	while (!stop) {
		char line[2 * LINE];
		int fd = connect_from(NULL, &steady_to, false);
		ssize_t n;

		if (fd < 0) {
			last_error = -fd;
			atomic_fetch_add(&failed, 1);
			continue;
		}
		n = send(fd, steady_words, strlen(steady_words), MSG_NOSIGNAL);
		n = n < 0 ? -errno : read_line(fd, line, sizeof(line));
		if (n <= 0) {
			last_error = (int)-n;
			atomic_fetch_add(&failed, 1);
		} else {
			atomic_fetch_add(&good, 1);
		}
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	return NULL;
}

static void steady(int threads, char **to)
{
	pthread_t thread[64];

	parse(to[0], to[1], &steady_to);
	steady_words = to[2];
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, steady_thread, NULL);
	until_end_of_input();
	stop = true;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("{\"good\":%ld,\"failed\":%ld,\"error\":\"%s\"}\n", good, failed,
	       last_error ? strerrorname_np(last_error) : "");
}

/* Tens of thousands of connections, where that may be had. */
static void raise_limit(void)
{
	struct rlimit limit = {200000, 200000};

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	raise_limit();
	if (argc > 2 && !strcmp(argv[1], "origin"))
		origin(argv + 2);
	else if (argc > 5 && !strcmp(argv[1], "storm"))
		storm(atol(argv[2]), atoi(argv[3]), argv + 4);
	else if (argc == 5 && !strcmp(argv[1], "hold"))
		hold(atoi(argv[2]), argv[3], argv[4]);
	else if (argc == 4 && !strcmp(argv[1], "uring"))
		by_ring(argv[2], argv[3]);
	else if (argc == 6 && !strcmp(argv[1], "steady"))
		steady(atoi(argv[2]), argv + 3);
	else
		return 2;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

#define GROUP 7
#define BUFFER_SIZE 64
#define BUFFERS 2
/* linux/io_uring.h of 6.10 and 6.7, newer than some headers */
#define RECV_BUNDLE (1U << 4)
#define CMD_SETSOCKOPT 3

struct trial {
	struct io_uring ring;
	struct io_uring_buf_ring *group;
	char buffers[BUFFERS][BUFFER_SIZE];
	uint64_t count;
	int listener;
	int client;
	int server;
	bool stuck; /* something is in flight that does not end */
};

/* The queue is as good as empty: there is always room. */
static struct io_uring_sqe *take(struct trial *trial)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&trial->ring);

	if (!sqe)
		abort();
	return sqe;
}

static int run(struct trial *trial, struct io_uring_cqe *ret)
{
	struct __kernel_timespec wait = {.tv_nsec = 200 * 1000 * 1000};
	struct io_uring_cqe *cqe;
	int r = io_uring_submit(&trial->ring);

	if (!(r < 0))
		r = io_uring_wait_cqe_timeout(&trial->ring, &cqe, &wait);
	if (r < 0) {
		trial->stuck = true;
		return r;
	}
	*ret = *cqe;
	io_uring_cqe_seen(&trial->ring, cqe);
	return cqe->res < 0 ? cqe->res : 0;
}

static int setup(struct trial *trial)
{
	struct io_uring_params params = {
		.flags =
			IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};

	return io_uring_queue_init_params(8, &trial->ring, &params);
}

static int listen_somewhere(struct trial *trial, struct sockaddr_in *addr)
{
	socklen_t size = sizeof(*addr);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	trial->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	trial->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (trial->listener < 0 || trial->client < 0 ||
	    bind(trial->listener, (struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(trial->listener, 4) != 0 ||
	    getsockname(trial->listener, (struct sockaddr *)addr, &size) != 0)
		return -errno;
	return 0;
}

static int try_connect(struct trial *trial)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	struct sockaddr_in addr;
	int r = listen_somewhere(trial, &addr);

	if (r)
		return r;
	sqe = take(trial);
	io_uring_prep_connect(sqe, trial->client, (struct sockaddr *)&addr,
			      sizeof(addr));
	return run(trial, &cqe);
}

static int try_accept(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_multishot_accept(sqe, trial->listener, NULL, NULL,
				       SOCK_CLOEXEC);
	r = run(trial, &cqe);
	if (r)
		return r;
	trial->server = cqe.res;
	return cqe.flags & IORING_CQE_F_MORE ? 0 : -EOPNOTSUPP;
}

/* Of the accept that is still armed. */
static int try_cancel(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_cancel_fd(sqe, trial->listener, 0);
	r = run(trial, &cqe);
	if (r == -ECANCELED)
		r = run(trial, &cqe);
	else if (!r)
		run(trial, &cqe);
	return r == -ECANCELED ? 0 : r;
}

static int add_group(struct trial *trial)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = BUFFERS,
		.bgid = GROUP,
	};
	int r;

	trial->group = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (trial->group == MAP_FAILED) {
		trial->group = NULL;
		return -errno;
	}
	reg.ring_addr = (__u64)(uintptr_t)trial->group;
	r = io_uring_register_buf_ring(&trial->ring, &reg, 0);
	if (r)
		return r;
	io_uring_buf_ring_init(trial->group);
	for (int i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(trial->group, trial->buffers[i],
				      BUFFER_SIZE, (unsigned short)i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(trial->group, BUFFERS);
	return 0;
}

static int receive(struct trial *trial, unsigned int flags)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int r;

	if (send(trial->client, "x", 1, MSG_NOSIGNAL) != 1)
		return -errno;
	sqe = take(trial);
	io_uring_prep_recv(sqe, trial->server, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->ioprio |= (__u16)flags;
	r = run(trial, &cqe);
	if (r)
		return r;
	return cqe.res == 1 && cqe.flags & IORING_CQE_F_BUFFER ? 0 : -EIO;
}

static int try_receive(struct trial *trial)
{
	int r = add_group(trial);

	return r ? r : receive(trial, 0);
}

static int try_bundle(struct trial *trial)
{
	return receive(trial, RECV_BUNDLE);
}

static int try_send(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;

	io_uring_prep_send(sqe, trial->server, "y", 1, MSG_NOSIGNAL);
	return run(trial, &cqe);
}

static int try_send_zc(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_send_zc(sqe, trial->server, "z", 1, MSG_NOSIGNAL, 0);
	r = run(trial, &cqe);
	/* Its memory is released by a second completion. */
	if (!r && cqe.flags & IORING_CQE_F_MORE)
		run(trial, &cqe);
	return r;
}

/* One byte across, so that there is one to be received afterwards. */
static int try_sendmsg(struct trial *trial)
{
	char byte = 'm';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;

	io_uring_prep_sendmsg(sqe, trial->client, &message, MSG_NOSIGNAL);
	return run(trial, &cqe);
}

static int try_poll(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;

	io_uring_prep_poll_add(sqe, trial->server, POLLIN);
	return run(trial, &cqe);
}

static int try_recvmsg(struct trial *trial)
{
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;

	io_uring_prep_recvmsg(sqe, trial->server, &message, 0);
	return run(trial, &cqe);
}

/* As workers are woken: eight bytes of an eventfd. */
static int try_read(struct trial *trial)
{
	int event = eventfd(1, EFD_CLOEXEC);
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int r;

	if (event < 0)
		return -errno;
	sqe = take(trial);
	io_uring_prep_read(sqe, event, &trial->count, sizeof(trial->count), 0);
	r = run(trial, &cqe);
	close(event);
	return r;
}

/* To itself: what arrives, and that it was sent. */
static int try_message(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_msg_ring(sqe, trial->ring.ring_fd, 1, 0, 0);
	r = run(trial, &cqe);
	return r ? r : run(trial, &cqe);
}

static int try_sockopt(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int one = 1;

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, trial->server, NULL, 0, 0);
	/* cmd_op, then level and optname share addr; optlen, optval */
	sqe->off = CMD_SETSOCKOPT;
	sqe->addr = (__u64)TCP_NODELAY << 32 | IPPROTO_TCP;
	sqe->file_index = sizeof(one);
	sqe->addr3 = (__u64)(uintptr_t)&one;
	return run(trial, &cqe);
}

static int try_shutdown(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;

	io_uring_prep_shutdown(sqe, trial->server, SHUT_WR);
	return run(trial, &cqe);
}

static int try_close(struct trial *trial)
{
	struct io_uring_sqe *sqe = take(trial);
	struct io_uring_cqe cqe;
	int r;

	io_uring_prep_close(sqe, trial->server);
	r = run(trial, &cqe);
	if (!r)
		trial->server = -1;
	return r;
}

/* What stands on an accepted connection, in an order that matters: the byte of
 * sendmsg is polled for and received, and close is the last. */
static const struct {
	enum probe_id id;
	int (*call)(struct trial *trial);
} steps[] = {
	{PROBE_RING_CANCEL, try_cancel},   {PROBE_RING_RECV, try_receive},
	{PROBE_RING_BUNDLE, try_bundle},   {PROBE_RING_SEND, try_send},
	{PROBE_RING_SEND_ZC, try_send_zc}, {PROBE_RING_SENDMSG, try_sendmsg},
	{PROBE_RING_POLL, try_poll},	   {PROBE_RING_RECVMSG, try_recvmsg},
	{PROBE_RING_READ, try_read},	   {PROBE_RING_MSG, try_message},
	{PROBE_RING_SOCKOPT, try_sockopt}, {PROBE_RING_SHUTDOWN, try_shutdown},
	{PROBE_RING_CLOSE, try_close},
};

static void try_all(struct probe *probe, struct trial *trial)
{
	int r = try_connect(trial);

	probe_note(probe, PROBE_RING_CONNECT, r);
	if (r)
		return;
	probe_note(probe, PROBE_RING_ACCEPT, try_accept(trial));
	if (trial->server < 0)
		return;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		/* Its completion would be taken for another's. */
		if (trial->stuck)
			return;
		probe_note(probe, steps[i].id, steps[i].call(trial));
	}
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

void probe_ring(struct probe *probe)
{
	struct trial trial = {.listener = -1, .client = -1, .server = -1};
	int r = setup(&trial);

	probe_note(probe, PROBE_RING, r);
	if (r)
		return;
	try_all(probe, &trial);
	io_uring_queue_exit(&trial.ring);
	if (trial.group)
		munmap(trial.group, 4096);
	close_if(trial.listener);
	close_if(trial.client);
	close_if(trial.server);
}

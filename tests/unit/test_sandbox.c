/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/sandbox.h"

/* Each runs in a process of its own; 0 when it went as it should. */
static int barred(long r)
{
	return r == -1 && errno == EPERM ? 0 : 1;
}

static int program(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};

	return barred(execv("/bin/true", argv));
}

#ifndef __SANITIZE_ADDRESS__
static int process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return barred(pid);
}

static int foreign_signal(void)
{
	return barred(kill(getppid(), 0));
}
#endif

static int packet_socket(void)
{
	return barred(socket(AF_PACKET, SOCK_RAW, 0));
}

static int mounting(void)
{
	return barred(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int other_namespace(void)
{
	return barred(unshare(CLONE_NEWUSER));
}

static int key_ring(void)
{
	return barred(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static void *nothing(void *data)
{
	return data;
}

static int thread(void)
{
	pthread_t made;

	return pthread_create(&made, NULL, nothing, NULL) ||
	       pthread_join(made, NULL);
}

static int file_and_sockets(void)
{
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

	return file < 0 || inet < 0 || local < 0 || netlink < 0 ||
	       write(file, "x", 1) != 1;
}

static int no_new_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

/* What the table of the source keeps, and nothing else. */
static int few_capabilities(void)
{
	const uint64_t kept = 1ULL << CAP_NET_BIND_SERVICE |
			      1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
			      1ULL << CAP_PERFMON | 1ULL << CAP_DAC_READ_SEARCH;
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	uint64_t permitted;

	if (syscall(SYS_capget, &header, data) != 0)
		return 1;
	permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return (permitted & ~kept) != 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{"a program", program},
#ifndef __SANITIZE_ADDRESS__
	{"a process", process},
	{"a signal to another", foreign_signal},
#endif
	{"a packet socket", packet_socket},
	{"a mount", mounting},
	{"a namespace", other_namespace},
	{"a key ring", key_ring},
	{"a thread works", thread},
	{"files and sockets work", file_and_sockets},
	{"no new privileges", no_new_privileges},
	{"few capabilities", few_capabilities},
};

static int run_inside(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct err err = {""};

		if (sandbox_enter(false, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			_exit(2);
		}
		_exit(run());
	}
	assert_int_not_equal(pid, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void test_inside(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = run_inside(cases[i].run);

		if (r)
			fail_msg("%s: %d", cases[i].name, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

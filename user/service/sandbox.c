/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- capabilities */

/* What may still be needed, each if the daemon has it at all. */
static const unsigned int kept[] = {
	CAP_SYS_ADMIN,	      /* other network namespaces, tls.ko's types */
	CAP_NET_BIND_SERVICE, /* a reload brings listeners below 1024 */
	CAP_NET_ADMIN,	      /* IP_TRANSPARENT, cgroup programs, ULP info */
	CAP_BPF,	      /* maps and programs of a reload */
	CAP_PERFMON,	      /* programs that the verifier trusts with more */
	CAP_DAC_READ_SEARCH,  /* keys of others, when run as root */
};

static int drop_capabilities(bool needs_admin, struct err *err)
{
	bool has[sizeof(kept) / sizeof(kept[0])];

	if (capng_get_caps_process() != 0)
		return err_set(err, EPERM, "capabilities cannot be read");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		has[i] = (kept[i] != CAP_SYS_ADMIN || needs_admin) &&
			 capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (has[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     kept[i]);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return err_set(err, EPERM, "capabilities cannot be dropped");
	return 0;
}

/* ---- system calls */

/* Words between blanks; a name that this machine lacks is passed over. */
static const char files[] =
	" access chmod close close_range creat dup dup2 dup3 faccessat"
	" faccessat2 fadvise64 fallocate fchmod fchmodat fcntl fdatasync flock"
	" fstat fstatfs fsync ftruncate getcwd getdents getdents64 ioctl link"
	" linkat lseek lstat memfd_create mkdir mkdirat newfstatat open openat"
	" openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read"
	" readlink readlinkat readv rename renameat renameat2 rmdir stat statfs"
	" statx symlink symlinkat umask unlink unlinkat utimensat write "
	"writev ";

static const char sockets_pipes_events[] =
	" accept accept4 bind connect epoll_create epoll_create1 epoll_ctl"
	" epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 getpeername"
	" getsockname getsockopt inotify_add_watch inotify_init inotify_init1"
	" inotify_rm_watch io_uring_enter io_uring_register io_uring_setup"
	" listen pipe pipe2 poll ppoll pselect6 recvfrom recvmmsg recvmsg"
	" select sendfile sendmmsg sendmsg sendto setsockopt shutdown signalfd"
	" signalfd4 socketpair splice tee timerfd_create timerfd_gettime"
	" timerfd_settime vmsplice ";

static const char memory[] =
	" brk madvise mincore mlock mlock2 mmap mprotect mremap msync munlock"
	" munmap ";

static const char threads_and_own_signals[] =
	" exit exit_group futex futex_waitv get_robust_list membarrier"
	" restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask"
	" rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max"
	" sched_get_priority_min sched_getaffinity sched_getparam"
	" sched_getattr sched_getscheduler sched_setaffinity sched_setattr"
	" sched_yield set_robust_list set_tid_address sigaltstack tgkill ";

static const char time_and_itself[] =
	" arch_prctl bpf capget clock_getres clock_gettime clock_nanosleep"
	" getcpu getegid geteuid getgid getgroups getpgrp getpid getppid"
	" getpriority getrandom getresgid getresuid getrlimit getrusage getsid"
	" gettid gettimeofday getuid nanosleep prctl prlimit64 setrlimit"
	" sysinfo time timer_create timer_delete timer_gettime timer_settime"
	" times uname ";

static const char *const allowed[] = {
	files,
	sockets_pipes_events,
	memory,
	threads_and_own_signals,
	time_and_itself,
#ifdef __SANITIZE_ADDRESS__
	/* The leak checker stops the threads from a process of its own. */
	" clone kill ptrace sched_setscheduler wait4 ",
#endif
};

static const unsigned int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static int allow(scmp_filter_ctx filter, const char *names)
{
	int r = 0;

	while (!r && *(names += strspn(names, " "))) {
		size_t size = strcspn(names, " ");
		char name[32];
		int number;

		snprintf(name, sizeof(name), "%.*s", (int)size, names);
		names += size;
		number = seccomp_syscall_resolve_name(name);
		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	return r;
}

/* What is allowed depending on an argument. */
static int allow_some(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setns), 1,
				 SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET));

	for (size_t i = 0; !r && i < sizeof(families) / sizeof(families[0]);
	     i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
				     1, SCMP_A0(SCMP_CMP_EQ, families[i]));
#ifndef __SANITIZE_ADDRESS__
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD,
					     CLONE_THREAD));
#endif
	/* Its flags are in memory, where no filter sees them; the C library
	 * then takes clone. */
	if (!r)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				     SCMP_SYS(clone3), 0);
	return r;
}

static int filter_calls(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return err_set(err, ENOMEM, "memory is short");
	/* A kernel that cannot log refuses all the same. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	/* A tree, not a list of 200 comparisons at every call. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; !r && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		r = allow(filter, allowed[i]);
	if (!r)
		r = allow_some(filter);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r)
		return err_set(err, -r, "system calls cannot be filtered: %s",
			       strerror(-r));
	return 0;
}

int sandbox_enter(bool needs_admin, struct err *err)
{
	int r = drop_capabilities(needs_admin, err);

	return r < 0 ? r : filter_calls(err);
}

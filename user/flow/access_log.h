/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_log: a file of lines, one per connection that ended, and the thread
 * that writes it.
 *
 * Workers put their lines into rings of their own and never wait: a line for
 * which a ring has no room (the disk or the reader is slow) is dropped, and
 * who puts it counts that. Everything but access_lane_put() belongs to the
 * control thread.
 */
#ifndef MILLRACE_FLOW_ACCESS_LOG_H
#define MILLRACE_FLOW_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define ACCESS_LINE_MAX 2048

struct access_log;
struct access_lane;

/* With a lane per worker, and no file yet. */
int access_log_new(unsigned int workers, struct access_log **ret,
		   struct err *err) __attribute__((warn_unused_result));

/*
 * Lines go to path from now on; NULL: to none; CONFIG_JOURNAL: to the journal.
 * /dev/stdout and /dev/stderr are the process's own, whatever they are. Nothing
 * is done where path is the one in use. 0, or -errno with the words: the last
 * one stays in use.
 */
int access_log_follow(struct access_log *log, const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* Opens the path anew: what stood there was renamed. As above. */
int access_log_reopen(struct access_log *log, struct err *err)
	__attribute__((warn_unused_result));

/* No worker may run any more. Writes what is left, for two seconds at most.
 * NULL is allowed. */
void access_log_free(struct access_log *log);

struct access_lane *access_log_lane(struct access_log *log,
				    unsigned int worker);

/* By the lane's worker only. False: there is no room, it is dropped. */
bool access_lane_put(struct access_lane *lane, const char *line, size_t size);

#endif

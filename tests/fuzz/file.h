/* SPDX-License-Identifier: BSD-2-Clause */
/* file: an input as a file, for what reads by path. */
#ifndef MILLRACE_TESTS_FUZZ_FILE_H
#define MILLRACE_TESTS_FUZZ_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* libFuzzer's entry, which no header declares. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* One file of this process for each slot, written anew; its path. Its folder
 * is one where what the input names without a folder may be looked for. */
static inline char *file_with(unsigned int slot, const void *bytes, size_t size)
{
	static char paths[2][64];
	static int fds[2] = {-1, -1};

	if (fds[slot] < 0) {
		snprintf(paths[slot], sizeof(paths[slot]),
			 "build/fuzz/input-XXXXXX");
		fds[slot] = mkstemp(paths[slot]);
	}
	if (fds[slot] < 0 || ftruncate(fds[slot], 0) != 0 ||
	    pwrite(fds[slot], bytes, size, 0) != (ssize_t)size)
		abort();
	return paths[slot];
}

#endif

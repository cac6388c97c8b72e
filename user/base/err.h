/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * err: an error that carries its own words.
 *
 * The caller owns the struct and passes it down; whoever detects the error
 * fills it once (what, where, why, what to do) and returns -errno; those in
 * between only return. The text never holds a secret.
 */
#ifndef MILLRACE_BASE_ERR_H
#define MILLRACE_BASE_ERR_H

#define ERR_TEXT_MAX 512

struct err {
	char text[ERR_TEXT_MAX];
};

/*
 * Writes the words, cut at ERR_TEXT_MAX - 1 bytes, and returns -error (error
 * is a positive errno value). err may be NULL: then only the number remains.
 */
int err_set(struct err *err, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The name of a positive errno value, such as "ECONNREFUSED". */
const char *err_name(int error);

#endif

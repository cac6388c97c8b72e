/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words: libbpf's own words about what failed, kept instead of printed. Of
 * the control thread: libbpf knows one printer for the whole process.
 */
#ifndef MILLRACE_BPF_WORDS_H
#define MILLRACE_BPF_WORDS_H

#include <bpf/libbpf.h>

/* Keeps what libbpf warns of from now on; returns who was told before. */
libbpf_print_fn_t words_keep(void);

/* Its last warning, which explains a failure best; "" if there was none. The
 * text is valid until the next words_keep(). */
const char *words_last(void);

#endif

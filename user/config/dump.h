/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump: a document as JSON: as it was written, with presets where nothing
 * was, and without what is secret. It follows the schema's tables, so that no
 * field can be forgotten.
 */
#ifndef MILLRACE_CONFIG_DUMP_H
#define MILLRACE_CONFIG_DUMP_H

#include "config/document.h"

/* 0 and the text, which is the caller's to free, or -ENOMEM. */
int dump_document(const struct document *document, char **ret_json)
	__attribute__((warn_unused_result));

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build_tls: the TLS part of build.h, and what both parts share.
 */
#ifndef MILLRACE_CONFIG_BUILD_TLS_H
#define MILLRACE_CONFIG_BUILD_TLS_H

#include <limits.h>
#include <stdio.h>

#include "config/config.h"
#include "config/document.h"

struct build {
	struct config *config;
	const struct document *document;
	struct schema_errors *errors;
	char folder[PATH_MAX]; /* of the configuration file, absolute */
	/* Whose files were good last: many listeners name the same ones. */
	const struct config_identity *good_identity;
	const struct config_validation *good_validation;
};

/* "listeners[0]", to be followed by a field's name. */
struct place {
	char text[40];
};

struct place build_place(const char *list, size_t i);

#define TELL(build, line, place, field, ...)                                   \
	do {                                                                   \
		char path_[128];                                               \
		snprintf(path_, sizeof(path_), "%s.%s", (place)->text, field); \
		schema_error((build)->errors, line, path_, __VA_ARGS__);       \
	} while (0)

/* Caller-owned; NULL for NULL, or when memory is short (told). */
char *build_copy(struct build *build, const char *text);
char *build_absolute(struct build *build, const char *path);

/* 0, and told, where there is none. */
size_t build_find_cluster(struct build *build, const struct place *place,
			  const char *field, const struct schema_text *name);

/* Where a listener's connections go: by name, by where they were meant to go,
 * or all of them. */
void build_routes(struct build *build, const struct place *place,
		  const struct document_listener *from,
		  struct config_listener *listener);
void build_routes_free(struct config_listener *listener);

void build_listener_tls(struct build *build, const struct place *place,
			const struct document_listener_tls *tls,
			struct config_listener *listener);
void build_cluster_tls(struct build *build, const struct place *place,
		       const struct document_cluster_tls *tls,
		       struct config_cluster *cluster);

void build_names(struct build *build, const struct schema_texts *names,
		 struct config_strings *ret);
void build_names_free(struct config_strings *strings);

void build_identity_free(struct config_identity *identity);
void build_tls_free(struct config_protocol *protocol,
		    struct config_validation *validation);

#endif

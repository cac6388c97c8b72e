/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/reload.h"

#include <errno.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/same.h"
#include "flow/generation.h"

static bool settled(struct worker *const *workers, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (!worker_settled(workers[i]))
			return false;
	return true;
}

/* One more line for the caller's errors; lost when memory is short. */
static void tell(struct config_errors *errors, const char *words)
{
	char **lines = realloc(errors->lines,
			       (errors->count + 1) * sizeof(*errors->lines));

	if (!lines)
		return;
	errors->lines = lines;
	lines[errors->count] = strdup(words);
	if (lines[errors->count])
		errors->count++;
}

static bool same_admin(const struct config *a, const struct config *b)
{
	if (a->admin != b->admin || a->admin_read_only != b->admin_read_only)
		return false;
	if (!a->admin || a->admin_path || b->admin_path)
		return same_text(a->admin_path, b->admin_path);
	return addr_equal(&a->admin_listen, &b->admin_listen);
}

/* What only a start can change is said, and stays as it is. */
static void warn_of_restart(const struct config *old, const struct config *new)
{
	const char *field = NULL;

	if (old->workers != new->workers)
		field = "workers";
	else if (!same_admin(old, new))
		field = "admin";
	else if (!same_text(old->pin_path, new->pin_path))
		field = "counters.pin";
	else if (old->log_format != new->log_format)
		field = "log.format";
	if (field)
		log_line(LOG_LEVEL_WARNING, "a change needs a restart", "field",
			 field, NULL);
}

static void free_generations(struct generation **generations,
			     unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		generation_free(generations[i]);
		generations[i] = NULL;
	}
}

/* All workers get theirs, or none. */
static int make_generations(struct plan *plan, const struct plan *previous,
			    struct worker *const *workers, unsigned int count,
			    struct generation **generations, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; !r && i < count; i++)
		r = generation_new(plan, previous, workers[i], i,
				   &generations[i], err);
	if (r)
		free_generations(generations, count);
	return r;
}

/* What was served goes on: its rows and its sites are still there, so that it
 * cannot fail. */
static void take_back(const struct plan *plan,
		      struct interception *interception)
{
	struct err err;

	if (counters_follow(plan->counters, plan->config, NULL) ||
	    interception_claim(interception, plan->config, &err))
		abort();
}

/* Takes config and credentials over, whatever comes of it. */
static int serve(struct config *config, struct credentials *credentials,
		 struct plan **plan, struct interception *interception,
		 struct worker *const *workers, unsigned int count,
		 struct err *err)
{
	struct counters *counters = (*plan)->counters;
	struct generation **generations =
		calloc(count, sizeof(struct generation *));
	struct plan *next = NULL;
	int r = generations ? interception_claim(interception, config, err)
			    : -ENOMEM;

	if (!r)
		r = counters_follow(counters, config, err);
	if (!r)
		r = access_log_follow((*plan)->access_log,
				      config->access_log.path, err);
	if (!r)
		r = plan_new(config, credentials, counters,
			     interception_intercept(interception), *plan, &next,
			     err);
	if (r) {
		credentials_unref(credentials);
		config_free(config);
	} else {
		r = make_generations(next, *plan, workers, count, generations,
				     err);
		if (!r) {
			r = interception_follow(interception, config,
						generations, count, err);
			if (r)
				free_generations(generations, count);
		}
		for (unsigned int i = 0; !r && i < count; i++)
			worker_serve(workers[i], generations[i]);
	}
	free(generations);
	if (r) {
		if (access_log_follow((*plan)->access_log,
				      (*plan)->config->access_log.path, NULL))
			log_line(LOG_LEVEL_ERROR,
				 "the access log is not what it was", NULL);
		take_back(*plan, interception);
		plan_unref(next);
		return r;
	}
	plan_unref(*plan);
	*plan = next;
	return 0;
}

int reload_plan(struct plan **plan, struct interception *interception,
		struct worker *const *workers, unsigned int worker_count,
		struct config_errors *errors)
{
	struct credentials *credentials;
	struct config *config = NULL;
	struct err err = {"memory is short"};
	int r;

	*errors = (struct config_errors){NULL, 0};
	if (!settled(workers, worker_count))
		return -EAGAIN;
	r = config_load((*plan)->config->path, &config, errors);
	if (r)
		return r;
	warn_of_restart((*plan)->config, config);
	r = credentials_read(config, (*plan)->credentials, &credentials, &err);
	if (r)
		config_free(config);
	else
		r = serve(config, credentials, plan, interception, workers,
			  worker_count, &err);
	if (r)
		tell(errors, err.text);
	return r;
}

/* ---- certificates alone */

static void renewed(void *data, const struct config_identity *identity,
		    const struct credential *credential)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(
		X509_get0_serialNumber(credential->leaf), NULL);
	char *serial = number ? BN_bn2hex(number) : NULL;
	struct rotation *rotation = data;

	rotation->renewed++;
	log_line(LOG_LEVEL_INFO, "certificate renewed", "chain",
		 identity->chain_path, "serial", serial ? serial : "?", NULL);
	OPENSSL_free(serial);
	BN_free(number);
}

/* Told once, however often the file is looked at. */
static void kept(void *data, const char *words)
{
	struct rotation *rotation = data;

	if (!rotation->kept)
		snprintf(rotation->words, sizeof(rotation->words), "%s", words);
	rotation->kept++;
	log_line(LOG_LEVEL_WARNING,
		 "a file cannot be used, and the one before it stays in force",
		 "why", words, NULL);
}

int reload_credentials(struct plan **plan, struct interception *interception,
		       struct worker *const *workers, unsigned int worker_count,
		       struct rotation *rotation)
{
	struct credentials_change change = {
		.kept = kept,
		.renewed = renewed,
		.data = rotation,
	};
	struct config *config = (*plan)->config;
	struct credentials *credentials;
	struct err err = {"memory is short"};
	int r;

	*rotation = (struct rotation){0};
	if (!settled(workers, worker_count))
		return -EAGAIN;
	if (config->tickets_path &&
	    tickets_load((*plan)->tickets, config->tickets_path, &err))
		kept(rotation, err.text);
	r = credentials_refresh(config, (*plan)->credentials, &change,
				&credentials, &err);
	rotation->changed = change.changed;
	if (!r && !change.changed)
		credentials_unref(credentials);
	else if (!r)
		r = serve(config_ref(config), credentials, plan, interception,
			  workers, worker_count, &err);
	if (r)
		kept(rotation, err.text);
	return r;
}

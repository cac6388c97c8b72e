/* SPDX-License-Identifier: BSD-2-Clause */
#include "identity/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/same.h"
#include "tls/tickets.h"

/* One reading: what it makes, and what it may take from. */
struct reading {
	const struct config *config;
	struct credentials *made;
	const struct credentials *previous;
	struct credentials_change *change; /* NULL: an error ends it */
	/* What was read last: many listeners name the same files. */
	const struct config_identity *identity;
	struct credential *credential;
	const struct config_validation *validation;
	struct trust *trust;
};

static bool same_identity(const struct config_identity *a,
			  const struct config_identity *b)
{
	return a && same_text(a->chain_path, b->chain_path) &&
	       same_text(a->key_path, b->key_path) &&
	       same_text(a->ocsp_path, b->ocsp_path);
}

static bool same_trust(const struct config_validation *a,
		       const struct config_validation *b)
{
	return a && same_text(a->trust_path, b->trust_path) &&
	       same_text(a->crl_path, b->crl_path);
}

/* ---- the same content is one object */

static struct credential *find_in(const struct credential_set *sets,
				  size_t count, const uint8_t *digest)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < sets[i].count; j++)
			if (sets[i].items[j] &&
			    memcmp(sets[i].items[j]->digest, digest,
				   CREDENTIAL_DIGEST_SIZE) == 0)
				return sets[i].items[j];
	return NULL;
}

static struct credential *find(const struct credentials *in,
			       const uint8_t *digest)
{
	struct credential *found =
		in ? find_in(in->listeners, in->listener_count, digest) : NULL;

	if (!found && in)
		found = find_in(in->clusters, in->cluster_count, digest);
	return found;
}

static struct trust *find_trust_in(const struct credential_set *sets,
				   size_t count, const uint8_t *digest)
{
	for (size_t i = 0; i < count; i++)
		if (sets[i].trust && memcmp(sets[i].trust->digest, digest,
					    CREDENTIAL_DIGEST_SIZE) == 0)
			return sets[i].trust;
	return NULL;
}

static struct trust *find_trust(const struct credentials *in,
				const uint8_t *digest)
{
	struct trust *found =
		in ? find_trust_in(in->listeners, in->listener_count, digest)
		   : NULL;

	if (!found && in)
		found = find_trust_in(in->clusters, in->cluster_count, digest);
	return found;
}

static struct credential *intern(const struct reading *reading,
				 struct credential *fresh)
{
	struct credential *known = find(reading->previous, fresh->digest);

	if (!known)
		known = find(reading->made, fresh->digest);
	if (!known)
		return fresh;
	credential_ref(known);
	credential_unref(fresh);
	return known;
}

static struct trust *intern_trust(const struct reading *reading,
				  struct trust *fresh)
{
	struct trust *known = find_trust(reading->previous, fresh->digest);

	if (!known)
		known = find_trust(reading->made, fresh->digest);
	if (!known)
		return fresh;
	trust_ref(known);
	trust_unref(fresh);
	return known;
}

/* ---- reading */

static int credential_of(struct reading *reading,
			 const struct config_identity *identity,
			 struct credential **ret, struct err *err)
{
	int r;

	if (same_identity(reading->identity, identity)) {
		*ret = credential_ref(reading->credential);
		return 0;
	}
	r = credential_read(identity, reading->config->node, ret, err);
	if (r)
		return r;
	*ret = intern(reading, *ret);
	reading->identity = identity;
	reading->credential = *ret;
	return 0;
}

static int trust_of(struct reading *reading,
		    const struct config_validation *validation,
		    struct trust **ret, struct err *err)
{
	int r;

	if (same_trust(reading->validation, validation)) {
		*ret = trust_ref(reading->trust);
		return 0;
	}
	r = trust_read(validation, ret, err);
	if (r)
		return r;
	*ret = intern_trust(reading, *ret);
	reading->validation = validation;
	reading->trust = *ret;
	return 0;
}

/* old: what the same place held before, or NULL. */
static int read_one(struct reading *reading,
		    const struct config_identity *identity,
		    struct credential *old, struct credential **ret,
		    struct err *err)
{
	struct credentials_change *change = reading->change;
	int r = credential_of(reading, identity, ret, err);

	if (!r) {
		if (change && *ret != old) {
			change->changed++;
			change->renewed(change->data, identity, *ret);
		}
		return 0;
	}
	if (!change || r == -ENOMEM)
		return r;
	change->kept(change->data, err->text);
	*ret = credential_ref(old);
	return 0;
}

static int read_trust(struct reading *reading,
		      const struct config_validation *validation,
		      struct trust *old, struct trust **ret, struct err *err)
{
	struct credentials_change *change = reading->change;
	int r;

	if (!validation->required)
		return 0;
	r = trust_of(reading, validation, ret, err);
	if (!r) {
		if (change && *ret != old)
			change->changed++;
		return 0;
	}
	if (!change || r == -ENOMEM)
		return r;
	change->kept(change->data, err->text);
	*ret = trust_ref(old);
	return 0;
}

static int read_set(struct reading *reading,
		    const struct config_identity *identities, size_t count,
		    const struct config_validation *validation,
		    const struct credential_set *old,
		    struct credential_set *set, struct err *err)
{
	int r = 0;

	set->items = calloc(count + 1, sizeof(struct credential *));
	if (!set->items)
		return err_set(err, ENOMEM, "memory is short");
	set->count = count;
	for (size_t i = 0; !r && i < count; i++)
		r = read_one(reading, &identities[i],
			     old ? old->items[i] : NULL, &set->items[i], err);
	if (!r)
		r = read_trust(reading, validation, old ? old->trust : NULL,
			       &set->trust, err);
	return r;
}

static int read_all(struct reading *reading, struct err *err)
{
	const struct config *config = reading->config;
	const struct credentials *old =
		reading->change ? reading->previous : NULL;
	struct credentials *made = reading->made;
	int r = 0;

	for (size_t i = 0; !r && i < config->listener_count; i++)
		r = read_set(reading, config->listeners[i].identities,
			     config->listeners[i].identity_count,
			     &config->listeners[i].validation,
			     old ? &old->listeners[i] : NULL,
			     &made->listeners[i], err);
	for (size_t i = 0; !r && i < config->cluster_count; i++)
		r = read_set(reading, &config->clusters[i].identity,
			     config->clusters[i].identity.chain_path ? 1 : 0,
			     &config->clusters[i].validation,
			     old ? &old->clusters[i] : NULL, &made->clusters[i],
			     err);
	return r;
}

static int read_by(struct reading *reading, struct credentials **ret,
		   struct err *err)
{
	const struct config *config = reading->config;
	struct credentials *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return err_set(err, ENOMEM, "memory is short");
	atomic_store(&made->refs, 1);
	made->listeners =
		calloc(config->listener_count + 1, sizeof(*made->listeners));
	made->clusters =
		calloc(config->cluster_count + 1, sizeof(*made->clusters));
	made->listener_count = made->listeners ? config->listener_count : 0;
	made->cluster_count = made->clusters ? config->cluster_count : 0;
	reading->made = made;
	r = made->listeners && made->clusters
		    ? read_all(reading, err)
		    : err_set(err, ENOMEM, "memory is short");
	if (r)
		credentials_unref(made);
	else
		*ret = made;
	return r;
}

int credentials_read(const struct config *config,
		     const struct credentials *previous,
		     struct credentials **ret, struct err *err)
{
	struct reading reading = {.config = config, .previous = previous};

	if (config->tickets_path) {
		int r = tickets_check(config->tickets_path, err);

		if (r)
			return r;
	}
	return read_by(&reading, ret, err);
}

int credentials_refresh(const struct config *config,
			const struct credentials *previous,
			struct credentials_change *change,
			struct credentials **ret, struct err *err)
{
	struct reading reading = {
		.config = config,
		.previous = previous,
		.change = change,
	};

	change->changed = 0;
	return read_by(&reading, ret, err);
}

struct credentials *credentials_ref(struct credentials *credentials)
{
	atomic_fetch_add(&credentials->refs, 1);
	return credentials;
}

static void free_sets(struct credential_set *sets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < sets[i].count; j++)
			credential_unref(sets[i].items[j]);
		free(sets[i].items);
		trust_unref(sets[i].trust);
	}
	free(sets);
}

void credentials_unref(struct credentials *credentials)
{
	if (!credentials || atomic_fetch_sub(&credentials->refs, 1) != 1)
		return;
	free_sets(credentials->listeners, credentials->listener_count);
	free_sets(credentials->clusters, credentials->cluster_count);
	free(credentials);
}

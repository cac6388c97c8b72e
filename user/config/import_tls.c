/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_tls.h"

#include <string.h>

#include "config/files.h"

#define PATH_SIZE 300

static void line(const struct import_tls *tls, int deeper, const char *key,
		 const char *value)
{
	char quoted[IMPORT_TEXT_MAX];

	fprintf(tls->block->out, "%*s%s%s%s\n", tls->indent + deeper, "", key,
		value ? " " : "", value ? import_quote(value, quoted) : "");
}

/* What is not here cannot be served from here: unless it is for elsewhere. */
static void unusable(const struct import_tls *tls, const char *path,
		     const struct err *why)
{
	if (tls->elsewhere) {
		notes_add(tls->notes, path,
			  "%s; check and run refuse until it can be used",
			  why->text);
		return;
	}
	tls->block->off = true;
	notes_add(tls->notes, path,
		  "%s; what needs it is written as a comment and not "
		  "served: import again where it is, or with --elsewhere",
		  why->text);
}

/* "…/12345678" of an ARN, which is what tells it from others. */
static const char *last_part(const char *arn)
{
	const char *slash = arn ? strrchr(arn, '/') : NULL;

	return slash && slash[1] ? slash + 1 : arn ? arn : "NAME";
}

static const char *either(struct tree *tree, const yaml_node_t *node,
			  const char *aws, const char *kubernetes)
{
	const char *text = tree_text(tree_get(tree, node, aws));

	return text ? text : tree_text(tree_get(tree, node, kubernetes));
}

/* It would be served without what makes it safe: it is not served at all. */
static void not_yet(const struct import_tls *tls, const char *path,
		    const char *source, const char *what, const char *id)
{
	tls->block->off = true;
	notes_add(tls->notes, path,
		  "%s (%s) cannot be taken from %s yet; what needs it is "
		  "written as a comment and not served: put it into the files "
		  "named there, and take the comment signs away",
		  what, id ? id : "unnamed", source);
}

static void put_identity(const struct import_tls *tls, const char *chain,
			 const char *key)
{
	line(tls, 0, "certificate:", NULL);
	line(tls, 2, "file:", NULL);
	line(tls, 4, "chain:", chain);
	line(tls, 4, "key:", key);
}

void import_certificate(const struct import_tls *tls, const yaml_node_t *node,
			const char *path)
{
	struct tree *tree = tls->tree;
	yaml_node_t *file = tree_get(tree, node, "file");
	yaml_node_t *acm = tree_get(tree, node, "acm");
	yaml_node_t *sds = tree_get(tree, node, "sds");
	const char *chain = tree_text(tree_get(tree, file, "certificateChain"));
	const char *key = tree_text(tree_get(tree, file, "privateKey"));
	const char *source = acm ? "acm" : "sds", *id;
	char chain_path[PATH_SIZE], key_path[PATH_SIZE];
	struct err err = {""};

	if (chain && key) {
		if (files_chain_check(chain, &err) < 0)
			unusable(tls, path, &err);
		else if (files_key_check(key, chain, &err) < 0)
			unusable(tls, path, &err);
		put_identity(tls, chain, key);
		return;
	}
	if (!acm && !sds) {
		tls->block->off = true;
		notes_add(tls->notes, path,
			  "names no certificate; what needs it is written as "
			  "a comment and not served");
		put_identity(tls, "CHAIN.pem", "KEY.pem");
		return;
	}
	id = acm ? either(tree, acm, "certificateArn", "certificateARN")
		 : tree_text(tree_get(tree, sds, "secretName"));
	not_yet(tls, path, acm ? "ACM" : "SDS", "its certificate", id);
	snprintf(chain_path, sizeof(chain_path), "%s/%.200s/chain.pem", source,
		 last_part(id));
	snprintf(key_path, sizeof(key_path), "%s/%.200s/key.pem", source,
		 last_part(id));
	put_identity(tls, chain_path, key_path);
}

static void put_trust(const struct import_tls *tls, const char *file)
{
	line(tls, 2, "trust:", NULL);
	line(tls, 4, "file:", file);
}

static void import_trust(const struct import_tls *tls, const yaml_node_t *node,
			 const char *path)
{
	struct tree *tree = tls->tree;
	yaml_node_t *acm = tree_get(tree, node, "acm");
	yaml_node_t *sds = tree_get(tree, node, "sds");
	const char *file = tree_text(
		tree_at(tree, node, "file", "certificateChain", NULL));
	yaml_node_t *arns;
	char place[PATH_SIZE];
	struct err err = {""};
	const char *id;

	if (file) {
		if (files_trust_check(file, &err) < 0)
			unusable(tls, path, &err);
		put_trust(tls, file);
		return;
	}
	arns = tree_get(tree, acm, "certificateAuthorityArns");
	if (!arns)
		arns = tree_get(tree, acm, "certificateAuthorityARNs");
	id = acm ? tree_text(tree_item(tree, arns, 0))
		 : tree_text(tree_get(tree, sds, "secretName"));
	not_yet(tls, path, acm ? "ACM Private CA" : "SDS", "its trust", id);
	for (size_t i = 1; i < tree_count(arns); i++)
		not_yet(tls, path, "ACM Private CA", "its trust",
			tree_text(tree_item(tree, arns, i)));
	snprintf(place, sizeof(place), "%s/%.200s/ca.pem", acm ? "acm" : "sds",
		 last_part(id));
	put_trust(tls, place);
}

void import_validation(const struct import_tls *tls, const yaml_node_t *node,
		       const char *path)
{
	struct tree *tree = tls->tree;
	yaml_node_t *names = tree_at(tree, node, "subjectAlternativeNames",
				     "match", "exact", NULL);
	char longer[PATH_SIZE], quoted[IMPORT_TEXT_MAX];

	snprintf(longer, sizeof(longer), "%.280s.trust", path);
	line(tls, 0, "validation:", NULL);
	import_trust(tls, tree_get(tree, node, "trust"), longer);
	if (!tree_count(names))
		return;
	line(tls, 2, "names:", NULL);
	for (size_t i = 0; i < tree_count(names); i++) {
		const char *name = tree_text(tree_item(tree, names, i));

		if (name)
			fprintf(tls->block->out, "%*s- %s\n", tls->indent + 4,
				"", import_quote(name, quoted));
	}
}

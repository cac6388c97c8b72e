/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/peer.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tls/verify.h"

void peers_init(struct peers *peers)
{
	for (int i = 0; i < PEER_SLOTS; i++)
		list_init(&peers->slots[i]);
}

static bool digest_of(X509 *leaf, STACK_OF(X509) *chain,
		      uint8_t ret[CREDENTIAL_DIGEST_SIZE])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char one[EVP_MAX_MD_SIZE];
	unsigned int size = 0;
	bool ok = digest &&
		  EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		  X509_digest(leaf, EVP_sha256(), one, &size) == 1 &&
		  EVP_DigestUpdate(digest, one, size) == 1;

	for (int i = 0; ok && i < sk_X509_num(chain); i++)
		ok = X509_digest(sk_X509_value(chain, i), EVP_sha256(), one,
				 &size) == 1 &&
		     EVP_DigestUpdate(digest, one, size) == 1;
	ok = ok && EVP_DigestFinal_ex(digest, ret, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return ok;
}

static struct peer *peer_new(X509 *leaf, STACK_OF(X509) *chain,
			     const uint8_t *digest)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->chain = chain ? X509_chain_up_ref(chain) : NULL;
	if (chain && !peer->chain) {
		free(peer);
		return NULL;
	}
	X509_up_ref(leaf);
	peer->leaf = leaf;
	peer->ends = credential_time(X509_get0_notAfter(leaf));
	memcpy(peer->digest, digest, sizeof(peer->digest));
	return peer;
}

struct peer *peer_take(struct peers *peers, X509 *leaf, STACK_OF(X509) *chain)
{
	uint8_t digest[CREDENTIAL_DIGEST_SIZE];
	struct list *slot, *node;
	struct peer *peer;

	if (!digest_of(leaf, chain, digest))
		return NULL;
	slot = &peers->slots[digest[0] % PEER_SLOTS];
	list_for_each (node, slot) {
		peer = list_entry(node, struct peer, node);
		if (memcmp(peer->digest, digest, sizeof(digest)) == 0) {
			peer->refs++;
			return peer;
		}
	}
	peer = peer_new(leaf, chain, digest);
	if (!peer)
		return NULL;
	peer->refs = 1;
	list_add_tail(&peer->node, slot);
	return peer;
}

void peer_give(struct peer *peer)
{
	if (!peer || --peer->refs)
		return;
	list_del(&peer->node);
	X509_free(peer->leaf);
	sk_X509_pop_free(peer->chain, X509_free);
	free(peer);
}

int peer_judge(struct peer *peer, const struct trust *trust,
	       const struct config_validation *validation, bool client,
	       struct err *err)
{
	/* A worker's connections with one peer are judged in a row. */
	if (!peer->judged || peer->judged_client != client ||
	    memcmp(peer->judged_by, trust->digest, sizeof(trust->digest)) !=
		    0) {
		peer->judged = true;
		peer->judged_client = client;
		memcpy(peer->judged_by, trust->digest, sizeof(trust->digest));
		peer->verdict =
			verify_chain(peer->leaf, peer->chain, trust->store,
				     validation, client, &peer->why);
	}
	if (peer->verdict)
		*err = peer->why;
	return peer->verdict;
}

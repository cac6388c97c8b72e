/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/verdict.h"

#include <linux/tls.h>
#include <string.h>

/* linux/tls.h: base means that this direction is not in it. */
static bool encrypts(const struct diag_socket *socket, bool tx)
{
	enum diag_conf conf = tx ? socket->tx : socket->rx;

	return socket->tls && conf >= DIAG_CONF_SOFTWARE;
}

static bool ascribed(const struct said *said, bool tx)
{
	return said->state == SAID_TLS &&
	       (tx ? said->tx_kernel : said->rx_kernel);
}

static bool version_differs(const struct diag_socket *socket,
			    const struct said *said)
{
	const char *version = socket->version == TLS_1_2_VERSION   ? "TLSv1.2"
			      : socket->version == TLS_1_3_VERSION ? "TLSv1.3"
								   : NULL;

	return version && said->version && strcmp(version, said->version) != 0;
}

/* OpenSSL's names: TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES128-GCM-SHA256. */
static bool cipher_differs(const struct diag_socket *socket,
			   const struct said *said)
{
	static const struct {
		uint16_t cipher;
		const char *names[2];
	} table[] = {
		{TLS_CIPHER_AES_GCM_128, {"AES_128_GCM", "AES128-GCM"}},
		{TLS_CIPHER_AES_GCM_256, {"AES_256_GCM", "AES256-GCM"}},
		{TLS_CIPHER_CHACHA20_POLY1305, {"CHACHA20", "CHACHA20"}},
	};

	if (!said->cipher)
		return false;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].cipher == socket->cipher)
			return !strstr(said->cipher, table[i].names[0]) &&
			       !strstr(said->cipher, table[i].names[1]);
	return false;
}

static const char *contradiction(const struct diag_socket *socket,
				 const struct said *before,
				 const struct said *after)
{
	const struct said *said = after ? after : before;
	bool in_kernel = encrypts(socket, true) || encrypts(socket, false);

	for (int tx = 0; before && socket->told && tx < 2; tx++)
		if (ascribed(before, tx) && !encrypts(socket, tx))
			return tx ? "the daemon says that the kernel encrypts, "
				    "and it does not"
				  : "the daemon says that the kernel decrypts, "
				    "and it does not";
	for (int tx = 0; after && tx < 2; tx++)
		if (encrypts(socket, tx) && !ascribed(after, tx))
			return tx ? "the kernel encrypts, and the daemon does "
				    "not say so"
				  : "the kernel decrypts, and the daemon does "
				    "not say so";
	if (!said || !in_kernel || said->state != SAID_TLS)
		return NULL;
	if (version_differs(socket, said))
		return "the kernel and the daemon name different TLS versions";
	if (cipher_differs(socket, said))
		return "the kernel and the daemon name different ciphers";
	return NULL;
}

struct judgement verdict_judge(const struct diag_socket *socket,
			       const struct said *before,
			       const struct said *after)
{
	static const enum verdict verdicts[] = {
		[SAID_UNDECIDED] = VERDICT_HANDSHAKE,
		[SAID_HANDSHAKE] = VERDICT_HANDSHAKE,
		[SAID_TLS] = VERDICT_CLAIMED,
		[SAID_PLAIN] = VERDICT_PLAIN,
	};
	const struct said *said = after ? after : before;
	struct judgement judgement = {
		.why = contradiction(socket, before, after)};

	if (judgement.why)
		judgement.verdict = VERDICT_CONTRADICTION;
	else if (encrypts(socket, true) && encrypts(socket, false))
		judgement.verdict = VERDICT_PROVED;
	else
		judgement.verdict =
			said ? verdicts[said->state] : VERDICT_UNKNOWN;
	return judgement;
}

bool verdict_acceptable(enum verdict verdict, enum said_policy policy,
			bool strict)
{
	switch (verdict) {
	case VERDICT_PROVED:
	case VERDICT_HANDSHAKE:
		return true;
	case VERDICT_CLAIMED:
		return !strict || policy != SAID_STRICT;
	case VERDICT_PLAIN:
	case VERDICT_UNKNOWN:
		return policy != SAID_STRICT;
	default:
		return false;
	}
}

const char *verdict_words(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_PROVED] = "proved by the kernel",
		[VERDICT_CLAIMED] = "claimed by the daemon",
		[VERDICT_PLAIN] = "plain",
		[VERDICT_HANDSHAKE] = "in the handshake",
		[VERDICT_UNKNOWN] = "not listed",
		[VERDICT_CONTRADICTION] = "contradiction",
	};

	return words[verdict];
}

const char *verdict_engine(const struct diag_socket *socket,
			   const struct said *said, bool tx)
{
	enum diag_conf conf = tx ? socket->tx : socket->rx;

	if (encrypts(socket, tx))
		return conf == DIAG_CONF_NIC ? "NIC" : "kernel";
	if (!said || said->state != SAID_TLS)
		return "-";
	if (ascribed(said, tx))
		return socket->told ? "-" : "kernel?";
	return "user space";
}

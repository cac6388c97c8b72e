/* SPDX-License-Identifier: BSD-2-Clause */
/* verdict: what follows from the daemon's word and the kernel's; said: how
 * the daemon's word is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/tls.h>

#include "cli/verdict.h"

#define N DIAG_CONF_NONE
#define B DIAG_CONF_BASE
#define S DIAG_CONF_SOFTWARE
#define H DIAG_CONF_NIC

/* A daemon's word: state, then who sends and receives. */
struct word {
	bool listed;
	enum said_state state;
	bool tx;
	bool rx;
};

#define UNLISTED                                    \
	{                                           \
		false, SAID_UNDECIDED, false, false \
	}
#define TLS(tx, rx)                    \
	{                              \
		true, SAID_TLS, tx, rx \
	}
#define SAYS(state)                       \
	{                                 \
		true, state, false, false \
	}

static const struct {
	const char *what;
	enum diag_conf tx;
	enum diag_conf rx;
	bool told;
	struct word before;
	struct word after;
	enum verdict expected;
} cases[] = {
	{"kernel both ways", S, S, true, TLS(1, 1), TLS(1, 1), VERDICT_PROVED},
	{"the NIC sends", H, S, true, TLS(1, 1), TLS(1, 1), VERDICT_PROVED},
	{"user both ways", N, N, true, TLS(0, 0), TLS(0, 0), VERDICT_CLAIMED},
	{"user, with the ULP put on", B, B, true, TLS(0, 0), TLS(0, 0),
	 VERDICT_CLAIMED},
	{"kernel sends, user receives", S, B, true, TLS(1, 0), TLS(1, 0),
	 VERDICT_CLAIMED},
	{"user sends, kernel receives", B, S, true, TLS(0, 1), TLS(0, 1),
	 VERDICT_CLAIMED},
	{"plain", N, N, true, SAYS(SAID_PLAIN), SAYS(SAID_PLAIN),
	 VERDICT_PLAIN},
	{"in the handshake", N, N, true, SAYS(SAID_HANDSHAKE),
	 SAYS(SAID_HANDSHAKE), VERDICT_HANDSHAKE},
	{"in the handshake, with the ULP put on", B, B, true,
	 SAYS(SAID_HANDSHAKE), SAYS(SAID_HANDSHAKE), VERDICT_HANDSHAKE},
	{"undecided", N, N, true, SAYS(SAID_UNDECIDED), SAYS(SAID_UNDECIDED),
	 VERDICT_HANDSHAKE},
	{"moved before the kernel was asked", S, S, true, TLS(0, 0), TLS(1, 1),
	 VERDICT_PROVED},
	{"moved after the kernel was asked", N, N, true, SAYS(SAID_HANDSHAKE),
	 TLS(1, 1), VERDICT_CLAIMED},
	{"new after the first listing", S, S, true, UNLISTED, TLS(1, 1),
	 VERDICT_PROVED},
	{"ended before the second", S, S, true, TLS(0, 0), UNLISTED,
	 VERDICT_PROVED},
	{"the kernel may not tell", N, N, false, TLS(1, 1), TLS(1, 1),
	 VERDICT_CLAIMED},
	{"nobody lists it, the kernel encrypts", S, S, true, UNLISTED, UNLISTED,
	 VERDICT_PROVED},
	{"nobody lists it", N, N, true, UNLISTED, UNLISTED, VERDICT_UNKNOWN},
	{"nobody lists it, half", S, B, true, UNLISTED, UNLISTED,
	 VERDICT_UNKNOWN},
	{"said to send, base only", B, S, true, TLS(1, 1), TLS(1, 1),
	 VERDICT_CONTRADICTION},
	{"said to receive, base only", S, B, true, TLS(1, 1), TLS(1, 1),
	 VERDICT_CONTRADICTION},
	{"said to be kernel, no ULP", N, N, true, TLS(1, 1), TLS(1, 1),
	 VERDICT_CONTRADICTION},
	{"said before, and gone since", N, N, true, TLS(1, 1), UNLISTED,
	 VERDICT_CONTRADICTION},
	{"taken back", S, S, true, TLS(1, 1), TLS(0, 1), VERDICT_CONTRADICTION},
	{"the kernel encrypts what is plain", S, S, true, SAYS(SAID_PLAIN),
	 SAYS(SAID_PLAIN), VERDICT_CONTRADICTION},
};

static const struct said *say(const struct word *word, struct said *room)
{
	*room = (struct said){
		.state = word->state,
		.version = "TLSv1.3",
		.cipher = "TLS_AES_128_GCM_SHA256",
		.tx_kernel = word->tx,
		.rx_kernel = word->rx,
	};
	return word->listed ? room : NULL;
}

static struct diag_socket in_kernel(enum diag_conf tx, enum diag_conf rx)
{
	return (struct diag_socket){
		.tls = tx != N || rx != N,
		.told = true,
		.tx = tx,
		.rx = rx,
		.version = tx > B || rx > B ? TLS_1_3_VERSION : 0,
		.cipher = tx > B || rx > B ? TLS_CIPHER_AES_GCM_128 : 0,
	};
}

static void verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct diag_socket socket = in_kernel(cases[i].tx, cases[i].rx);
		struct said before, after;
		struct judgement got;

		socket.told = cases[i].told;
		got = verdict_judge(&socket, say(&cases[i].before, &before),
				    say(&cases[i].after, &after));
		if (got.verdict != cases[i].expected)
			fail_msg("%s: %s", cases[i].what,
				 verdict_words(got.verdict));
		assert_int_equal(got.verdict == VERDICT_CONTRADICTION,
				 got.why != NULL);
	}
}

static void names_differ(void **state)
{
	static const struct {
		uint16_t version;
		uint16_t cipher;
		const char *said_version;
		const char *said_cipher;
		enum verdict expected;
	} table[] = {
		{TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_256, "TLSv1.2",
		 "ECDHE-RSA-AES256-GCM-SHA384", VERDICT_PROVED},
		{TLS_1_3_VERSION, TLS_CIPHER_CHACHA20_POLY1305, "TLSv1.3",
		 "TLS_CHACHA20_POLY1305_SHA256", VERDICT_PROVED},
		{TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128, "TLSv1.3",
		 "TLS_AES_128_GCM_SHA256", VERDICT_CONTRADICTION},
		{TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128, "TLSv1.3",
		 "TLS_AES_256_GCM_SHA384", VERDICT_CONTRADICTION},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct diag_socket socket = in_kernel(S, S);
		struct said said = {
			.state = SAID_TLS,
			.version = table[i].said_version,
			.cipher = table[i].said_cipher,
			.tx_kernel = true,
			.rx_kernel = true,
		};

		socket.version = table[i].version;
		socket.cipher = table[i].cipher;
		assert_int_equal(verdict_judge(&socket, &said, &said).verdict,
				 table[i].expected);
	}
}

static void acceptable(void **state)
{
	static const struct {
		enum verdict verdict;
		enum said_policy policy;
		bool lax;
		bool strict;
	} table[] = {
		{VERDICT_PROVED, SAID_STRICT, true, true},
		{VERDICT_CLAIMED, SAID_STRICT, true, false},
		{VERDICT_CLAIMED, SAID_PERMISSIVE, true, true},
		{VERDICT_PLAIN, SAID_STRICT, false, false},
		{VERDICT_PLAIN, SAID_PERMISSIVE, true, true},
		{VERDICT_PLAIN, SAID_DISABLED, true, true},
		{VERDICT_HANDSHAKE, SAID_STRICT, true, true},
		{VERDICT_UNKNOWN, SAID_STRICT, false, false},
		{VERDICT_UNKNOWN, SAID_DISABLED, true, true},
		{VERDICT_CONTRADICTION, SAID_DISABLED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(verdict_acceptable(table[i].verdict,
						    table[i].policy, false),
				 table[i].lax);
		assert_int_equal(verdict_acceptable(table[i].verdict,
						    table[i].policy, true),
				 table[i].strict);
	}
}

static void engines(void **state)
{
	struct said user = {.state = SAID_TLS};
	struct said kernel = {.state = SAID_TLS, .tx_kernel = true};
	struct diag_socket socket = in_kernel(H, B);

	(void)state;
	assert_string_equal(verdict_engine(&socket, &kernel, true), "NIC");
	assert_string_equal(verdict_engine(&socket, &kernel, false),
			    "user space");
	socket = in_kernel(S, S);
	assert_string_equal(verdict_engine(&socket, NULL, true), "kernel");
	socket = in_kernel(N, N);
	assert_string_equal(verdict_engine(&socket, &user, true), "user space");
	assert_string_equal(verdict_engine(&socket, NULL, true), "-");
	socket.told = false;
	assert_string_equal(verdict_engine(&socket, &kernel, true), "kernel?");
}

/* ---- the daemon's word */

static void said_reads(void **state)
{
	static const char text[] =
		"{\"pid\":7,\"omitted\":3,\"connections\":["
		"{\"listener\":\"l\",\"cluster\":\"c\","
		"\"down\":{\"cookie\":9,\"peer\":\"1.2.3.4:5\","
		"\"policy\":\"strict\",\"state\":\"tls\","
		"\"version\":\"TLSv1.2\",\"cipher\":\"C\","
		"\"tx\":\"kernel\",\"rx\":\"user\"},"
		"\"up\":{\"cookie\":4,\"policy\":\"disabled\","
		"\"state\":\"plain\"}},"
		"{\"listener\":\"l\",\"cluster\":\"c\","
		"\"down\":{\"cookie\":6,\"policy\":\"permissive\","
		"\"state\":\"undecided\"},\"up\":null}]}";
	struct said_list list;
	const struct said *said;
	struct err err;

	(void)state;
	assert_int_equal(said_parse(text, &list, &err), 0);
	assert_int_equal(list.pid, 7);
	assert_int_equal(list.omitted, 3);
	assert_int_equal(list.count, 3);
	said = said_find(&list, 9);
	assert_non_null(said);
	assert_string_equal(said->cipher, "C");
	assert_true(said->tx_kernel);
	assert_false(said->rx_kernel);
	assert_int_equal(said->policy, SAID_STRICT);
	said = said_find(&list, 4);
	assert_non_null(said);
	assert_true(said->up);
	assert_int_equal(said->pair, 9);
	assert_int_equal(said->state, SAID_PLAIN);
	assert_int_equal(said_find(&list, 6)->state, SAID_UNDECIDED);
	assert_null(said_find(&list, 5));
	said_fini(&list);
}

static void said_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"pid\":1}",
		"{\"pid\":\"1\",\"connections\":[]}",
		"{\"pid\":1,\"connections\":{}}",
		"{\"pid\":1,\"connections\":[1]}",
		"{\"pid\":1,\"connections\":[{}]}",
		"{\"pid\":1,\"connections\":[{\"down\":{\"cookie\":1}}]}",
		"{\"pid\":1,\"connections\":[{\"listener\":\"l\","
		"\"cluster\":\"c\",\"down\":{\"cookie\":1,"
		"\"policy\":\"strict\",\"state\":\"sleeping\"},\"up\":null}]}",
		"{\"pid\":1,\"connections\":[{\"down\":{\"cookie\":1,"
		"\"policy\":\"strict\",\"state\":\"tls\"},\"up\":null}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct said_list list;
		struct err err;

		if (said_parse(texts[i], &list, &err) != -EPROTO)
			fail_msg("taken: %s", texts[i]);
		assert_non_null(strstr(err.text, "version"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),   cmocka_unit_test(names_differ),
		cmocka_unit_test(acceptable), cmocka_unit_test(engines),
		cmocka_unit_test(said_reads), cmocka_unit_test(said_refuses),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}

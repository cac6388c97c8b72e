/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "config/config.h"

static char folder[] = "/tmp/test_config.XXXXXX";

static void path_of(const char *name, char path[static 64])
{
	snprintf(path, 64, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text, size_t size)
{
	char path[64];
	FILE *file;

	path_of(name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void write_identity(const char *chain, const char *key)
{
	char path[64];
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	FILE *file;

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, pair);
	assert_true(X509_sign(certificate, pair, EVP_sha256()) > 0);
	path_of(chain, path);
	file = fopen(path, "w");
	PEM_write_X509(file, certificate);
	fclose(file);
	path_of(key, path);
	file = fopen(path, "w");
	PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(pair);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	write_identity("chain.pem", "key.pem");
	write_identity("other.pem", "other.key");
	write_file("empty.pem", "", 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"chain.pem", "key.pem",
					    "other.pem", "other.key",
					    "empty.pem", "c.yaml"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(names[i], path);
		unlink(path);
	}
	return rmdir(folder);
}

static int load(const char *text, size_t size, struct config **ret,
		struct config_errors *errors)
{
	char path[64];

	write_file("c.yaml", text, size);
	path_of("c.yaml", path);
	return config_load(path, ret, errors);
}

#define STRICT                                         \
	"tls: { mode: strict, certificate: { file: { " \
	"chain: chain.pem, key: key.pem } } }"
#define LISTENER "{ name: a, listen: '1.2.3.4:5', cluster: c, "
#define CLUSTERS "clusters: [ { name: c, endpoints: ['1.2.3.4:6'] } ]\n"

/* The smallest that does something, and what it leaves at its default. */
static void test_defaults(void **state)
{
	static const char text[] =
		"listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS;
	struct config_errors errors;
	struct config *config = NULL;
	char path[64];

	(void)state;
	assert_int_equal(load(text, strlen(text), &config, &errors), 0);
	assert_int_equal(errors.count, 0);
	config_errors_free(&errors);
	assert_int_equal(config->workers, 0);
	assert_false(config->admin);
	assert_int_equal(config->drain_timeout_ms, 30000);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->log_format, LINE_TEXT);
	assert_int_equal(config->log_rate, LOG_RATE_DEFAULT);
	assert_int_equal(config->listener_count, 1);
	assert_string_equal(config->listeners[0].name, "a");
	assert_int_equal(config->listeners[0].tls_mode, CONFIG_TLS_STRICT);
	assert_int_equal(config->listeners[0].engine, CONFIG_ENGINE_AUTO);
	assert_false(config->listeners[0].rekey.required);
	assert_int_equal(config->listeners[0].rekey.records_max, 1 << 24);
	assert_int_equal(config->listeners[0].connections_max, 100000);
	assert_int_equal(config->listeners[0].handshakes_max, 10000);
	assert_int_equal(config->listeners[0].handshake_timeout_ms, 10000);
	assert_int_equal(config->listeners[0].idle_timeout_ms, 3600000);
	assert_int_equal(config->listeners[0].protocol.version_min,
			 TLS1_2_VERSION);
	assert_int_equal(config->listeners[0].protocol.version_max,
			 TLS1_3_VERSION);
	assert_false(config->listeners[0].validation.required);
	path_of("chain.pem", path);
	assert_string_equal(config->listeners[0].identities[0].chain_path,
			    path);
	assert_int_equal(config->clusters[0].endpoint_count, 1);
	assert_false(config->clusters[0].tls);
	assert_int_equal(config->clusters[0].connect_timeout_ms, 5000);
	config_free(config);
}

static void test_names_default_to_server_name(void **state)
{
	static const char text[] =
		"listeners: [ " LISTENER STRICT " } ]\n"
		"clusters:\n"
		"  - name: c\n"
		"    endpoints: ['[::1]:6']\n"
		"    tls: { server_name: s.local, validation: "
		"{ trust: { file: chain.pem } } }\n";
	struct config_errors errors;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(load(text, strlen(text), &config, &errors), 0);
	config_errors_free(&errors);
	assert_true(config->clusters[0].validation.required);
	assert_int_equal(config->clusters[0].validation.names.count, 1);
	assert_string_equal(config->clusters[0].validation.names.items[0],
			    "s.local");
	config_free(config);
}

/* Each text with all that is told of it, "%" being the folder. */
static const struct {
	const char *text;
	const char *told;
} cases[] = {
	{"", "%/c.yaml:1: the file is empty\n"},
	{"a: [", "%/c.yaml:2: not YAML: did not find expected node content, "
		 "at column 1\n"},
	{"listeners: &x []\nclusters: *x\n",
	 "%/c.yaml:1: anchors and aliases are not supported; write the value "
	 "out\n"},
	{"[]", "%/c.yaml:1: a map (field: value) was expected, and here is a "
	       "list\n"},
	{CLUSTERS, "%/c.yaml:1: the field \"listeners\" is missing; there is "
		   "nothing to do without one\n"},
	{"listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS "---\na: b\n",
	 "%/c.yaml:4: a second document begins here; one file holds one "
	 "configuration\n"},
	{"workers: 0\nlisteners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: workers: \"0\" is neither auto (one per CPU) nor a "
	 "number from 1 to 256\n"},
	{"drain_timeout: 5\nlisteners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: drain_timeout: \"5\" is not a duration from 0 to 24h, "
	 "such as 500ms, 10s, 5m or 1h\n"},
	{"listeners: [ " LISTENER "tls: { mode: strct } } ]\n" CLUSTERS,
	 "%/c.yaml:1: listeners[0].tls.mode: \"strct\" is not known here; one "
	 "of strict, permissive, disabled, passthrough\n"
	 "%/c.yaml:1: listeners[0].tls: the field \"certificate\" is missing; "
	 "write certificate: { file: { chain: PATH, key: PATH } }\n"},
	{"listeners: [ " LISTENER "tls: { mode: disabled } },\n" LISTENER
	 "tls: { mode: disabled } } ]\n" CLUSTERS,
	 "%/c.yaml:2: listeners[1].listen: 1.2.3.4:5 is taken, on line 1\n"
	 "%/c.yaml:2: listeners[1].name: the name \"a\" is taken, on line "
	 "1\n"},
	{"listeners:\n- " LISTENER
	 "\n tls: { mode: strict, certificate: { file: {\n"
	 " chain: chain.pem,\n key: other.key } } } }\n" CLUSTERS,
	 "%/c.yaml:5: listeners[0].tls.certificate.file.key: %/other.key is "
	 "not the key of the first certificate in %/chain.pem\n"},
	{"listeners:\n- " LISTENER
	 "\n tls: { mode: strict, certificate: { file: {\n"
	 " chain: empty.pem,\n key: none.key } } } }\n" CLUSTERS,
	 "%/c.yaml:4: listeners[0].tls.certificate.file.chain: %/empty.pem "
	 "holds no certificate; PEM is expected (-----BEGIN "
	 "CERTIFICATE-----)\n"
	 "%/c.yaml:5: listeners[0].tls.certificate.file.key: %/none.key "
	 "cannot be read: No such file or directory\n"},
	{"listeners: [ " LISTENER "tls: { mode: disabled }, limits: { "
	 "connections: 0 } } ]\n" CLUSTERS,
	 "%/c.yaml:1: listeners[0].limits.connections: \"0\" is not a number "
	 "from 1 to 10000000\n"},
	{"listeners: [ " LISTENER STRICT " } ]\n"
	 "clusters:\n- name: c\n  endpoints: ['a.b:1']\n  tls:\n"
	 "    validation: { mode: none, names: [x] }\n",
	 "%/c.yaml:4: clusters[0].endpoints[0]: \"a.b\" is a host name; only "
	 "addresses are supported, so write the address it stands for\n"
	 "%/c.yaml:6: clusters[0].tls.validation: mode is none, so nothing "
	 "else in it would be looked at; leave the rest out, or the mode\n"},
	{"listeners: [ " LISTENER STRICT " } ]\n"
	 "clusters:\n- name: c\n  endpoints: ['1.1.1.1:1']\n  tls:\n"
	 "    ciphers: AES128-SHA\n"
	 "    validation:\n      trust: { file: chain.pem }\n"
	 "      match: [ { regex: '(' } ]\n",
	 "%/c.yaml:6: clusters[0].tls.ciphers: AES128-SHA is not one of the "
	 "ciphers that millrace forwards with; ECDHE with AES-GCM or "
	 "ChaCha20-Poly1305 are\n"
	 "%/c.yaml:9: clusters[0].tls.validation.match.regex: \"(\" is no "
	 "extended regular expression: Unmatched ( or \\(\n"},
	{"admin: { listen: '0.0.0.0:9901' }\n"
	 "listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: admin.listen: 0.0.0.0:9901 is not a loopback address, "
	 "and the endpoint asks nobody who he is; use 127.0.0.1, [::1] or "
	 "unix:PATH, or write access: open-read-only (GET alone, for "
	 "everybody)\n"},
	{"admin: { listen: '[::ffff:127.0.0.1]:9901', access: local }\n"
	 "listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: admin.listen: [::ffff:127.0.0.1]:9901 is not a loopback "
	 "address, and the endpoint asks nobody who he is; use 127.0.0.1, "
	 "[::1] or unix:PATH, or write access: open-read-only (GET alone, for "
	 "everybody)\n"},
	{"admin: { listen: '192.0.2.1:9901', access: client-certificate }\n"
	 "listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: admin.access: a listener with tls.validation asks for "
	 "certificates: leave admin.listen at 127.0.0.1, and let such a "
	 "listener forward to a cluster with that endpoint\n"},
	{"admin: { listen: 'localhost:9901' }\n"
	 "listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:1: admin.listen: \"localhost\" is a host name; only "
	 "addresses are supported, so write the address it stands for\n"},
	{"admin: { listen: '1.2.3.4:5', access: open-read-only }\n"
	 "log: { level: loud, rate: 0 }\n"
	 "listeners: [ " LISTENER STRICT " } ]\n" CLUSTERS,
	 "%/c.yaml:2: log.level: \"loud\" is not known here; one of error, "
	 "warning, info, debug\n"
	 "%/c.yaml:2: log.rate: \"0\" is not a number from 1 to 1000000\n"
	 "%/c.yaml:3: listeners[0].listen: 1.2.3.4:5 is taken, on line 1\n"},
};

/* "%" becomes the folder; the caller frees it. */
static char *expand(const char *text)
{
	char *full = NULL;
	size_t size;
	FILE *out = open_memstream(&full, &size);

	for (; *text; text++)
		if (*text == '%')
			fputs(folder, out);
		else
			fputc(*text, out);
	fclose(out);
	return full;
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_errors errors;
		struct config *config = NULL;
		char *wanted = expand(cases[i].told), *told = NULL;
		size_t size;
		FILE *out = open_memstream(&told, &size);

		assert_int_equal(load(cases[i].text, strlen(cases[i].text),
				      &config, &errors),
				 -22);
		assert_null(config);
		for (size_t j = 0; j < errors.count; j++)
			fprintf(out, "%s\n", errors.lines[j]);
		fclose(out);
		config_errors_free(&errors);
		assert_string_equal(told, wanted);
		free(told);
		free(wanted);
	}
}

/* Where the endpoint may be. */
static void test_admin(void **state)
{
	static const struct {
		const char *admin;
		bool read_only;
		const char *path; /* "%" is the folder */
	} good[] = {
		{"{ listen: '127.9.9.9:9901' }", false, NULL},
		{"{ listen: '[::1]:9901', access: local }", false, NULL},
		{"{ listen: '0.0.0.0:9901', access: open-read-only }", true,
		 NULL},
		{"{ listen: 'unix:/run/a.sock' }", false, "/run/a.sock"},
		{"{ listen: 'unix:a.sock', access: open-read-only }", true,
		 "%/a.sock"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct config_errors errors;
		struct config *config = NULL;
		char text[512];

		snprintf(text, sizeof(text),
			 "admin: %s\nlisteners: [ " LISTENER STRICT
			 " } ]\n" CLUSTERS,
			 good[i].admin);
		assert_int_equal(load(text, strlen(text), &config, &errors), 0);
		assert_true(config->admin);
		assert_int_equal(config->admin_read_only, good[i].read_only);
		if (good[i].path) {
			char *path = expand(good[i].path);

			assert_string_equal(config->admin_path, path);
			free(path);
		} else {
			assert_null(config->admin_path);
		}
		config_free(config);
		config_errors_free(&errors);
	}
}

/* What /config_dump shows. */
static void test_dump(void **state)
{
	static const char text[] =
		"listeners: [ " LISTENER STRICT
		", timeouts: { handshake: 1500ms } } ]\n"
		"clusters: [ { name: c, endpoints: ['1.2.3.4:6', '[::1]:7'], "
		"engine: user } ]\n";
	static const char *const parts[] = {
		"\"workers\":null",
		"\"admin\":null",
		"\"drain_timeout\":\"30s\"",
		"\"log\":{\n  \"level\":\"info\",",
		"\"name\":\"a\"",
		"\"listen\":\"1.2.3.4:5\"",
		"\"certificate\":{\"file\":{\"chain\":\"chain.pem\","
		"\"key\":\"[redacted]\",\"ocsp\":null}}",
		"\"validation\":null",
		"\"limits\":{\"connections\":100000,",
		"\"timeouts\":{\"handshake\":\"1500ms\",\"idle\":\"3600s\"}",
		"\"endpoints\":[\"1.2.3.4:6\",\"[::1]:7\"]",
		"\"engine\":\"user\"",
		"\"tls\":null",
	};
	struct config_errors errors;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(load(text, strlen(text), &config, &errors), 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strstr(config->dump, parts[i]))
			fail_msg("no %s in %s", parts[i], config->dump);
	assert_null(strstr(config->dump, "key.pem"));
	config_free(config);
	config_errors_free(&errors);
}

static void test_unreadable(void **state)
{
	struct config_errors errors;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_load("/nowhere/c.yaml", &config, &errors), -2);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.lines[0],
			    "/nowhere/c.yaml: No such file or directory");
	config_errors_free(&errors);
}

/* Whatever stands in the file: an answer, no crash, no leak. */
static void test_mutations(void **state)
{
	static const char text[] =
		"admin: { listen: \"127.0.0.1:9901\" }\n"
		"workers: 2\ncounters: { pin: none }\n"
		"listeners:\n  - " LISTENER STRICT
		", limits: { connections: 5 }, timeouts: { idle: 5s } }\n"
		"clusters:\n  - name: c\n    endpoints: ['1.2.3.4:6']\n"
		"    tls:\n      server_name: s\n      validation:\n"
		"        trust: { file: chain.pem }\n"
		"        match: [ { prefix: a }, { regex: 'b+' } ]\n"
		"        certificate_sha256: [ \"00\" ]\n";
	unsigned int seed = 7;

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct config_errors errors;
		struct config *config = NULL;
		char copy[sizeof(text)];
		size_t size = strlen(text);

		memcpy(copy, text, sizeof(text));
		for (int j = rand_r(&seed) % 4; j >= 0; j--)
			copy[(size_t)rand_r(&seed) % size] =
				(char)(rand_r(&seed) % 256);
		if (rand_r(&seed) % 4 == 0)
			size = (size_t)rand_r(&seed) % size;
		if (load(copy, size, &config, &errors) < 0) {
			assert_null(config);
			assert_true(errors.count > 0);
		}
		config_free(config);
		config_errors_free(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_names_default_to_server_name),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_admin),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

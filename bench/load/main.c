/* SPDX-License-Identifier: BSD-2-Clause */
/* millrace-bench: a load for a listener, plain or TLS, and what it saw. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/load.h"
#include "load/loop.h"

#define READ_AHEAD 65536
#define RECORDS 65536

static const char usage[] =
	"millrace-bench HOST:PORT [QUESTION...] [OPTION...]\n"
	"\n"
	"Questions (the first two when none is named, with --tls three):\n"
	"  bulk         bytes per second on a few connections\n"
	"  requests     requests per second, or the latency at a fixed rate\n"
	"  handshakes   new connections per second; without --tls TCP's alone\n"
	"  idle         opens --connections and keeps them until input ends\n"
	"What answers must speak HTTP/1.1 with Content-Length.\n"
	"\n"
	"  --tls                speak TLS\n"
	"  --ca FILE            verify the peer (else: anybody is believed)\n"
	"  --server-name NAME   SNI, and the name that is verified\n"
	"  --tls-version 1.2    no newer one\n"
	"  --ciphersuites LIST  of TLS 1.3, as OpenSSL writes them\n"
	"  --chain, --key FILE  a client's (or origin's) certificate\n"
	"  --record BYTES       that a TLS record sent holds, 512 to 16384\n"
	"  --resume             handshakes: resume one session each time\n"
	"  --path PATH          to ask for; else /SIZE\n"
	"  --size BYTES         of a response (bulk 1 GiB, requests 1024)\n"
	"  --body BYTES         of a request's body, sent by POST\n"
	"  --connections N      bulk 1, requests 16, handshakes 4, idle 1000\n"
	"  --rate N             requests per second, each timed from when it\n"
	"                       was due; else as fast as answers come\n"
	"  --seconds S          10\n"
	"  --count N            so many exchanges instead of --seconds\n"
	"  --wait               bulk, requests: say \"ready\" when all stand,\n"
	"                       begin at a line of input, end at another\n"
	"  --json               one line for programs\n"
	"\n"
	"For both ends of a bench:\n"
	"  origin HOST:PORT [--tls --chain FILE --key FILE]   answers /BYTES\n"
	"  relay HOST:PORT HOST:PORT    forwards plain TCP, nothing else\n"
	"  crypto                       AES-128-GCM, bytes per CPU second\n";

struct tls_options {
	bool on;
	const char *ca;
	const char *suites;
	const char *chain;
	const char *key;
	long record; /* 0: OpenSSL's, 16 KiB */
	bool tls12;
};

enum {
	OPTION_TLS = 256,
	OPTION_CA,
	OPTION_SERVER_NAME,
	OPTION_TLS_VERSION,
	OPTION_SUITES,
	OPTION_CHAIN,
	OPTION_KEY,
	OPTION_RECORD,
	OPTION_RESUME,
	OPTION_PATH,
	OPTION_SIZE,
	OPTION_BODY,
	OPTION_CONNECTIONS,
	OPTION_RATE,
	OPTION_SECONDS,
	OPTION_COUNT,
	OPTION_WAIT,
	OPTION_JSON,
	OPTION_HELP,
};

static const struct option options[] = {
	{"tls", no_argument, NULL, OPTION_TLS},
	{"ca", required_argument, NULL, OPTION_CA},
	{"server-name", required_argument, NULL, OPTION_SERVER_NAME},
	{"tls-version", required_argument, NULL, OPTION_TLS_VERSION},
	{"ciphersuites", required_argument, NULL, OPTION_SUITES},
	{"chain", required_argument, NULL, OPTION_CHAIN},
	{"key", required_argument, NULL, OPTION_KEY},
	{"record", required_argument, NULL, OPTION_RECORD},
	{"resume", no_argument, NULL, OPTION_RESUME},
	{"path", required_argument, NULL, OPTION_PATH},
	{"size", required_argument, NULL, OPTION_SIZE},
	{"body", required_argument, NULL, OPTION_BODY},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"rate", required_argument, NULL, OPTION_RATE},
	{"seconds", required_argument, NULL, OPTION_SECONDS},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"wait", no_argument, NULL, OPTION_WAIT},
	{"json", no_argument, NULL, OPTION_JSON},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static void misused(const char *what)
{
	fprintf(stderr, "millrace-bench: %s (--help tells more)\n", what);
	exit(2);
}

static uint64_t whole(const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		misused("a whole number is wanted");
	return value;
}

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0))
		misused("a number above 0 is wanted");
	return value;
}

static void take_tls_option(struct load *load, struct tls_options *tls,
			    int option, const char *value)
{
	switch (option) {
	case OPTION_TLS:
		tls->on = true;
		break;
	case OPTION_CA:
		tls->ca = value;
		break;
	case OPTION_SERVER_NAME:
		load->target.server_name = value;
		break;
	case OPTION_TLS_VERSION:
		tls->tls12 = strcmp(value, "1.2") == 0;
		if (!tls->tls12 && strcmp(value, "1.3") != 0)
			misused("--tls-version is 1.2 or 1.3");
		break;
	case OPTION_SUITES:
		tls->suites = value;
		break;
	case OPTION_CHAIN:
		tls->chain = value;
		break;
	case OPTION_KEY:
		tls->key = value;
		break;
	case OPTION_RECORD:
		tls->record = (long)whole(value);
		break;
	default:
		misused("that option is not known");
	}
}

static void take_option(struct load *load, struct tls_options *tls, int option,
			const char *value)
{
	switch (option) {
	case OPTION_RESUME:
		load->resume = true;
		break;
	case OPTION_PATH:
		load->path = value;
		break;
	case OPTION_SIZE:
		load->size = whole(value);
		break;
	case OPTION_BODY:
		load->body = whole(value);
		break;
	case OPTION_CONNECTIONS:
		load->connections = (unsigned int)number(value);
		break;
	case OPTION_RATE:
		load->rate = number(value);
		break;
	case OPTION_SECONDS:
		load->seconds = number(value);
		break;
	case OPTION_COUNT:
		load->count = whole(value);
		break;
	case OPTION_WAIT:
		load->wait = true;
		break;
	case OPTION_JSON:
		load->json = true;
		break;
	case OPTION_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		take_tls_option(load, tls, option, value);
	}
}

static void tls_die(const char *what)
{
	loop_die("%s: %s", what,
		 ERR_reason_error_string(ERR_peek_last_error()));
}

/* NULL: plain. */
static SSL_CTX *context(const struct tls_options *tls, bool server,
			const char *server_name)
{
	SSL_CTX *ctx;

	if (!tls->on)
		return NULL;
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!ctx)
		loop_die("no TLS context");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	if (tls->record && SSL_CTX_set_max_send_fragment(ctx, tls->record) != 1)
		misused("--record is 512 to 16384");
	if (tls->tls12)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (tls->suites && SSL_CTX_set_ciphersuites(ctx, tls->suites) != 1)
		tls_die(tls->suites);
	if (tls->chain &&
	    SSL_CTX_use_certificate_chain_file(ctx, tls->chain) != 1)
		tls_die(tls->chain);
	if (tls->key &&
	    SSL_CTX_use_PrivateKey_file(ctx, tls->key, SSL_FILETYPE_PEM) != 1)
		tls_die(tls->key);
	if (tls->ca) {
		if (SSL_CTX_load_verify_file(ctx, tls->ca) != 1)
			tls_die(tls->ca);
		if (server_name)
			X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx),
						    server_name, 0);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	return ctx;
}

/* A name, or an IPv6 address in brackets. */
static struct addr resolve(const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	struct addr addr = {.size = 0};
	const char *colon = strrchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : 0;
	char host[256];
	int r;

	if (!size || size >= sizeof(host))
		misused("HOST:PORT is wanted");
	if (text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	memcpy(host, text, size);
	host[size] = '\0';
	r = getaddrinfo(host, colon + 1, &hints, &found);
	if (r)
		loop_die("%s: %s", host, gai_strerror(r));
	memcpy(&addr.v6, found->ai_addr, found->ai_addrlen);
	addr.size = found->ai_addrlen;
	freeaddrinfo(found);
	return addr;
}

static uint64_t answer(struct load *load, const char *question)
{
	if (strcmp(question, "bulk") == 0)
		return load_bulk(load);
	if (strcmp(question, "requests") == 0)
		return load_requests(load);
	if (strcmp(question, "idle") == 0)
		return load_idle(load);
	if (strcmp(question, "handshakes") != 0)
		misused("that question is not known");
	if (load->resume && !load->target.ctx)
		misused("--resume needs --tls");
	return load_handshakes(load);
}

static uint64_t answer_all(struct load *load, char **questions, int count)
{
	uint64_t failures = 0;

	for (int i = 0; i < count; i++)
		failures += answer(load, questions[i]);
	if (count)
		return failures;
	failures = load_bulk(load) + load_requests(load);
	return failures + (load->target.ctx ? load_handshakes(load) : 0);
}

int main(int argc, char **argv)
{
	struct load load = {.seconds = 10, .size = UINT64_MAX};
	struct tls_options tls = {.on = false};
	struct addr addr, other;
	int option;

	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(&load, &tls, option, optarg);
	argv += optind;
	argc -= optind;
	if (argc == 1 && strcmp(argv[0], "crypto") == 0) {
		printf("%.0f\n", crypto_rate(RECORDS));
		return 0;
	}
	if (argc == 2 && strcmp(argv[0], "origin") == 0) {
		addr = resolve(argv[1]);
		origin_run(&addr, context(&tls, true, NULL));
	}
	if (argc == 3 && strcmp(argv[0], "relay") == 0) {
		addr = resolve(argv[1]);
		other = resolve(argv[2]);
		relay_run(&addr, &other);
	}
	if (argc < 1)
		misused("HOST:PORT is wanted");
	load.host = argv[0];
	load.target.addr = resolve(argv[0]);
	load.target.ctx = context(&tls, false, load.target.server_name);
	if (!load.json && tls.on && !tls.ca)
		printf("the peer's certificate is not verified (--ca)\n");
	option = answer_all(&load, argv + 1, argc - 1) ? 1 : 0;
	SSL_CTX_free(load.target.ctx);
	return option;
}

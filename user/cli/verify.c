/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/verify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/survey.h"

#define FORMAT "%-12s %-12s %-4s %-22s %-22s %-7s %-28s %-10s %-10s %s\n"

struct options {
	struct daemon_named daemon;
	bool strict;
	bool json;
};

struct sums {
	size_t by_verdict[VERDICT_CONTRADICTION + 1];
	size_t wanted;	   /* to be encrypted */
	size_t unaccepted; /* of all */
};

static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		DAEMON_LONG,
		{"strict", no_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, DAEMON_SHORT, names, NULL)) !=
	       -1) {
		if (daemon_option(option, &ret->daemon))
			continue;
		if (option == 's')
			ret->strict = true;
		else if (option == 'j')
			ret->json = true;
		else
			return -1;
	}
	return optind == argc ? 0 : -1;
}

static struct sums add_up(const struct survey *survey, bool strict)
{
	struct sums sums = {0};

	for (size_t i = 0; i < survey->count; i++) {
		const struct survey_row *row = &survey->rows[i];
		enum verdict verdict = row->judgement.verdict;

		sums.by_verdict[verdict]++;
		sums.wanted += row->policy == SAID_STRICT;
		sums.unaccepted +=
			!verdict_acceptable(verdict, row->policy, strict);
	}
	/* What is not seen is not proved. */
	sums.unaccepted += strict && survey->fds_unseen;
	/* Of what is left out nobody can say that it is acceptable. */
	sums.unaccepted += survey->after.omitted;
	return sums;
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

/* Whether it stands against the policy, told in words; "" if not. */
static const char *objection(const struct survey_row *row, bool strict)
{
	enum verdict verdict = row->judgement.verdict;

	if (verdict_acceptable(verdict, row->policy, strict))
		return "";
	switch (verdict) {
	case VERDICT_CONTRADICTION:
		return row->judgement.why;
	case VERDICT_CLAIMED:
		return "not proved";
	default:
		return "policy wants TLS";
	}
}

/* ---- as a table */

static void print_row(const struct survey_row *row, bool strict)
{
	const struct said *said = row->said;
	bool tls = said && said->state == SAID_TLS;
	const char *against = objection(row, strict);
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX], words[160];

	snprintf(words, sizeof(words), "%s%s%s",
		 verdict_words(row->judgement.verdict), *against ? ": " : "",
		 against);
	printf(FORMAT, said ? said->listener : "-", said ? said->cluster : "-",
	       !said	  ? "-"
	       : said->up ? "up"
			  : "down",
	       addr_format(&row->socket.local, local),
	       addr_format(&row->socket.remote, remote),
	       tls ? or_dash(said->version) : "-",
	       tls ? or_dash(said->cipher) : "-",
	       verdict_engine(&row->socket, said, true),
	       verdict_engine(&row->socket, said, false), words);
}

static void print_notes(const struct survey *survey, const struct sums *sums)
{
	if (survey->after.omitted)
		printf("The daemon lists no more than a part: %zu connections "
		       "are left out.\n",
		       survey->after.omitted);
	if (survey->gone)
		printf("%zu sockets that the daemon lists have lost their "
		       "peer.\n",
		       survey->gone);
	if (survey->fds_unseen)
		printf("The descriptors of process %ld may not be looked at: "
		       "what it does not list goes unseen. Run as root.\n",
		       survey->before.pid);
	if (survey->ulp_untold && sums->by_verdict[VERDICT_CLAIMED])
		printf("This kernel tells what it encrypts only with "
		       "CAP_NET_ADMIN. Run as root for proof.\n");
}

static void print_table(const struct survey *survey, const struct sums *sums,
			bool strict)
{
	printf(FORMAT, "listener", "cluster", "side", "local", "remote", "tls",
	       "cipher", "tx", "rx", "verdict");
	for (size_t i = 0; i < survey->count; i++)
		print_row(&survey->rows[i], strict);
	printf("\n");
	print_notes(survey, sums);
	printf("%zu sockets:", survey->count);
	for (size_t v = 0; v <= VERDICT_CONTRADICTION; v++)
		if (sums->by_verdict[v])
			printf(" %zu %s,", sums->by_verdict[v],
			       verdict_words((enum verdict)v));
	printf(" %zu to be encrypted; %s\n", sums->wanted,
	       sums->unaccepted ? "NOT all is as it should be"
				: "all is as it should be");
}

/* ---- as JSON */

static json_t *string_or_null(const char *text)
{
	return text && strcmp(text, "-") != 0 ? json_string(text) : json_null();
}

static json_t *row_json(const struct survey_row *row, bool strict)
{
	static const char *const policies[] = {
		[SAID_STRICT] = "strict",
		[SAID_PERMISSIVE] = "permissive",
		[SAID_DISABLED] = "disabled",
	};
	const struct said *said = row->said;
	bool tls = said && said->state == SAID_TLS;
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];
	json_t *made = json_object();

	json_object_set_new(made, "listener",
			    string_or_null(said ? said->listener : NULL));
	json_object_set_new(made, "cluster",
			    string_or_null(said ? said->cluster : NULL));
	json_object_set_new(made, "side",
			    string_or_null(!said      ? NULL
					   : said->up ? "up"
						      : "down"));
	json_object_set_new(
		made, "local",
		json_string(addr_format(&row->socket.local, local)));
	json_object_set_new(
		made, "remote",
		json_string(addr_format(&row->socket.remote, remote)));
	json_object_set_new(made, "cookie",
			    json_integer((json_int_t)row->socket.cookie));
	json_object_set_new(made, "policy", json_string(policies[row->policy]));
	json_object_set_new(made, "version",
			    string_or_null(tls ? said->version : NULL));
	json_object_set_new(made, "cipher",
			    string_or_null(tls ? said->cipher : NULL));
	json_object_set_new(
		made, "tx",
		string_or_null(verdict_engine(&row->socket, said, true)));
	json_object_set_new(
		made, "rx",
		string_or_null(verdict_engine(&row->socket, said, false)));
	json_object_set_new(made, "verdict",
			    json_string(verdict_words(row->judgement.verdict)));
	json_object_set_new(made, "why", string_or_null(row->judgement.why));
	json_object_set_new(
		made, "accepted",
		json_boolean(verdict_acceptable(row->judgement.verdict,
						row->policy, strict)));
	return made;
}

static void print_json(const struct survey *survey, const struct sums *sums,
		       bool strict)
{
	json_t *made = json_object(), *rows = json_array();

	for (size_t i = 0; i < survey->count; i++)
		json_array_append_new(rows, row_json(&survey->rows[i], strict));
	json_object_set_new(made, "pid", json_integer(survey->before.pid));
	json_object_set_new(made, "accepted", json_boolean(!sums->unaccepted));
	json_object_set_new(made, "omitted",
			    json_integer((json_int_t)survey->after.omitted));
	json_object_set_new(made, "gone",
			    json_integer((json_int_t)survey->gone));
	json_object_set_new(made, "descriptors_seen",
			    json_boolean(!survey->fds_unseen));
	json_object_set_new(made, "sockets", rows);
	json_dumpf(made, stdout, JSON_INDENT(1));
	printf("\n");
	json_decref(made);
}

int cli_verify(int argc, char **argv)
{
	struct options options = {0};
	struct daemon daemon;
	struct survey survey;
	struct sums sums;
	struct err err;

	if (parse(argc, argv, &options)) {
		fprintf(stderr, "usage: millrace verify " DAEMON_USAGE
				" [--strict] [--json]\n");
		return 2;
	}
	if (daemon_find(&options.daemon, &daemon))
		return 1;
	if (survey_take(&daemon, &survey, &err)) {
		fprintf(stderr, "%s\n", err.text);
		daemon_fini(&daemon);
		return 1;
	}
	sums = add_up(&survey, options.strict);
	if (options.json)
		print_json(&survey, &sums, options.strict);
	else
		print_table(&survey, &sums, options.strict);
	survey_fini(&survey);
	daemon_fini(&daemon);
	return sums.unaccepted ? 1 : 0;
}

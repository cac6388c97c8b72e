/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/stats.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/daemon.h"
#include "cli/http.h"
#include "cli/samples.h"

/* ECMA-48: to the first cell, to the line's end, to the screen's end */
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

struct options {
	struct daemon_named daemon;
	const char *filter;
	bool watch;
	bool all;
	unsigned long count; /* 0: for ever */
	double interval_s;
};

static int set_number(struct options *options, int option)
{
	char *end;

	errno = 0;
	if (option == 'n')
		options->count = strtoul(optarg, &end, 10);
	else
		options->interval_s = strtod(optarg, &end);
	return errno || *end || end == optarg || *optarg == '-' ||
			       !(options->interval_s >= 0.05 &&
				 options->interval_s <= 86400)
		       ? -1
		       : 0;
}

static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		DAEMON_LONG,
		{"watch", no_argument, NULL, 'w'},
		{"all", no_argument, NULL, 'l'},
		{"count", required_argument, NULL, 'n'},
		{"interval", required_argument, NULL, 'i'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, DAEMON_SHORT, names, NULL)) !=
	       -1) {
		if (daemon_option(option, &ret->daemon))
			continue;
		if (option == 'w')
			ret->watch = true;
		else if (option == 'l')
			ret->all = true;
		else if (option == '?' || set_number(ret, option))
			return -1;
	}
	if (optind < argc)
		ret->filter = argv[optind++];
	return optind == argc ? 0 : -1;
}

static int sample(const struct http_server *admin, const char *path,
		  struct samples *ret, struct err *err)
{
	char *body;
	int r = http_get(admin, path, &body, err);

	if (!r)
		r = samples_parse(body, clock_now_ms(), ret);
	else
		return r;
	return r ? err_set(err, -r,
			   "what the daemon's /stats says is not "
			   "understood")
		 : 0;
}

/* How many lines may be shown; all where the output is no terminal. */
static size_t screen_lines(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3)
		return (size_t)-1;
	return size.ws_row - 2U;
}

static void show(const struct samples *before, const struct samples *now,
		 const struct options *options)
{
	bool in_place = options->watch && isatty(STDOUT_FILENO);
	size_t lines = in_place ? screen_lines() : (size_t)-1, left_out = 0;
	const char *end = in_place ? CLEAR_LINE "\n" : "\n";

	if (in_place)
		fputs(HOME, stdout);
	for (size_t i = 0; i < now->count; i++) {
		const struct sample *item = &now->items[i];
		char rate[16];

		if (!options->all && !item->value)
			continue;
		if (!lines) {
			left_out++;
			continue;
		}
		lines--;
		printf("%20llu %10s  %s%s", item->value,
		       samples_rate_format(samples_rate(before, now, item),
					   rate),
		       item->name, end);
	}
	if (left_out)
		printf("… and %zu more: narrow it with a filter%s", left_out,
		       end);
	if (in_place)
		fputs(CLEAR_BELOW, stdout);
	else if (options->watch)
		fputs("\n", stdout);
	fflush(stdout);
}

static void wait_for(double seconds)
{
	struct timespec time = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

static int watch(const struct http_server *admin, const char *path,
		 const struct options *options, struct err *err)
{
	struct samples before, now;
	unsigned long shown = 0;
	int r = sample(admin, path, &before, err);

	if (r)
		return r;
	while (!r) {
		wait_for(options->interval_s);
		r = sample(admin, path, &now, err);
		if (r)
			break;
		show(&before, &now, options);
		samples_fini(&before);
		before = now;
		if (++shown == options->count || !options->watch)
			break;
	}
	samples_fini(&before);
	return r;
}

static char *make_path(const char *filter)
{
	char *escaped = http_escape(filter ? filter : ""), *path = NULL;

	if (escaped && asprintf(&path, "/stats?filter=%s", escaped) < 0)
		path = NULL;
	free(escaped);
	return path;
}

int cli_stats(int argc, char **argv)
{
	struct options options = {.interval_s = 1};
	struct daemon daemon;
	struct err err = {"memory is short"};
	char *path;
	int r;

	if (parse(argc, argv, &options)) {
		fprintf(stderr, "usage: millrace stats " DAEMON_USAGE
				" [--watch [--count N]] [--interval "
				"SECONDS] [--all] [FILTER]\n");
		return 2;
	}
	if (daemon_find(&options.daemon, &daemon))
		return 1;
	path = make_path(options.filter);
	r = path ? watch(&daemon.admin, path, &options, &err) : -ENOMEM;
	if (r)
		fprintf(stderr, "%s\n", err.text);
	free(path);
	daemon_fini(&daemon);
	return r ? 1 : 0;
}

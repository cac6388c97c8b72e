/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/actions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/snapshot.h"
#include "base/log.h"

static void not_here(struct answer *ret)
{
	answer_say(ret, 501, "this endpoint cannot do that\n");
}

void actions_logging(const struct request *request, struct answer *ret)
{
	const char *word = request->value(request, "level");
	enum log_level level;

	if (!word)
		word = request->value(request, "millrace");
	if (word) {
		if (!log_level_parse(word, &level)) {
			answer_say(ret, 400,
				   "usage: /logging?level=<level>\n"
				   "levels: error warning info debug\n");
			return;
		}
		log_level_set(level);
		log_line(LOG_LEVEL_INFO, "log level set", "level",
			 log_level_name(level), NULL);
	}
	answer_say(ret, 200, "active loggers:\n  millrace: %s\n",
		   log_level_name(log_level_get()));
}

void actions_health_fail(const struct request *request, struct answer *ret)
{
	request->context->health_failed = true;
	answer_say(ret, 200, "OK\n");
}

void actions_health_ok(const struct request *request, struct answer *ret)
{
	request->context->health_failed = false;
	answer_say(ret, 200, "OK\n");
}

void actions_drain(const struct request *request, struct answer *ret)
{
	const struct admin_actions *actions = &request->context->actions;

	if (!actions->drain || !actions->drain_inbound) {
		not_here(ret);
		return;
	}
	if (request->value(request, "inboundonly"))
		actions->drain_inbound(actions->data);
	else
		actions->drain(actions->data,
			       request->value(request, "graceful") != NULL);
	answer_say(ret, 200, "OK\n");
}

void actions_quit(const struct request *request, struct answer *ret)
{
	const struct admin_actions *actions = &request->context->actions;

	if (!actions->quit) {
		not_here(ret);
		return;
	}
	actions->quit(actions->data);
	answer_say(ret, 200, "OK\n");
}

void actions_reload(const struct request *request, struct answer *ret)
{
	const struct admin_actions *actions = &request->context->actions;
	char *words = NULL;
	int r;

	if (!actions->reload) {
		not_here(ret);
		return;
	}
	r = actions->reload(actions->data, &words);
	if (!r)
		answer_say(ret, 200, "OK\n");
	else if (r == -EAGAIN)
		answer_say(ret, 503,
			   "the last reload is not yet taken up, or the "
			   "daemon is ending; ask again\n");
	else
		answer_say(ret, 400, "%s",
			   words ? words : "the configuration stays\n");
	free(words);
}

void actions_reset_counters(const struct request *request, struct answer *ret)
{
	if (snapshot_reset(request->context))
		answer_say(ret, 503, "memory is short\n");
	else
		answer_say(ret, 200, "OK\n");
}

void actions_reopen_logs(const struct request *request, struct answer *ret)
{
	const struct admin_actions *actions = &request->context->actions;
	struct err err = {""};

	if (actions->reopen_logs && actions->reopen_logs(actions->data, &err))
		answer_say(ret, 500, "%s\n", err.text);
	else
		answer_say(ret, 200, "OK\n");
}

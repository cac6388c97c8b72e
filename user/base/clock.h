/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock: monotonic time and the timer wheel.
 *
 * A wheel belongs to one thread. A timer is embedded in its owner; it fires
 * at most once per arming, never before its time and at most one tick
 * (CLOCK_TICK_MS) late.
 */
#ifndef MILLRACE_BASE_CLOCK_H
#define MILLRACE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define CLOCK_TICK_MS 4
#define CLOCK_SLOTS 1024

struct timer {
	struct list node;
	uint64_t due_ms;
	void (*fired)(struct timer *timer);
};

struct wheel {
	struct list slots[CLOCK_SLOTS];
	/* a bit for each slot, set: something was put in */
	uint64_t used[CLOCK_SLOTS / 64];
	uint64_t tick; /* the last tick that was worked off */
	unsigned int armed;
};

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t clock_now_ms(void);

#define CLOCK_TEXT_MAX 40

/* sd-event lets a timer be late by 250 ms unless it is asked for better: this
 * is better, in microseconds, where somebody waits. */
#define CLOCK_ACCURACY_US 1000

/* The time of day, UTC (RFC 3339, milliseconds), in text; returns it. */
const char *clock_text(char text[CLOCK_TEXT_MAX]);

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* Must stand before the first timer_arm() or timer_cancel(). */
void timer_init(struct timer *timer, void (*fired)(struct timer *timer));

/* Arms, or arms anew. */
void timer_arm(struct wheel *wheel, struct timer *timer, uint64_t due_ms);

/* Harmless when it is not armed. */
void timer_cancel(struct wheel *wheel, struct timer *timer);

static inline bool timer_armed(const struct timer *timer)
{
	return !list_empty(&timer->node);
}

/* Fires all that is due. A callback may arm and cancel any timer. */
void wheel_run(struct wheel *wheel, uint64_t now_ms);

/*
 * Milliseconds until wheel_run() should next be called, at most max_ms; it
 * may be early (a timer of a later round in that slot), never late.
 */
uint64_t wheel_wait_ms(struct wheel *wheel, uint64_t now_ms, uint64_t max_ms);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *clock_text(char text[CLOCK_TEXT_MAX])
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	used = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + used, CLOCK_TEXT_MAX - used, ".%03ldZ",
		 now.tv_nsec / 1000000);
	return text;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	for (unsigned int i = 0; i < CLOCK_SLOTS; i++)
		list_init(&wheel->slots[i]);
	memset(wheel->used, 0, sizeof(wheel->used));
	wheel->tick = now_ms / CLOCK_TICK_MS;
	wheel->armed = 0;
}

void timer_init(struct timer *timer, void (*fired)(struct timer *timer))
{
	list_init(&timer->node);
	timer->due_ms = 0;
	timer->fired = fired;
}

void timer_cancel(struct wheel *wheel, struct timer *timer)
{
	if (!timer_armed(timer))
		return;
	list_del(&timer->node);
	wheel->armed--;
}

/* Rounded up, so that a slot is worked off only when all of it is due. */
static uint64_t due_tick(uint64_t due_ms)
{
	return (due_ms + CLOCK_TICK_MS - 1) / CLOCK_TICK_MS;
}

static void put(struct wheel *wheel, struct timer *timer, unsigned int slot)
{
	list_add_tail(&timer->node, &wheel->slots[slot]);
	wheel->used[slot / 64] |= UINT64_C(1) << slot % 64;
}

void timer_arm(struct wheel *wheel, struct timer *timer, uint64_t due_ms)
{
	uint64_t tick = due_tick(due_ms);

	timer_cancel(wheel, timer);
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	timer->due_ms = due_ms;
	put(wheel, timer, tick % CLOCK_SLOTS);
	wheel->armed++;
}

static void run_slot(struct wheel *wheel, unsigned int index, uint64_t now_ms)
{
	struct list *slot = &wheel->slots[index];
	struct list todo;

	/* Moved aside: a callback may arm a timer into this very slot. */
	list_init(&todo);
	while (!list_empty(slot)) {
		struct list *node = slot->next;

		list_del(node);
		list_add_tail(node, &todo);
	}
	while (!list_empty(&todo)) {
		struct timer *timer = list_entry(todo.next, struct timer, node);

		list_del(&timer->node);
		if (timer->due_ms > now_ms) {
			put(wheel, timer, index);
			continue;
		}
		wheel->armed--;
		timer->fired(timer);
	}
}

void wheel_run(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t tick = now_ms / CLOCK_TICK_MS;
	uint64_t first = wheel->tick + 1;

	if (tick < first)
		return;
	/* After a long sleep once around the wheel is enough. */
	if (tick - first >= CLOCK_SLOTS)
		first = tick - CLOCK_SLOTS + 1;
	for (uint64_t t = first; t <= tick; t++) {
		wheel->tick = t;
		run_slot(wheel, t % CLOCK_SLOTS, now_ms);
	}
}

/* How many slots after from the next one is that holds a timer; CLOCK_SLOTS:
 * there is none. Bits of slots that were emptied are cleared on the way. */
static unsigned int find(struct wheel *wheel, unsigned int from)
{
	unsigned int after = 0;

	while (after < CLOCK_SLOTS) {
		unsigned int slot = (from + after) % CLOCK_SLOTS;
		uint64_t bits = wheel->used[slot / 64] >> slot % 64;

		if (!bits) {
			after += 64 - slot % 64;
			continue;
		}
		after += (unsigned int)__builtin_ctzll(bits);
		slot = (from + after) % CLOCK_SLOTS;
		if (!list_empty(&wheel->slots[slot]))
			break;
		wheel->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	}
	return after < CLOCK_SLOTS ? after : CLOCK_SLOTS;
}

uint64_t wheel_wait_ms(struct wheel *wheel, uint64_t now_ms, uint64_t max_ms)
{
	uint64_t first = wheel->tick + 1;
	unsigned int after;
	uint64_t due_ms;

	if (!wheel->armed)
		return max_ms;
	after = find(wheel, first % CLOCK_SLOTS);
	if (after == CLOCK_SLOTS)
		return max_ms;
	due_ms = (first + after) * CLOCK_TICK_MS;
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms < max_ms ? due_ms - now_ms : max_ms;
}

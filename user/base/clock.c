/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <time.h>

uint64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	for (unsigned int i = 0; i < CLOCK_SLOTS; i++)
		list_init(&wheel->slots[i]);
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

void timer_arm(struct wheel *wheel, struct timer *timer, uint64_t due_ms)
{
	uint64_t tick = due_tick(due_ms);

	timer_cancel(wheel, timer);
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	timer->due_ms = due_ms;
	list_add_tail(&timer->node, &wheel->slots[tick % CLOCK_SLOTS]);
	wheel->armed++;
}

static void run_slot(struct wheel *wheel, struct list *slot, uint64_t now_ms)
{
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
			list_add_tail(&timer->node, slot);
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
		run_slot(wheel, &wheel->slots[t % CLOCK_SLOTS], now_ms);
	}
}

uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms,
		       uint64_t max_ms)
{
	uint64_t due_ms;

	if (!wheel->armed)
		return max_ms;
	for (uint64_t t = wheel->tick + 1; t <= wheel->tick + CLOCK_SLOTS;
	     t++) {
		if (list_empty(&wheel->slots[t % CLOCK_SLOTS]))
			continue;
		due_ms = t * CLOCK_TICK_MS;
		if (due_ms <= now_ms)
			return 0;
		return due_ms - now_ms < max_ms ? due_ms - now_ms : max_ms;
	}
	return max_ms;
}

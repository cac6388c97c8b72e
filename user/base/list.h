/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list: an intrusive, circular, doubly linked list.
 *
 * A node belongs to at most one list. A node that list_del() took out is
 * empty again, so that taking it out twice is harmless.
 */
#ifndef MILLRACE_BASE_LIST_H
#define MILLRACE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(node, type, member) \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

#define list_for_each(node, head) \
	for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

/* The body may take out the current node. */
#define list_for_each_safe(node, after, head)                                 \
	for ((node) = (head)->next, (after) = (node)->next; (node) != (head); \
	     (node) = (after), (after) = (node)->next)

static inline void list_init(struct list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list *node, struct list *head)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#endif

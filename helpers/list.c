// SPDX-License-Identifier: GPL-2.0
#include <linux/list.h>

void rust_helper_list_add(struct list_head *entry, struct list_head *head)
{
	list_add(entry, head);
}

void rust_helper_list_del_init(struct list_head *entry)
{
	list_del_init(entry);
}

void rust_helper_list_bulk_move_tail(struct list_head *head, struct list_head *first,
				     struct list_head *last)
{
	list_bulk_move_tail(head, first, last);
}

void rust_helper_list_move_tail(struct list_head *entry, struct list_head *head)
{
	list_move_tail(entry, head);
}

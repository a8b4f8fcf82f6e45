// SPDX-License-Identifier: GPL-2.0
#include <linux/rbtree.h>

void rust_helper_rb_clear_node(struct rb_node *node)
{
	RB_CLEAR_NODE(node);
}

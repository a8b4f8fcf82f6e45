// SPDX-License-Identifier: GPL-2.0
#include <linux/rbtree.h>

void rust_helper_RB_CLEAR_NODE(struct rb_node *node)
{
	RB_CLEAR_NODE(node);
}

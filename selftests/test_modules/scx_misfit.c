// SPDX-License-Identifier: GPL-2.0
/*
 * A core that must be refused: of another ABI, of another layout, or, with
 * neither, because another core is in charge. It has no hooks, so nothing may
 * ever call it.
 */
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/sched/ext_core.h>

#include "sched.h"

static uint abi = SCX_CORE_ABI;
module_param(abi, uint, 0);
MODULE_PARM_DESC(abi, "the ABI to claim");

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "the entry of the layout to get wrong");

static struct scx_core_layout layout[] = SCX_CORE_LAYOUT;

static struct scx_core_ops ops = {
	.name	= KBUILD_MODNAME,
	.layout	= layout,
	.owner	= THIS_MODULE,
};

static int __init scx_misfit_init(void)
{
	int i, ret;

	ops.abi = abi;
	for (i = 0; i < ARRAY_SIZE(layout); i++) {
		if (!strcmp(layout[i].what, what))
			layout[i].value += 8;
	}

	ret = scx_core_register(&ops);
	if (!ret) {
		pr_err("%s: was not refused\n", KBUILD_MODNAME);
		scx_core_unregister(&ops);
	}
	return ret;
}
module_init(scx_misfit_init);

static void __exit scx_misfit_exit(void)
{
}
module_exit(scx_misfit_exit);

MODULE_DESCRIPTION("A core module for sched_ext that does not fit");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(RUST_SCX);

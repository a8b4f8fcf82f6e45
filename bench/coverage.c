// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's translator for scripts/coverage: says which code of modules and
 * BPF programs a guest has executed. Whose it is can be told by what it is: so nobody has
 * to know where a module was loaded, or when.
 *
 * Writes one line for each translated block that was executed: where it was, and its bytes
 * in hexadecimal. Blocks that differ in nothing are one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

#define BUCKETS		(1 << 16)
#define MODULES		0xffffffffa0000000ULL	/* modules and BPF programs are above */

/* Never freed: QEMU keeps translations for as long as it likes. */
struct block {
	struct block *next;
	uint64_t start;
	uint32_t size;
	bool executed;
	uint8_t code[];
};

/* CPUs of their own threads translate at the same time. */
static struct block *blocks[BUCKETS];
static FILE *out;

static void executed(unsigned int vcpu, void *data)
{
	struct block *block = data;

	__atomic_store_n(&block->executed, true, __ATOMIC_RELAXED);
}

static struct block *find(struct block *first, const struct block *wanted)
{
	for (struct block *block = first; block; block = block->next)
		if (block->start == wanted->start && block->size == wanted->size &&
		    !memcmp(block->code, wanted->code, wanted->size))
			return block;
	return NULL;
}

static struct block *known(struct block *new)
{
	struct block **bucket = &blocks[(new->start ^ new->start >> 16) % BUCKETS];
	struct block *first = __atomic_load_n(bucket, __ATOMIC_ACQUIRE), *same;

	do {
		same = find(first, new);
		if (same) {
			free(new);
			return same;
		}
		new->next = first;
	} while (!__atomic_compare_exchange_n(bucket, &first, new, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return new;
}

static void translated(uint64_t id, struct tb *tb)
{
	size_t insns = qemu_plugin_tb_n_insns(tb), size = 0;
	struct block *block;
	uint8_t copy[16];

	if (qemu_plugin_tb_vaddr(tb) < MODULES)
		return;
	for (size_t i = 0; i < insns; i++)
		size += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
	block = calloc(1, sizeof(*block) + size);
	block->start = qemu_plugin_tb_vaddr(tb);
	for (size_t i = 0; i < insns; i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const void *code = qemu_plugin_insn_data(insn, copy, sizeof(copy));

		memcpy(block->code + block->size, copies_insn_data ? copy : code,
		       qemu_plugin_insn_size(insn));
		block->size += qemu_plugin_insn_size(insn);
	}
	block = known(block);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void at_exit(uint64_t id, void *unused)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct block *block = blocks[i]; block; block = block->next) {
			if (!block->executed)
				continue;
			fprintf(out, "%llx ", (unsigned long long)block->start);
			for (uint32_t at = 0; at < block->size; at++)
				fprintf(out, "%02x", block->code[at]);
			fputc('\n', out);
		}
	}
	fclose(out);
}

EXPORT int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int argc, char **argv)
{
	char path[4096];

	if (argc != 1 || strncmp(argv[0], "dir=", 4)) {
		fprintf(stderr, "coverage: dir=DIRECTORY is needed\n");
		return 1;
	}
	/* each guest is a process */
	snprintf(path, sizeof(path), "%s/%d", argv[0] + 4, (int)getpid());
	out = fopen(path, "w");
	if (!out) {
		perror(path);
		return 1;
	}
	look_at_version(info);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}

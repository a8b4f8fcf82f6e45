/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the plugins use of QEMU, as there may be no qemu-plugin.h. What only some
 * versions have is weak. Each plugin is one file.
 */
#ifndef QEMU_H
#define QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tb;
struct insn;
struct plugin_info {
	const char *target;
	struct { int min, cur; } version;
	bool system_emulation;
};

size_t qemu_plugin_tb_n_insns(const struct tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t, struct tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *tb, void (*cb)(unsigned int, void *),
					  int flags, void *userdata);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t, void *), void *userdata);

/* It copies from version 3 of the interface on, before that it returns a pointer. */
void *qemu_plugin_insn_data(const struct insn *insn, void *copy, size_t size);

/*
 * From QEMU 9.1 on, a translated block calls us with the number of the CPU that was first to
 * need it, where CPUs take turns in one thread as with -icount. Who it is that executes it
 * can be told by a register: the kernel's per-CPU memory is where GS points to.
 */
struct bytes { uint8_t *data; unsigned int len; };		/* GByteArray */
struct register_list { char *data; unsigned int len; };		/* GArray */
struct register_name { void *handle; const char *name, *feature; };
struct register_list *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(void *handle, struct bytes *buf);
void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*cb)(uint64_t, unsigned int));
struct bytes *g_byte_array_new(void);
#define READS_REGISTERS	1

/* Only there from version 2 on, of QEMU 9.0. */
void *qemu_plugin_scoreboard_new(size_t size);
#pragma weak qemu_plugin_get_registers
#pragma weak qemu_plugin_read_register
#pragma weak g_byte_array_new
#pragma weak qemu_plugin_scoreboard_new

#define EXPORT		__attribute__((visibility("default")))

/* Which version QEMU has can be seen only after it was given the one that it wants. */
EXPORT int qemu_plugin_version = 1;

static bool copies_insn_data;

__attribute__((constructor)) static void choose_version(void)
{
	if (qemu_plugin_scoreboard_new)
		qemu_plugin_version = 2;
}

static inline void look_at_version(const struct plugin_info *info)
{
	copies_insn_data = info->version.cur >= 3;
}

#endif

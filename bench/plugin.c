// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's translator that counts what a guest's CPUs execute, from the
 * entry of a function to its return, with all that it calls. It is told what to
 * watch by a file, and by the guest when a measurement begins and ends; see
 * Documentation/bench.md.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu.h"

#define MAX_VCPUS	64
#define MAX_SYMBOLS	64
#define MAX_DEPTH	32
#define MAX_KEY		64
#define MAX_SAMPLES	(1 << 16)
#define BUCKETS		(1 << 18)
#define NEVER		(~0ULL)
#define MODULES		0xffffffffa0000000ULL	/* modules and BPF programs are above */
#define KERNEL		0xffff800000000000ULL

/* --- what is watched ------------------------------------------------------------ */

enum kind {
	REGION,		/* counted from entry to return */
	COUNT,		/* entries are counted, within regions and on their own */
	KEY,		/* the same, and regions are told apart by how often it is in them */
	PROGRAM,	/* called by BPF programs for themselves: counts as one of theirs */
	CUT,		/* a region that is no part of what calls it */
	IRQ,		/* an interrupt: a region that is no part of what it interrupts */
	OFF,		/* the entry of anything else that turns interrupts off */
	SCHEDULE,	/* where an interrupt that leads to another task ends */
	ZERO, ONE, END,	/* how the guest talks to us */
	THUNK, THUNK_END, /* calls from in between are jumps */
	KINDS
};

static const char * const kinds[KINDS] = {
	"region", "count", "key", "program", "cut", "irq", "off", "schedule", "zero", "one", "end",
	"thunk", "thunk_end",
};

static struct symbol {
	uint64_t addr;
	enum kind kind;
	char name[64];
} symbols[MAX_SYMBOLS];
static int nr_symbols;
static uint64_t thunk, thunk_end, module, module_end;

/* A translated block, as far as it matters. */
struct block {
	struct block *next;
	uint64_t start, back;		/* @back: where the call at its end returns to */
	uint32_t insns, locked;
	uint16_t cli, sti;		/* which instruction turned interrupts off or on, from 1 */
	int8_t symbol;			/* that begins here, or -1 */
	bool call, leave;		/* how it ends; leave: return from interrupt or kernel */
};

static struct block *blocks[BUCKETS];

/* --- what is counted ------------------------------------------------------------ */

struct amount {
	uint64_t insns, locked, program, program_locked, module;
};

struct open {
	int symbol;
	unsigned int phase;
	uint64_t back;
	struct amount start;
	uint32_t inside[MAX_SYMBOLS];
};

static struct vcpu {
	struct amount now;
	uint64_t kernel;		/* instructions, of those in all */
	uint64_t back;			/* of the latest call */
	bool leaving, called;		/* by the block before: see struct block */
	int depth, programs;
	uint64_t off_since, off_symbols;
	struct open open[MAX_DEPTH];

	/* in this phase */
	struct amount at_start;
	uint64_t kernel_at_start;
	uint64_t off_max, off_max_symbols;
	uint64_t off_by[MAX_SYMBOLS];	/* the longest with each of them in it */
	uint64_t entered[MAX_SYMBOLS];
} vcpus[MAX_VCPUS];

struct stat {
	struct amount sum;
	uint64_t calls;
	uint64_t inside[MAX_SYMBOLS];
	uint32_t *own, *locks;		/* of each call, without its BPF programs' */
	size_t size;
};

static struct stat *stats[MAX_SYMBOLS][MAX_KEY + 1];
static int key = -1;
static unsigned int phase;		/* counts up at each beginning and end */
static char phase_name[256];		/* empty in between */
static char message[256];
static unsigned int bits;
static FILE *out;

static struct amount difference(const struct amount *a, const struct amount *b)
{
	return (struct amount){
		a->insns - b->insns, a->locked - b->locked,
		a->program - b->program, a->program_locked - b->program_locked,
		a->module - b->module,
	};
}

static void add(struct amount *a, const struct amount *b)
{
	a->insns += b->insns;
	a->locked += b->locked;
	a->program += b->program;
	a->program_locked += b->program_locked;
	a->module += b->module;
}

static void note(const struct open *region, const struct amount *cost)
{
	uint32_t at = key < 0 ? 0 : region->inside[key];
	struct stat **slot, *stat;

	if (!phase_name[0] || region->phase != phase)
		return;
	slot = &stats[region->symbol][at < MAX_KEY ? at : MAX_KEY];
	if (!*slot)
		*slot = calloc(1, sizeof(**slot));
	stat = *slot;
	if (stat->calls < MAX_SAMPLES) {
		if (stat->calls == stat->size) {
			stat->size = stat->size ? 2 * stat->size : 64;
			stat->own = realloc(stat->own, stat->size * sizeof(*stat->own));
			stat->locks = realloc(stat->locks, stat->size * sizeof(*stat->locks));
		}
		stat->own[stat->calls] = cost->insns - cost->program;
		stat->locks[stat->calls] = cost->locked - cost->program_locked;
	}
	stat->calls++;
	add(&stat->sum, cost);
	for (int i = 0; i < nr_symbols; i++)
		stat->inside[i] += region->inside[i];
}

static void enter(struct vcpu *cpu, int symbol)
{
	enum kind kind = symbols[symbol].kind;
	uint64_t back = cpu->back;
	struct open *region;

	cpu->entered[symbol]++;
	for (int i = cpu->depth - 1; i >= 0; i--) {
		cpu->open[i].inside[symbol]++;
		if (symbols[cpu->open[i].symbol].kind == IRQ)
			break;
	}
	if (kind != REGION && kind != PROGRAM && kind != CUT && kind != IRQ)
		return;
	if (kind != IRQ && !cpu->called) {
		/* it was jumped to, and returns for the one that did so, if that is known */
		if (!cpu->depth || cpu->open[cpu->depth - 1].back == NEVER)
			return;
		back = cpu->open[cpu->depth - 1].back;
	}
	if (cpu->depth == MAX_DEPTH) {
		/* calls that never came back; those do not count */
		cpu->depth = 0;
		cpu->programs = 0;
	}
	region = &cpu->open[cpu->depth++];
	memset(region, 0, sizeof(*region));
	region->symbol = symbol;
	region->phase = phase;
	region->back = kind == IRQ ? NEVER : back;
	region->start = cpu->now;
	cpu->programs += kind == PROGRAM;
}

/* The region at @level is over; those above it have got lost. */
static void leave(struct vcpu *cpu, int level)
{
	struct open *region = &cpu->open[level];
	struct amount cost = difference(&cpu->now, &region->start);

	for (int i = level; i < cpu->depth; i++)
		cpu->programs -= symbols[cpu->open[i].symbol].kind == PROGRAM;
	cpu->depth = level;
	note(region, &cost);
	if (symbols[region->symbol].kind == IRQ || symbols[region->symbol].kind == CUT)
		for (int i = 0; i < level; i++)
			add(&cpu->open[i].start, &cost);
}

static void leave_irq(struct vcpu *cpu)
{
	for (int i = cpu->depth - 1; i >= 0; i--) {
		if (symbols[cpu->open[i].symbol].kind == IRQ) {
			leave(cpu, i);
			return;
		}
	}
}

/* Interrupts come on with the instruction before @now. */
static void irqs_on(struct vcpu *cpu, uint64_t now)
{
	uint64_t since = cpu->off_since, length;

	cpu->off_since = NEVER;
	if (since == NEVER)
		return;
	if (since < cpu->at_start.insns)
		since = cpu->at_start.insns;
	length = now - since;
	for (int i = 0; i < cpu->depth; i++)
		cpu->off_symbols |= 1ULL << cpu->open[i].symbol;
	for (uint64_t left = cpu->off_symbols; left; left &= left - 1) {
		int symbol = __builtin_ctzll(left);

		if (length > cpu->off_by[symbol])
			cpu->off_by[symbol] = length;
	}
	if (length > cpu->off_max) {
		cpu->off_max = length;
		cpu->off_max_symbols = cpu->off_symbols;
	}
}

static void irqs_off(struct vcpu *cpu, uint64_t now)
{
	if (cpu->off_since != NEVER)
		return;
	cpu->off_since = now;
	cpu->off_symbols = 0;
}

static void told(void);

/* True if it is one of those that the guest talks to us with. */
static bool heard(int symbol)
{
	switch (symbols[symbol].kind) {
	case ZERO:
	case ONE:
		if (bits < 8 * (sizeof(message) - 1)) {
			if (symbols[symbol].kind == ONE)
				message[bits / 8] |= 0x80 >> bits % 8;
			bits++;
		}
		return true;
	case END:
		told();
		memset(message, 0, sizeof(message));
		bits = 0;
		return true;
	default:
		return false;
	}
}

static void reached(struct vcpu *cpu, int symbol)
{
	uint64_t bit = 1ULL << symbol;

	if (heard(symbol))
		return;
	switch (symbols[symbol].kind) {
	case SCHEDULE:
		leave_irq(cpu);
		break;
	case OFF:
	case IRQ:
		irqs_off(cpu, cpu->now.insns);
		break;
	default:
		break;
	}
	enter(cpu, symbol);
	cpu->off_symbols |= bit;
}

/* --- which CPU it is ------------------------------------------------------------ */

static struct bytes *buffer;
static void *gs_base, *kernel_gs_base;

static void cpu_begins(uint64_t id, unsigned int vcpu)
{
	struct register_list *list;

	if (gs_base)
		return;
	buffer = g_byte_array_new();
	list = qemu_plugin_get_registers();
	for (unsigned int i = 0; i < list->len; i++) {
		struct register_name *reg = (struct register_name *)list->data + i;

		if (!strcmp(reg->name, "gs_base"))
			gs_base = reg->handle;
		else if (!strcmp(reg->name, "k_gs_base"))
			kernel_gs_base = reg->handle;
	}
	if (!gs_base || !kernel_gs_base) {
		fprintf(stderr, "bench: this QEMU does not tell where GS points to\n");
		exit(1);
	}
}

static uint64_t read_register(void *handle)
{
	uint64_t value = 0;

	buffer->len = 0;
	qemu_plugin_read_register(handle, buffer);
	if (buffer->len == sizeof(value))
		memcpy(&value, buffer->data, sizeof(value));
	return value;
}

static struct vcpu *executing(unsigned int vcpu)
{
	static uint64_t bases[MAX_VCPUS];
	static unsigned int nr, latest;
	uint64_t base;

	if (!gs_base)
		return &vcpus[vcpu % MAX_VCPUS];
	base = read_register(gs_base);
	if (base < KERNEL)
		base = read_register(kernel_gs_base);
	if (nr && bases[latest] == base)
		return &vcpus[latest];
	for (unsigned int i = 0; i < nr; i++) {
		if (bases[i] == base) {
			latest = i;
			return &vcpus[i];
		}
	}
	/* some come and go while the machine boots */
	latest = nr < MAX_VCPUS ? nr++ : MAX_VCPUS - 1;
	bases[latest] = base;
	return &vcpus[latest];
}

static void executed(unsigned int vcpu, void *data)
{
	const struct block *block = data;
	struct vcpu *cpu;

	/* while nothing is measured we only listen */
	if (!phase_name[0]) {
		if (block->symbol >= 0)
			heard(block->symbol);
		return;
	}
	cpu = executing(vcpu);

	if (cpu->leaving) {
		cpu->leaving = false;
		leave_irq(cpu);
		irqs_on(cpu, cpu->now.insns);
	}
	for (int i = cpu->depth - 1; i >= 0; i--) {
		if (cpu->open[i].back == NEVER)
			break;	/* an interrupt; what it interrupted goes on later */
		if (cpu->open[i].back == block->start)
			leave(cpu, i);
	}
	if (block->symbol >= 0)
		reached(cpu, block->symbol);

	if (block->cli)
		irqs_off(cpu, cpu->now.insns + block->cli);
	if (block->sti)
		irqs_on(cpu, cpu->now.insns + block->sti);

	cpu->now.insns += block->insns;
	cpu->now.locked += block->locked;
	if (block->start >= KERNEL)
		cpu->kernel += block->insns;
	if (block->start >= module && block->start < module_end) {
		cpu->now.module += block->insns;
	} else if (block->start >= MODULES || cpu->programs) {
		cpu->now.program += block->insns;
		cpu->now.program_locked += block->locked;
	}
	if (block->call)
		cpu->back = block->back;
	/* through a thunk it is a call still */
	cpu->called = block->call ||
		      (cpu->called && block->start >= thunk && block->start < thunk_end);
	cpu->leaving = block->leave;
}

/* --- translation ---------------------------------------------------------------- */

static void decode(struct block *block, const uint8_t *code, size_t size, unsigned int nr)
{
	bool lock = false;
	size_t i;

	for (i = 0; i < size; i++) {
		if (code[i] == 0xf0)
			lock = true;
		else if (!memchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65", code[i], 10) &&
			 (code[i] & 0xf0) != 0x40)
			break;
	}
	if (i == size)
		return;
	size -= i;
	code += i;
	block->call = code[0] == 0xe8;
	block->leave = false;
	switch (code[0]) {
	case 0x0f:
		block->leave = size > 1 && code[1] == 0x07;	/* sysret */
		break;
	case 0x86:
	case 0x87:
		lock = lock || (size > 1 && code[1] < 0xc0);	/* xchg with memory */
		break;
	case 0xcf:
		block->leave = true;				/* iret */
		break;
	case 0xfa:
		block->cli = nr;
		break;
	case 0xfb:
		block->sti = nr;
		break;
	case 0xff:
		block->call = size > 1 && (code[1] >> 3 & 7) == 2;
		break;
	}
	block->locked += lock;
}

static void translated(uint64_t id, struct tb *tb)
{
	struct block new, *block;
	size_t insns = qemu_plugin_tb_n_insns(tb);
	uint8_t copy[16];

	memset(&new, 0, sizeof(new));	/* with what is between its members */
	new.start = qemu_plugin_tb_vaddr(tb);
	new.symbol = -1;
	new.insns = insns;
	for (size_t i = 0; i < insns; i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);
		const void *code = qemu_plugin_insn_data(insn, copy, sizeof(copy));

		decode(&new, copies_insn_data ? copy : code, size, i + 1);
		if (i == insns - 1)
			new.back = qemu_plugin_insn_vaddr(insn) + size;
	}
	if (new.start >= thunk && new.start < thunk_end)
		new.call = false;
	if (!new.call)
		new.back = 0;
	for (int i = 0; i < nr_symbols; i++)
		if (symbols[i].addr == new.start)
			new.symbol = i;

	/* the same code is translated many times */
	new.next = blocks[(new.start ^ new.start >> 18) % BUCKETS];
	for (block = new.next; block; block = block->next)
		if (!memcmp(&block->start, &new.start, sizeof(new) - sizeof(new.next)))
			break;
	if (!block) {
		block = malloc(sizeof(*block));
		memcpy(block, &new, sizeof(new));
		blocks[(new.start ^ new.start >> 18) % BUCKETS] = block;
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, gs_base ? READS_REGISTERS : 0,
					     block);
}

/* --- the report: one line of JSON for each phase -------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void report_samples(const char *name, uint32_t *samples, size_t nr)
{
	qsort(samples, nr, sizeof(*samples), by_size);
	fprintf(out, ", \"%s\": [%u, %u, %u]", name, samples[0], samples[nr / 2],
		samples[nr - 1]);
}

static void report_stat(const char *name, int at, struct stat *stat, bool first)
{
	size_t nr = stat->calls < MAX_SAMPLES ? stat->calls : MAX_SAMPLES;
	const char *comma = "";

	fprintf(out, "%s{\"of\": \"%s\", \"key\": %d, \"calls\": %llu, \"insns\": %llu, ",
		first ? "" : ", ", name, at, (unsigned long long)stat->calls,
		(unsigned long long)stat->sum.insns);
	fprintf(out, "\"locked\": %llu, \"program\": %llu, \"module\": %llu",
		(unsigned long long)(stat->sum.locked - stat->sum.program_locked),
		(unsigned long long)stat->sum.program,
		(unsigned long long)stat->sum.module);
	report_samples("own", stat->own, nr);
	report_samples("locks", stat->locks, nr);
	fprintf(out, ", \"inside\": {");
	for (int i = 0; i < nr_symbols; i++) {
		if (!stat->inside[i])
			continue;
		fprintf(out, "%s\"%s\": %llu", comma, symbols[i].name,
			(unsigned long long)stat->inside[i]);
		comma = ", ";
	}
	fprintf(out, "}}");
}

static void report(void)
{
	struct amount sum = {};
	uint64_t kernel = 0, off = 0, off_symbols = 0;
	const char *comma = "";
	bool first = true;

	for (int i = 0; i < MAX_VCPUS; i++) {
		struct vcpu *cpu = &vcpus[i];
		struct amount cost = difference(&cpu->now, &cpu->at_start);

		add(&sum, &cost);
		kernel += cpu->kernel - cpu->kernel_at_start;
		/* a CPU that never turned them on again */
		if (cpu->off_since != NEVER && cost.insns)
			irqs_on(cpu, cpu->now.insns);
		if (cpu->off_max > off) {
			off = cpu->off_max;
			off_symbols = cpu->off_max_symbols;
		}
	}
	fprintf(out, "{\"phase\": \"%s\", \"insns\": %llu, \"kernel\": %llu, \"locked\": %llu, ",
		phase_name, (unsigned long long)sum.insns, (unsigned long long)kernel,
		(unsigned long long)sum.locked);
	fprintf(out, "\"irqs_off\": %llu, \"irqs_off_in\": [", (unsigned long long)off);
	for (int i = 0; i < nr_symbols; i++) {
		if (!(off_symbols >> i & 1))
			continue;
		fprintf(out, "%s\"%s\"", comma, symbols[i].name);
		comma = ", ";
	}
	fprintf(out, "], \"irqs_off_by\": {");
	comma = "";
	for (int i = 0; i < nr_symbols; i++) {
		uint64_t most = 0;

		for (int cpu = 0; cpu < MAX_VCPUS; cpu++)
			if (vcpus[cpu].off_by[i] > most)
				most = vcpus[cpu].off_by[i];
		if (!most)
			continue;
		fprintf(out, "%s\"%s\": %llu", comma, symbols[i].name, (unsigned long long)most);
		comma = ", ";
	}
	fprintf(out, "}, \"entered\": {");
	comma = "";
	for (int i = 0; i < nr_symbols; i++) {
		uint64_t nr = 0;

		for (int cpu = 0; cpu < MAX_VCPUS; cpu++)
			nr += vcpus[cpu].entered[i];
		if (!nr)
			continue;
		fprintf(out, "%s\"%s\": %llu", comma, symbols[i].name, (unsigned long long)nr);
		comma = ", ";
	}
	fprintf(out, "}, \"regions\": [");
	for (int i = 0; i < nr_symbols; i++) {
		for (int at = 0; at <= MAX_KEY; at++) {
			if (!stats[i][at])
				continue;
			report_stat(symbols[i].name, at, stats[i][at], first);
			first = false;
		}
	}
	fprintf(out, "]}\n");
	fflush(out);
}

static void begin(const char *name)
{
	if (phase_name[0])
		report();
	for (int i = 0; i < MAX_VCPUS; i++) {
		struct vcpu *cpu = &vcpus[i];

		cpu->depth = 0;
		cpu->programs = 0;
		cpu->leaving = false;
		cpu->off_since = NEVER;
		cpu->at_start = cpu->now;
		cpu->kernel_at_start = cpu->kernel;
		cpu->off_max = 0;
		cpu->off_max_symbols = 0;
		memset(cpu->entered, 0, sizeof(cpu->entered));
		memset(cpu->off_by, 0, sizeof(cpu->off_by));
	}
	for (int i = 0; i < MAX_SYMBOLS; i++) {
		for (int at = 0; at <= MAX_KEY; at++) {
			if (!stats[i][at])
				continue;
			free(stats[i][at]->own);
			free(stats[i][at]->locks);
			free(stats[i][at]);
			stats[i][at] = NULL;
		}
	}
	snprintf(phase_name, sizeof(phase_name), "%s", name);
	phase++;
}

/* The guest has said something. */
static void told(void)
{
	unsigned long long start, size;

	if (!message[0]) {
		begin("");
	} else if (!strncmp(message, "phase ", 6)) {
		begin(message + 6);
	} else if (sscanf(message, "module %llx %llx", &start, &size) == 2) {
		module = start;
		module_end = start + size;
	} else {
		fprintf(stderr, "bench: the guest says \"%s\", which is not understood\n", message);
	}
}

static void at_exit(uint64_t id, void *unused)
{
	begin("");
	fclose(out);
}

static bool read_symbols(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long long addr;
	char kind[16], name[64];
	int k;

	if (!file)
		return false;
	while (fscanf(file, "%llx %15s %63s", &addr, kind, name) == 3) {
		for (k = 0; k < KINDS && strcmp(kinds[k], kind); k++)
			;
		if (k == KINDS || nr_symbols == MAX_SYMBOLS) {
			fprintf(stderr, "bench: what is \"%s %s\"?\n", kind, name);
			return false;
		}
		if (k == THUNK) {
			thunk = addr;
		} else if (k == THUNK_END) {
			thunk_end = addr;
		} else {
			struct symbol *symbol = &symbols[nr_symbols];

			symbol->addr = addr;
			symbol->kind = k;
			strcpy(symbol->name, name);
			if (k == KEY)
				key = nr_symbols;
			nr_symbols++;
		}
	}
	fclose(file);
	return nr_symbols > 0;
}

EXPORT int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int argc, char **argv)
{
	const char *watch = NULL, *result = NULL;

	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "watch=", 6))
			watch = argv[i] + 6;
		else if (!strncmp(argv[i], "out=", 4))
			result = argv[i] + 4;
	}
	if (!watch || !result || !read_symbols(watch)) {
		fprintf(stderr, "bench: watch=FILE,out=FILE are needed\n");
		return 1;
	}
	out = fopen(result, "w");
	if (!out) {
		perror(result);
		return 1;
	}
	look_at_version(info);
	for (int i = 0; i < MAX_VCPUS; i++)
		vcpus[i].off_since = NEVER;
	if (qemu_plugin_get_registers && qemu_plugin_read_register && g_byte_array_new)
		qemu_plugin_register_vcpu_init_cb(id, cpu_begins);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}

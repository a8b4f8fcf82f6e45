/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints. What they say to users is in Documentation/ABI/testing/rust_scx. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rust_scx

#if !defined(_RUST_SCX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RUST_SCX_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(rust_scx_kick,
	TP_PROTO(int cpu, u64 flags, const char *outcome),
	TP_ARGS(cpu, flags, outcome),
	TP_STRUCT__entry(
		__field(int, cpu)
		__field(u64, flags)
		__string(outcome, outcome)
	),
	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->flags = flags;
		__assign_str(outcome);
	),
	TP_printk("cpu=%d flags=0x%llx outcome=%s", __entry->cpu, __entry->flags,
		  __get_str(outcome))
);

TRACE_EVENT(rust_scx_wait,
	TP_PROTO(int cpu, s64 ns, const char *outcome),
	TP_ARGS(cpu, ns, outcome),
	TP_STRUCT__entry(
		__field(int, cpu)
		__field(s64, ns)
		__string(outcome, outcome)
	),
	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->ns = ns;
		__assign_str(outcome);
	),
	TP_printk("cpu=%d ns=%lld outcome=%s", __entry->cpu, __entry->ns, __get_str(outcome))
);

TRACE_EVENT(rust_scx_guard_trip,
	TP_PROTO(int cpu, u32 rounds),
	TP_ARGS(cpu, rounds),
	TP_STRUCT__entry(
		__field(int, cpu)
		__field(u32, rounds)
	),
	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->rounds = rounds;
	),
	TP_printk("cpu=%d rounds=%u", __entry->cpu, __entry->rounds)
);

TRACE_EVENT(rust_scx_report,
	TP_PROTO(const char *kind, int cpu, u32 ms, int pid, const char *text),
	TP_ARGS(kind, cpu, ms, pid, text),
	TP_STRUCT__entry(
		__string(kind, kind)
		__field(int, cpu)
		__field(u32, ms)
		__field(int, pid)
		__string(text, text)
	),
	TP_fast_assign(
		__assign_str(kind);
		__entry->cpu = cpu;
		__entry->ms = ms;
		__entry->pid = pid;
		__assign_str(text);
	),
	TP_printk("kind=%s cpu=%d ms=%u pid=%d %s", __get_str(kind), __entry->cpu, __entry->ms,
		  __entry->pid, __get_str(text))
);

#endif	/* _RUST_SCX_TRACE_H */

/* Found by the include path, as the module may be anywhere. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rust_scx_trace
#include <trace/define_trace.h>

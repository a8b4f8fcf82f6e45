// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/klog.h>

#include "harness.h"

#define LOG_SIZE	(1 << 20)

static char log_mark[64];

bool file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return false;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

bool file_is(const char *path, const char *text)
{
	char buf[256];

	return file_read(path, buf, sizeof(buf)) && !strcmp(buf, text);
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

bool sched_ext_is(const char *state)
{
	return file_is("/sys/kernel/sched_ext/state", state);
}

const char *dmesg(void)
{
	static char log[LOG_SIZE];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);

	if (len < 0)
		ksft_exit_fail_perror("cannot read the kernel log");
	log[len] = '\0';
	return strstr(log, log_mark) ?: log;
}

int dmesg_count(const char *text)
{
	int n = 0;

	for (const char *at = dmesg(); (at = strstr(at, text)); at++)
		n++;
	return n;
}

void harness_init(void)
{
	ksft_print_header();
	setvbuf(stdout, NULL, _IOLBF, 0);
	core_init();
	if (!sched_ext_is("disabled"))
		die("a BPF scheduler is enabled already");
	snprintf(log_mark, sizeof(log_mark), "selftests: begin %d", getpid());
	file_write("/dev/kmsg", log_mark);
}

long setting(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? atol(text) : otherwise;
}

static unsigned long long random_state;

void draw_seed(unsigned long long seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

unsigned int draw(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

long few(long waits)
{
	return setting("SHARED", 0) ? waits / 2 + 5 : waits / 50 + 2;
}

void kernel_log(const char *fmt, ...)
{
	char text[256] = "<0>";	/* guests are silent about anything else */
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + strlen(text), sizeof(text) - strlen(text), fmt, args);
	va_end(args);
	file_write("/dev/kmsg", text);
}

static const char *fail_nth(pid_t pid)
{
	static char path[64];

	if (!pid)
		return "/proc/thread-self/fail-nth";
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fail-nth", pid, pid);
	return path;
}

void fault_order(pid_t pid, int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	if (!file_write(fail_nth(pid), text))
		die("cannot write %s", fail_nth(pid));
}

bool fault_happened(pid_t pid)
{
	bool happened = file_is(fail_nth(pid), "0");

	file_write(fail_nth(pid), "0");
	return happened;
}

unsigned long long kernel_function(const char *name, unsigned long long behind)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long address, found = 0;
	char line[512], symbol[256];

	/* they are not in order */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*c %255s", &address, symbol) == 2 && address > behind &&
		    (!name || !strcmp(symbol, name)) && (!found || address < found))
			found = address;
	if (f)
		fclose(f);
	return found;
}

bool faults_ready(void)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	static const struct { const char *name, *value; } settings[] = {
		{ "verbose", "0" }, { "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" },
	};
	unsigned long long start = kernel_function("__alloc_object", 0);
	unsigned long long end = start ? kernel_function(NULL, start) : 0;
	char path[128], text[32];

	for (int i = 0; i < (int)ARRAY_SIZE(dirs); i++) {
		for (int k = 0; k < (int)ARRAY_SIZE(settings); k++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", dirs[i],
				 settings[k].name);
			file_write(path, settings[k].value);
		}
		/* what kmemleak takes itself is not what this is about */
		for (int k = 0; k < 2 && start; k++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/reject-%s", dirs[i],
				 k ? "end" : "start");
			snprintf(text, sizeof(text), "%#llx", k ? end : start);
			file_write(path, text);
		}
	}
	return file_is("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
	       !access(fail_nth(0), W_OK);
}

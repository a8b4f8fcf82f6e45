// SPDX-License-Identifier: GPL-2.0
/* The module: whether it is in charge, how it comes and goes, what it counts. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "harness.h"

#define CORE		"/sys/kernel/sched_ext/core"
#define COUNTERS	"/sys/kernel/debug/rust_scx/counters"
#define MAX_COUNTERS	64

static struct { char name[32]; long value; } marks[MAX_COUNTERS];
static bool module, stock;

void core_init(void)
{
	const char *want = getenv("RUST_SCX_CORE");
	char core[64];

	stock = !file_read(CORE, core, sizeof(core));
	if (stock) {
		if (access("/sys/kernel/sched_ext", F_OK))
			ksft_exit_skip("the kernel has no sched_ext\n");
		snprintf(core, sizeof(core), "builtin");
	}
	if (strcmp(core, want ?: "rust_scx")) {
		if (!want)
			ksft_exit_skip("not the module but %s is in charge\n", core);
		die("the core in charge is %s, expected %s", core, want);
	}
	module = !strcmp(core, "rust_scx");
}

bool module_in_charge(void)
{
	return module;
}

bool stock_kernel(void)
{
	return stock;
}

/* The first time it is read, so that inserting it again takes no file. */
static void *file_image(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	size_t len = 0;
	char *image;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s, is it built?", path);
	image = malloc(st.st_size);
	while (image && len < (size_t)st.st_size) {
		ssize_t n = read(fd, image + len, st.st_size - len);

		if (n <= 0)
			die("cannot read %s", path);
		len += n;
	}
	close(fd);
	*size = len;
	return image;
}

int module_insert(void)
{
	static void *image;
	static size_t size;

	if (!image)
		image = file_image("../rust-scx.ko", &size);
	if (syscall(SYS_init_module, image, size, ""))
		return -errno;
	module = true;
	return 0;
}

int module_remove(void)
{
	if (syscall(SYS_delete_module, "rust_scx", O_NONBLOCK))
		return -errno;
	module = false;
	return 0;
}

int test_module_insert(const char *name)
{
	char path[128];
	void *image;
	size_t size;
	int ret;

	snprintf(path, sizeof(path), "test_modules/%s.ko", name);
	image = file_image(path, &size);
	ret = syscall(SYS_init_module, image, size, "") ? -errno : 0;
	free(image);
	return ret;
}

int test_module_remove(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static int counters_read(int max, typeof(marks[0]) *out)
{
	FILE *f = fopen(COUNTERS, "r");
	int n = 0;

	if (!f)
		die("cannot read %s, is debugfs mounted?", COUNTERS);
	while (n < max && fscanf(f, "%31s %ld", out[n].name, &out[n].value) == 2)
		n++;
	fclose(f);
	return n;
}

static const long *find(const typeof(marks[0]) *list, int n, const char *name)
{
	while (n--)
		if (!strcmp(list[n].name, name))
			return &list[n].value;
	return NULL;
}

static long counter_in(const typeof(marks[0]) *list, int n, const char *name)
{
	const long *value = find(list, n, name);

	if (!value)
		die("the module has no counter %s", name);
	return *value;
}

bool counts(const char *name)
{
	typeof(marks[0]) now[MAX_COUNTERS];

	return module && find(now, counters_read(MAX_COUNTERS, now), name);
}

long counter(const char *name)
{
	typeof(marks[0]) now[MAX_COUNTERS];

	if (!module)
		return 0;
	return counter_in(now, counters_read(MAX_COUNTERS, now), name);
}

void counters_mark(void)
{
	if (module)
		counters_read(MAX_COUNTERS, marks);
}

long moved(const char *name)
{
	return module ? counter(name) - counter_in(marks, MAX_COUNTERS, name) : 0;
}

bool counted(const char *name, long min, long max)
{
	long by = moved(name);

	if (!module || (by >= min && by <= max))
		return true;
	note("counter %s moved by %ld, expected %ld to %ld", name, by, min, max);
	return false;
}

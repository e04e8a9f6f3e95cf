/* process_* and build_info, from proc(5): no file here lies on a disk. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/metrics.h"
#include "common/metrics_private.h"

#ifndef PROJECT_REVISION
#define PROJECT_REVISION "unknown"
#endif

struct metrics_process {
	struct metrics_gauge *cpu_seconds;
	struct metrics_gauge *resident_bytes;
	struct metrics_gauge *virtual_bytes;
	struct metrics_gauge *open_fds;
	struct metrics_gauge *max_fds;
	struct metrics_gauge *threads;
	struct metrics_gauge *start_seconds;
	double boot_seconds; /* since the epoch */
	double tick_hz;
	double page_bytes;
};

/* The fields of /proc/self/stat that are read here, as proc(5) counts them. */
enum stat_field {
	STAT_STATE = 3,
	STAT_UTIME = 14, /* ticks */
	STAT_STIME = 15, /* ticks */
	STAT_THREADS = 20,
	STAT_STARTTIME = 22, /* ticks since boot */
	STAT_VSIZE = 23,     /* bytes */
	STAT_RSS = 24,       /* pages */
	STAT_FIELDS,
};

/* Read the start of a file as a string; false if it cannot be read. */
static bool
read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	while (len < size - 1 && (n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	out[len] = '\0';
	return n >= 0 && len > 0;
}

static bool
read_stat(unsigned long long fields[static STAT_FIELDS])
{
	char text[1024];
	char *at;

	if (!read_text("/proc/self/stat", text, sizeof text))
		return false;
	/* The name in parentheses may hold blanks and parentheses itself. */
	at = strrchr(text, ')');
	if (at == NULL || strlen(at) < sizeof ") S " - 1)
		return false;
	at += sizeof ") S" - 1;
	for (int i = STAT_STATE + 1; i < STAT_FIELDS; i++) {
		const char *before = at;

		fields[i] = strtoull(before, &at, 10);
		if (at == before)
			return false;
	}
	return true;
}

static double
read_boot_seconds(void)
{
	/* btime comes after a line per CPU and the long "intr" line. */
	size_t size = 1 << 20;
	char *text = mem_calloc(size, 1);
	double btime = 0;
	const char *line;

	if (read_text("/proc/stat", text, size) &&
	    (line = strstr(text, "\nbtime ")) != NULL)
		btime = strtod(line + sizeof "\nbtime " - 1, NULL);
	free(text);
	return btime;
}

static double
count_open_fds(void)
{
	struct stat st;
	DIR *dir;
	double n = 0;

	/* Linux 6.2 and later know the number without a walk. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (double)st.st_size;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	for (const struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n - 1; /* the directory's own */
}

static void
collect(void *arg)
{
	struct metrics_process *p = arg;
	unsigned long long st[STAT_FIELDS];
	struct rlimit limit;

	if (read_stat(st)) {
		metrics_set(p->cpu_seconds,
		    (double)(st[STAT_UTIME] + st[STAT_STIME]) / p->tick_hz);
		metrics_set(
		    p->resident_bytes, (double)st[STAT_RSS] * p->page_bytes);
		metrics_set(p->virtual_bytes, (double)st[STAT_VSIZE]);
		metrics_set(p->threads, (double)st[STAT_THREADS]);
		metrics_set(p->start_seconds,
		    p->boot_seconds + (double)st[STAT_STARTTIME] / p->tick_hz);
	}
	metrics_set(p->open_fds, count_open_fds());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_set(p->max_fds, (double)limit.rlim_cur);
}

const char *
metrics_revision(void)
{
	return PROJECT_REVISION;
}

static struct metrics_gauge *
gauge(struct metrics *m, const char *name, const char *help)
{
	return metrics_gauge(metrics_gauges(m, name, help, NULL), NULL);
}

static void
add_build_info(struct metrics *m)
{
	static const char *const labels[] = { "version", "revision", NULL };
	static const char *const values[] = { PROJECT_VERSION, PROJECT_REVISION,
		NULL };

	metrics_set(
	    metrics_gauge(metrics_gauges(m, "build_info",
			      "The version that runs; always 1.", labels),
		values),
	    1);
}

void
metrics_add_process(struct metrics *m)
{
	struct metrics_process *p;

	if (m->process != NULL)
		return;
	p = mem_calloc(1, sizeof *p);
	p->cpu_seconds = metrics_real_counter(
	    metrics_real_counters(m, "process_cpu_seconds_total",
		"User and system CPU time spent, in seconds.", NULL),
	    NULL);
	p->resident_bytes = gauge(m, "process_resident_memory_bytes",
	    "Resident memory size in bytes.");
	p->virtual_bytes = gauge(
	    m, "process_virtual_memory_bytes", "Virtual memory size in bytes.");
	p->open_fds =
	    gauge(m, "process_open_fds", "Number of open file descriptors.");
	p->max_fds = gauge(
	    m, "process_max_fds", "Maximum number of open file descriptors.");
	p->threads =
	    gauge(m, "process_threads", "Number of threads of the process.");
	p->start_seconds = gauge(m, "process_start_time_seconds",
	    "Start time of the process since the epoch, in seconds.");
	p->boot_seconds = read_boot_seconds();
	p->tick_hz = (double)sysconf(_SC_CLK_TCK);
	p->page_bytes = (double)sysconf(_SC_PAGESIZE);
	m->process = p;
	add_build_info(m);
	metrics_on_collect(m, collect, p);
}

void
metrics_process_free(struct metrics_process *p)
{
	free(p);
}

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log_format.h"
#include "common/mem.h"
#include "common/metrics.h"

/* How to write to a descriptor without waiting for it. */
enum transport {
	TRANSPORT_FILE,   /* never waits for a reader */
	TRANSPORT_SOCKET, /* send(2) can be told not to wait */
	TRANSPORT_OPENED, /* pipes and terminals, opened so as not to wait */
	TRANSPORT_OTHER,  /* those that could not be: ask poll(2) first */
};

struct log {
	enum log_level level;
	int fd; /* this log's own if TRANSPORT_OPENED */
	enum transport transport;
	struct log_style style;
	struct log_clock clock;
	uint64_t dropped;    /* since the start */
	uint64_t unreported; /* of these, not yet told in a line */
	struct metrics_counter *dropped_lines;
	/* What the descriptor has not taken of the last line. */
	size_t rest_at, rest_end;
	char rest[LOG_LINE_MAX];
};

static enum transport
transport_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return TRANSPORT_OTHER;
	if (S_ISREG(st.st_mode))
		return TRANSPORT_FILE;
	return S_ISSOCK(st.st_mode) ? TRANSPORT_SOCKET : TRANSPORT_OTHER;
}

static void
draw_secret(unsigned char secret[static LOG_SECRET_SIZE])
{
	size_t have = 0;

	while (have < LOG_SECRET_SIZE) {
		ssize_t n = getrandom(secret + have, LOG_SECRET_SIZE - have, 0);

		if (n > 0)
			have += (size_t)n;
		else if (errno != EINTR)
			abort(); /* unkeyed hashes would give addresses away */
	}
}

/*
 * O_NONBLOCK is shared with all who inherited the same descriptor and do not
 * expect it.  poll(2) in its stead does not do where others write as well, as
 * the other tier does in one container: what has room then may have none by
 * the time of write(2).  Nor for a terminal, which may have room for a part.
 */
static void
open_anew(struct log *log)
{
	char path[sizeof "/proc/self/fd/-2147483648"];
	int fd;

	if (log->transport != TRANSPORT_OTHER)
		return;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", log->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* As it is, else: append, packets. */
	(void)fcntl(fd, F_SETFL, fcntl(log->fd, F_GETFL) | O_NONBLOCK);
	log->fd = fd;
	log->transport = TRANSPORT_OPENED;
}

struct log *
log_new(const struct log_options *options)
{
	struct log *log = mem_calloc(1, sizeof *log);

	log->level = options->level;
	log->fd = options->fd;
	log->transport = transport_of(options->fd);
	open_anew(log);
	log->style.format = options->format;
	log->style.show_personal = options->show_personal;
	draw_secret(log->style.secret);
	return log;
}

/* As write(2), but with EAGAIN instead of waiting, and without SIGPIPE. */
static ssize_t
write_some(const struct log *log, const char *bytes, size_t n)
{
	struct pollfd p = { .fd = log->fd, .events = POLLOUT };
	ssize_t wrote;
	int ready;

	/* This also tells when the reader has gone. */
	if (log->transport == TRANSPORT_OTHER ||
	    log->transport == TRANSPORT_OPENED) {
		do {
			ready = poll(&p, 1, 0);
		} while (ready < 0 && errno == EINTR);
		if (ready != 1 || p.revents != POLLOUT) {
			errno = EAGAIN;
			return -1;
		}
	}
	do {
		wrote = log->transport == TRANSPORT_SOCKET
		    ? send(log->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL)
		    : write(log->fd, bytes, n);
	} while (wrote < 0 && errno == EINTR);
	return wrote;
}

/* Complete the last line; false if the descriptor does not take all of it. */
static bool
flush_rest(struct log *log)
{
	size_t left = log->rest_end - log->rest_at;
	ssize_t n;

	if (left == 0)
		return true;
	n = write_some(log, log->rest + log->rest_at, left);
	if (n > 0)
		log->rest_at += (size_t)n;
	return log->rest_at == log->rest_end;
}

void
log_free(struct log *log)
{
	if (log == NULL)
		return;
	(void)flush_rest(log);
	if (log->transport == TRANSPORT_OPENED)
		(void)close(log->fd);
	explicit_bzero(log->style.secret, sizeof log->style.secret);
	free(log);
}

void
log_set_level(struct log *log, enum log_level level)
{
	log->level = level;
}

enum log_level
log_level(const struct log *log)
{
	return log->level;
}

bool
log_enabled(const struct log *log, enum log_level level)
{
	return level >= log->level;
}

uint64_t
log_dropped(const struct log *log)
{
	return log->dropped;
}

static void
collect(void *arg)
{
	struct log *log = arg;

	log->dropped_lines->value = log->dropped;
}

void
log_add_metrics(struct log *log, struct metrics *m)
{
	log->dropped_lines =
	    metrics_counter(metrics_counters(m, "log_lines_dropped_total",
				"Log lines lost, since nobody took them", NULL),
		NULL);
	metrics_on_collect(m, collect, log);
}

void
log_write(struct log *log, enum log_level level, const struct log_field *fields)
{
	char line[LOG_LINE_MAX];
	struct timespec now;
	size_t size;
	ssize_t n = -1;

	if (flush_rest(log)) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		size = log_format_line(&log->style,
		    log_format_time(&log->clock, &now), level, fields,
		    log->unreported, line);
		n = write_some(log, line, size);
	}
	if (n <= 0) {
		log->dropped++;
		log->unreported++;
		return;
	}
	log->unreported = 0;
	log->rest_at = 0;
	log->rest_end = size - (size_t)n;
	memcpy(log->rest, line + n, log->rest_end);
}

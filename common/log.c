#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log_format.h"
#include "common/mem.h"

/* How to write to a descriptor without waiting for it. */
enum transport {
	TRANSPORT_FILE,   /* never waits for a reader */
	TRANSPORT_SOCKET, /* send(2) can be told not to wait */
	TRANSPORT_OTHER,  /* pipes and terminals: ask poll(2) first */
};

struct log {
	enum log_level level;
	int fd;
	enum transport transport;
	struct log_style style;
	struct log_clock clock;
	uint64_t dropped;    /* since the start */
	uint64_t unreported; /* of these, not yet told in a line */
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

struct log *
log_new(const struct log_options *options)
{
	struct log *log = mem_calloc(1, sizeof *log);

	log->level = options->level;
	log->fd = options->fd;
	log->transport = transport_of(options->fd);
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

	if (log->transport == TRANSPORT_OTHER &&
	    (poll(&p, 1, 0) != 1 || p.revents != POLLOUT)) {
		errno = EAGAIN;
		return -1;
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

#include "backend/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define READ_BYTES 65536
#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define OTHERS_READ (S_IRGRP | S_IROTH)

static char *
with_suffix(const char *path, const char *suffix)
{
	size_t bytes = strlen(path) + strlen(suffix) + 1;
	char *name = mem_calloc(1, bytes);

	(void)snprintf(name, bytes, "%s%s", path, suffix);
	return name;
}

static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool
failed(struct error *error, const char *what, const char *path)
{
	error_set(error, "cannot %s %s: %s", what, path, strerror(errno));
	return false;
}

static bool
lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Whether the name still is that file's. */
static bool
is_named(int fd, const char *name)
{
	struct stat named, opened;

	return lstat(name, &named) == 0 && fstat(fd, &opened) == 0 &&
	    named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

/* False when somebody is writing it. */
static bool
remove_leftover(const char *temporary)
{
	int fd =
	    open(temporary, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool idle = fd < 0 || (lock(fd) && is_named(fd, temporary));

	if (idle)
		(void)unlink(temporary);
	if (fd >= 0)
		(void)close(fd);
	return idle;
}

void
cache_file_sweep(const char *path)
{
	char *temporary = with_suffix(path, ".tmp");

	(void)remove_leftover(temporary);
	free(temporary);
}

static int
open_new(const char *temporary)
{
	return open(temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void
release(struct cache_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->path);
	free(f->temporary);
	*f = (struct cache_file){ .fd = -1 };
}

bool
cache_file_create(struct cache_file *f, const char *path, struct error *error)
{
	bool idle = true;

	f->path = mem_strdup(path);
	f->temporary = with_suffix(path, ".tmp");
	f->fd = open_new(f->temporary);
	if (f->fd < 0 && errno == EEXIST) {
		idle = remove_leftover(f->temporary);
		if (idle)
			f->fd = open_new(f->temporary);
	}
	if (idle && f->fd >= 0 && lock(f->fd))
		return true;
	if (!idle || f->fd >= 0)
		error_set(error,
		    "%s is being written by another process: each backend "
		    "needs a CACHE_FILE of its own",
		    f->temporary);
	else
		(void)failed(error, "create", f->temporary);
	release(f);
	return false;
}

bool
cache_file_append(struct cache_file *f, struct slice bytes, struct error *error)
{
	while (bytes.len > 0) {
		ssize_t n = write(f->fd, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(error, "write", f->temporary);
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
	return true;
}

/* A rename is on the disk when its directory is. */
static bool
sync_directory(const char *path, struct error *error)
{
	char *directory = directory_of(path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (!done)
		(void)failed(error, "synchronise", directory);
	if (fd >= 0)
		(void)close(fd);
	free(directory);
	return done;
}

bool
cache_file_commit(struct cache_file *f, struct error *error)
{
	bool done = false;

	if (fsync(f->fd) != 0)
		(void)failed(error, "synchronise", f->temporary);
	else if (!is_named(f->fd, f->temporary))
		error_set(error, "%s was replaced meanwhile", f->temporary);
	else if (rename(f->temporary, f->path) != 0)
		(void)failed(error, "replace", f->path);
	else
		done = true;
	if (!done) {
		cache_file_abort(f);
		return false;
	}
	done = sync_directory(f->path, error);
	release(f);
	return done;
}

void
cache_file_abort(struct cache_file *f)
{
	if (f->fd >= 0 && is_named(f->fd, f->temporary))
		(void)unlink(f->temporary);
	release(f);
}

static bool
may_be_trusted(int fd, const char *path, struct cache_file_reading *reading,
    struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return failed(error, "examine", path);
	reading->exposed = (status.st_mode & OTHERS_READ) != 0;
	if (!S_ISREG(status.st_mode)) {
		error_set(error, "%s is not a regular file", path);
		return false;
	}
	if (status.st_uid != geteuid() && status.st_uid != 0) {
		error_set(error,
		    "%s belongs to user %lu, not to this process's", path,
		    (unsigned long)status.st_uid);
		return false;
	}
	if ((status.st_mode & OTHERS_WRITE) != 0) {
		error_set(error, "others may write %s: chmod 600", path);
		return false;
	}
	return true;
}

/* Bytes read and appended, 0 at the end, -1 with errno. */
static ssize_t
read_more(int fd, struct buffer *in)
{
	char *room = buffer_reserve(in, READ_BYTES);
	ssize_t n;

	if (room == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do {
		n = read(fd, room, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		buffer_commit(in, (size_t)n);
	return n;
}

struct reader {
	struct cache_codec codec;
	struct cache_codec_head head;
	bool begun; /* the head was read */
	struct buffer in;
};

/* Take the next part that is in the buffer. */
static enum cache_codec_verdict
take_part(struct reader *r, const struct cache_file_reading *reading)
{
	struct cache_codec_record record;
	enum cache_codec_verdict verdict;
	size_t used = 0;

	if (!r->begun) {
		verdict = cache_codec_take_head(
		    &r->codec, buffer_slice(&r->in), &used, &r->head);
		r->begun = verdict == CACHE_CODEC_PART;
	} else {
		verdict = cache_codec_take(
		    &r->codec, buffer_slice(&r->in), &used, &record);
		if (verdict == CACHE_CODEC_PART)
			reading->record(reading->arg, &r->head, &record);
	}
	buffer_consume(&r->in, used);
	return verdict;
}

static bool
is_foreign(const struct reader *r, const struct cache_file_reading *reading)
{
	return r->begun && r->head.origin != reading->origin;
}

/* The verdict on the parts as they came, or on what is no longer one. */
static enum cache_file_verdict
conclude(struct reader *r, int fd, enum cache_codec_verdict last,
    const char *path, struct error *error)
{
	ssize_t n;

	if (last == CACHE_CODEC_FOREIGN) {
		error_set(error, "%s is no cache file of version %d", path,
		    CACHE_CODEC_VERSION);
		return CACHE_FILE_DAMAGED;
	}
	if (last == CACHE_CODEC_MORE) {
		error_set(error, "%s ends too early", path);
		return CACHE_FILE_DAMAGED;
	}
	n = read_more(fd, &r->in);
	if (n < 0) {
		(void)failed(error, "read", path);
		return CACHE_FILE_REFUSED;
	}
	if (last != CACHE_CODEC_END || buffer_len(&r->in) > 0) {
		error_set(error, "%s does not hold what was written", path);
		return CACHE_FILE_DAMAGED;
	}
	return CACHE_FILE_READ;
}

static enum cache_file_verdict
read_parts(int fd, const char *path, struct cache_file_reading *reading,
    struct error *error)
{
	struct reader r = { .begun = false };
	enum cache_file_verdict verdict;
	enum cache_codec_verdict last;
	ssize_t n = 1;

	buffer_init(&r.in, CACHE_CODEC_PART_MAX + 2 * (size_t)READ_BYTES);
	do {
		last = take_part(&r, reading);
		if (last == CACHE_CODEC_MORE)
			n = read_more(fd, &r.in);
	} while (!is_foreign(&r, reading) &&
	    (last == CACHE_CODEC_PART || (last == CACHE_CODEC_MORE && n > 0)));
	if (is_foreign(&r, reading)) {
		error_set(error,
		    "%s holds answers of another userli: USERLI_BASE_URL has "
		    "changed",
		    path);
		verdict = CACHE_FILE_REFUSED;
	} else if (n < 0) {
		(void)failed(error, "read", path);
		verdict = CACHE_FILE_REFUSED;
	} else {
		verdict = conclude(&r, fd, last, path, error);
	}
	buffer_fini(&r.in);
	return verdict;
}

enum cache_file_verdict
cache_file_read(
    const char *path, struct cache_file_reading *reading, struct error *error)
{
	enum cache_file_verdict verdict = CACHE_FILE_REFUSED;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	reading->exposed = false;
	if (fd < 0) {
		if (errno == ENOENT)
			verdict = CACHE_FILE_NONE;
		(void)failed(error, "open", path);
		return verdict;
	}
	if (may_be_trusted(fd, path, reading, error))
		verdict = read_parts(fd, path, reading, error);
	(void)close(fd);
	return verdict;
}

bool
cache_file_set_aside(const char *path, struct error *error)
{
	char *aside = with_suffix(path, ".damaged");
	bool done = rename(path, aside) == 0;

	if (!done)
		(void)failed(error, "set aside", path);
	free(aside);
	return done;
}

bool
cache_file_check_place(const char *path, struct error *error)
{
	char *directory = directory_of(path);
	struct stat status;
	bool good = false;

	if (stat(directory, &status) != 0 ||
	    access(directory, W_OK | X_OK) != 0) {
		(void)failed(error, "write to", directory);
	} else if ((status.st_mode & OTHERS_WRITE) != 0) {
		error_set(error,
		    "others may write to %s: keep the file in a directory of "
		    "its own, mode 0700",
		    directory);
	} else {
		good = true;
	}
	free(directory);
	return good;
}

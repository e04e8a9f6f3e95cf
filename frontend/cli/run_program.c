#include "frontend/cli/run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 4096
#define CANNOT_RUN 127 /* as shells have it */

/* The child: never returns. */
static void
become(const char *const argv[], int output, int complaints)
{
	const char *path = getenv("PATH");
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	char wide[4096];

	(void)snprintf(wide, sizeof wide, "%s:/usr/sbin:/sbin:/usr/local/sbin",
	    path != NULL ? path : "/usr/bin:/bin");
	(void)setenv("PATH", wide, 1);
	(void)dup2(nowhere, STDIN_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(complaints, STDERR_FILENO);
	(void)execvp(argv[0], (char *const *)argv);
	_exit(CANNOT_RUN);
}

static bool
read_all(int fd, struct buffer *out)
{
	ssize_t n;

	do {
		char *at = buffer_reserve(out, PIECE);

		if (at == NULL)
			return false;
		n = read(fd, at, PIECE);
		if (n > 0)
			buffer_commit(out, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0;
}

/* What a program that failed has said. */
static void
explain(const char *name, int status, int complaints, struct error *error)
{
	char text[300];
	ssize_t n = read(complaints, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_RUN)
		error_set(error, "%s is not installed", name);
	else
		error_set(error, "%s", text[0] != '\0' ? text : "it failed");
}

/* Wait for the child and say what went wrong, if anything. */
static bool
collect(const char *name, pid_t pid, int output, int complaints,
    struct buffer *out, struct error *error)
{
	bool whole = read_all(output, out);
	int status = 0;

	/* It may still be writing what nobody wants. */
	(void)close(output);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!whole)
		error_set(error, "%s writes too much", name);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		explain(name, status, complaints, error);
	else
		return true;
	return false;
}

bool
run_program(const char *const argv[], struct buffer *out, struct error *error)
{
	int output[2];
	int complaints[2];
	bool ok = false;
	pid_t pid;

	if (pipe2(output, O_CLOEXEC) != 0) {
		error_set(error, "cannot run %s: %s", argv[0], strerror(errno));
		return false;
	}
	/* Not waited for: what does not fit is lost. */
	if (pipe2(complaints, O_CLOEXEC | O_NONBLOCK) != 0) {
		error_set(error, "cannot run %s: %s", argv[0], strerror(errno));
		(void)close(output[0]);
		(void)close(output[1]);
		return false;
	}
	(void)fflush(NULL); /* nothing of ours twice */
	pid = fork();
	if (pid == 0)
		become(argv, output[1], complaints[1]);
	(void)close(output[1]);
	(void)close(complaints[1]);
	if (pid > 0) {
		ok =
		    collect(argv[0], pid, output[0], complaints[0], out, error);
	} else {
		error_set(error, "cannot run %s: out of processes", argv[0]);
		(void)close(output[0]);
	}
	(void)close(complaints[0]);
	return ok;
}

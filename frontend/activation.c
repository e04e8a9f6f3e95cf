#include "frontend/activation.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNT_MAX 1000 /* more is a mistake, not a configuration */

union address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_storage largest;
};

/* Returns -1 for what is no number up to max. */
static long
number_from_environment(const char *name, long max)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno != 0 || *end != '\0' || value > max ? -1 : value;
}

int
activation_count(void)
{
	long count;

	/* The variables may be another process's, inherited. */
	if (number_from_environment("LISTEN_PID", INT32_MAX) != (long)getpid())
		return 0;
	count = number_from_environment("LISTEN_FDS", COUNT_MAX);
	return count < 0 ? 0 : (int)count;
}

void
activation_describe(int fd, char out[static ACTIVATION_TEXT_MAX])
{
	union address address = { 0 };
	socklen_t len = sizeof address - 1; /* a path may fill its field */
	char host[NI_MAXHOST];
	char port[NI_MAXSERV];
	bool v6;

	memcpy(out, "?", sizeof "?");
	if (getsockname(fd, &address.any, &len) != 0)
		return;
	if (address.any.sa_family == AF_UNIX) {
		if (len > offsetof(struct sockaddr_un, sun_path))
			(void)snprintf(out, ACTIVATION_TEXT_MAX, "%.*s",
			    (int)sizeof address.local.sun_path,
			    address.local.sun_path);
		return;
	}
	if (getnameinfo(&address.any, len, host, sizeof host, port, sizeof port,
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	v6 = address.any.sa_family == AF_INET6;
	(void)snprintf(out, ACTIVATION_TEXT_MAX, "%s%.64s%s:%.8s",
	    v6 ? "[" : "", host, v6 ? "]" : "", port);
}

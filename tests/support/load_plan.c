#include "tests/support/load_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/tcp.h>

static void
die(const char *what, const char *text)
{
	(void)fprintf(stderr, "load_plan: %s: %s\n", what, text);
	exit(EXIT_FAILURE);
}

/* Takes the line over. */
static void
add_expectation(struct load_plan *plan, char *line)
{
	struct load_expectation *e;
	char *tab = strchr(line, '\t');
	char *number = strstr(line, "{}");

	line[strcspn(line, "\n")] = '\0';
	if (tab == NULL || tab - line > LOAD_KEY_MAX / 2)
		die("bad line", line);
	*tab = '\0';
	if (plan->expected_count == plan->expected_room) {
		plan->expected_room = plan->expected_room * 2 + 1024;
		plan->expected = realloc(plan->expected,
		    plan->expected_room * sizeof *plan->expected);
	}
	if (plan->expected == NULL)
		die("out of memory", line);
	e = &plan->expected[plan->expected_count++];
	*e = (struct load_expectation){ .before = line, .reply = tab + 1 };
	if (number != NULL && number < tab) {
		*number = '\0';
		e->after = number + 2;
	}
}

void
load_plan_read(struct load_plan *plan, const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (in == NULL)
		die("cannot open", path);
	while (getline(&line, &size, in) > 0) {
		add_expectation(plan, line);
		line = NULL;
		size = 0;
	}
	free(line);
	(void)fclose(in);
	if (plan->expected_count == 0)
		die("empty", path);
}

void
load_plan_add_address(struct load_plan *plan, const char *text)
{
	struct load_address *a = &plan->addresses[plan->address_count];
	const char *colon = strrchr(text, ':');
	char host[64];

	if (plan->address_count++ == LOAD_ADDRESSES_MAX)
		die("too many addresses", text);
	if (text[0] == '/') {
		a->to.un.sun_family = AF_UNIX;
		(void)snprintf(
		    a->to.un.sun_path, sizeof a->to.un.sun_path, "%s", text);
		a->len = sizeof a->to.un;
		return;
	}
	(void)snprintf(host, sizeof host, "%.*s",
	    colon == NULL ? 0 : (int)(colon - text), text);
	a->to.in.sin_family = AF_INET;
	a->len = sizeof a->to.in;
	if (colon == NULL || inet_pton(AF_INET, host, &a->to.in.sin_addr) != 1)
		die("bad address", text);
	a->to.in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

int
load_plan_connect(const struct load_plan *plan, size_t target)
{
	const struct load_address *a = &plan->addresses[target];
	const int on = 1;
	int fd = socket(a->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("no socket", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, &a->to.any, a->len) == 0 || errno == EINPROGRESS)
		return fd;
	(void)close(fd);
	return -1;
}

const struct load_expectation *
load_plan_next(struct load_plan *plan, char text[static LOAD_KEY_MAX])
{
	const struct load_expectation *e = &plan->expected[plan->next];

	plan->next = (plan->next + 1) % plan->expected_count;
	if (e->after == NULL)
		(void)snprintf(text, LOAD_KEY_MAX, "%s", e->before);
	else
		(void)snprintf(text, LOAD_KEY_MAX, "%s%" PRIu64 "%s", e->before,
		    plan->next_number++, e->after);
	return e;
}

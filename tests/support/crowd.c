/*
 * crowd - connects and leaves, over and over
 *
 *   crowd [-r RATE] [-s HEX] ADDRESS
 *
 * ADDRESS is 127.0.0.1:PORT or the path of a UNIX socket.  RATE connections a
 * second, as many as can be without it.  Of each four, two leave with a reset,
 * one with a FIN and then a reset, and one resets after the bytes of -s.  No
 * connection is left in TIME_WAIT, so that there are ports enough.
 *
 * Ends with its standard input, and prints a line of JSON: how many connections
 * it made, how many could not be made, and in how many seconds.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/load_plan.h"

#define BURST 16 /* connections between looks at the clock and the input */
#define SAY_MAX 4096

struct crowd {
	struct load_plan plan;
	double rate; /* 0: no limit */
	char say[SAY_MAX];
	size_t say_len;
	uint64_t made, failed;
};

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
come_and_go(struct crowd *c)
{
	const struct linger reset = { 1, 0 };
	int fd = load_plan_connect(&c->plan, 0);

	if (fd < 0) {
		c->failed++;
		return;
	}
	if (c->made % 4 == 2)
		(void)shutdown(fd, SHUT_WR);
	if (c->made % 4 == 3)
		(void)send(fd, c->say, c->say_len, MSG_NOSIGNAL);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	(void)close(fd);
	c->made++;
}

/* Whether standard input has ended, after so many ms at most. */
static bool
told_to_end(int ms)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };

	return poll(&input, 1, ms) > 0;
}

static void
parse_arguments(struct crowd *c, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:s:")) != -1) {
		if (option == 'r') {
			c->rate = strtod(optarg, NULL);
		} else if (option == 's') {
			for (const char *at = optarg; at[0] != '\0' &&
			     at[1] != '\0' && c->say_len < SAY_MAX;
			     at += 2) {
				const char digits[] = { at[0], at[1], '\0' };

				c->say[c->say_len++] =
				    (char)strtoul(digits, NULL, 16);
			}
		} else {
			exit(64);
		}
	}
	if (optind + 1 != argc)
		exit(64);
	load_plan_add_address(&c->plan, argv[optind]);
}

int
main(int argc, char **argv)
{
	static struct crowd c;
	double began = seconds();
	int wait_ms = 0;

	parse_arguments(&c, argc, argv);
	while (!told_to_end(wait_ms)) {
		double due = (seconds() - began) * c.rate;

		wait_ms = c.rate > 0 && (double)c.made + BURST > due ? 1 : 0;
		for (int i = 0; wait_ms == 0 && i < BURST; i++)
			come_and_go(&c);
	}
	(void)printf("{\"made\":%llu,\"failed\":%llu,\"seconds\":%.3f}\n",
	    (unsigned long long)c.made, (unsigned long long)c.failed,
	    seconds() - began);
	return EXIT_SUCCESS;
}

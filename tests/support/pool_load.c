/*
 * pool_load - socketmap load whose every answer is checked
 *
 *   pool_load [-c CONNECTIONS] [-w WAIT_MS] [-t TIMEOUT_MS] EXPECTED ADDRESS…
 *
 * An ADDRESS is 127.0.0.1:PORT or the path of a UNIX socket; the connections
 * are spread over them.  EXPECTED has a line "MAP KEY<tab>REPLY" for each
 * lookup, asked in turn, over and over; {} in KEY becomes a number that no
 * other request of the run has.
 *
 * Closed loop: a connection asks WAIT_MS after its last answer.  Standard input
 * takes, a line each:
 *
 *   phase NAME   print the figures since the last phase, and count anew
 *   rate N       open loop: N requests a second, each on a free connection
 *                and timed from when it was due; 0 goes back
 *
 * At its end, or at SIGTERM, the requests under way are waited for, and the
 * last figures printed: a line of JSON each (load_figures.c).
 *
 * A connection that the server closes between requests is made anew.  A request
 * is "crossed", not lost, if the server had closed before it read it: it then
 * has answered with a reset, as Postfix would notice and ask again.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/load_figures.h"
#include "tests/support/load_plan.h"

#define REQUEST_MAX (LOAD_KEY_MAX + 8)
#define REPLY_MAX 4096
#define RECONNECT_NS 20000000ULL
#define DOUBT_NS 50000000ULL /* until a reset must have arrived */
#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL

enum client_state {
	CLIENT_OFF,        /* not connected; connects at due_ns */
	CLIENT_CONNECTING, /* asked already if it has a request */
	CLIENT_IDLE,       /* asks at due_ns, or when a request arrives */
	CLIENT_ASKED,
	CLIENT_IN_DOUBT, /* closed while asked; judged at due_ns */
};

struct client {
	enum client_state state;
	int fd;
	size_t target;
	uint64_t due_ns;
	uint64_t asked_ns;
	const struct load_expectation *asked;
	size_t received;
	char request[REQUEST_MAX];
	char reply[REPLY_MAX];
};

struct load {
	int ep;
	struct load_plan plan;
	struct client *clients;
	size_t client_count;
	uint64_t wait_ns;
	uint64_t timeout_ns;
	double rate; /* a second; 0: closed loop */
	uint64_t rate_since_ns;
	uint64_t rate_done;
	size_t next_client; /* where the search for a free one starts */
	bool ending;
	char command[256];
	size_t command_len;
	struct figures figures;
};

static volatile sig_atomic_t terminated;

static void
on_signal(int number)
{
	(void)number;
	terminated = 1;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* --- Asking -------------------------------------------------------------- */

static void
send_request(struct load *l, struct client *c, uint64_t asked_ns)
{
	char text[LOAD_KEY_MAX];
	const struct load_expectation *e = load_plan_next(&l->plan, text);
	int n = snprintf(
	    c->request, sizeof c->request, "%zu:%s,", strlen(text), text);

	c->asked = e;
	c->asked_ns = asked_ns;
	c->received = 0;
	c->state = CLIENT_ASKED;
	/* What cannot be written shows when it is read. */
	(void)send(c->fd, c->request, (size_t)n, MSG_NOSIGNAL);
}

static void
disconnect(struct client *c, uint64_t due_ns)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	c->asked = NULL;
	c->state = CLIENT_OFF;
	c->due_ns = due_ns;
}

static void
connect_client(struct load *l, struct client *c, uint64_t now)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data = { .ptr = c } };

	c->fd = load_plan_connect(&l->plan, c->target);
	if (c->fd < 0) {
		figures_count(&l->figures, FIGURES_UNCONNECTED, NULL);
		disconnect(c, now + RECONNECT_NS);
		return;
	}
	c->state = CLIENT_CONNECTING;
	c->due_ns = now + l->timeout_ns;
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll_ctl");
}

/* --- Answers ------------------------------------------------------------- */

static void
count_ending(struct load *l, const struct client *c, enum figures_event event,
    const char *what)
{
	char text[FIGURES_TEXT_MAX];

	(void)snprintf(text, sizeof text, "%.150s for %.120s, wanted %.100s",
	    what, c->request, c->asked->reply);
	figures_count(&l->figures, event, text);
}

static void
judge(struct load *l, struct client *c, const char *reply, uint64_t now)
{
	static const struct {
		const char *word;
		enum figures_event event;
	} failures[] = {
		{ "TEMP ", FIGURES_TEMP },
		{ "TIMEOUT ", FIGURES_TIMEOUT },
		{ "PERM ", FIGURES_PERM },
	};

	if (strcmp(reply, c->asked->reply) == 0) {
		figures_right(&l->figures,
		    strncmp(reply, "OK ", 3) == 0 ? FIGURES_OK
						  : FIGURES_NOTFOUND,
		    c->target, c->asked_ns, now);
		return;
	}
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		if (strncmp(reply, failures[i].word,
			strlen(failures[i].word)) == 0) {
			figures_failed(&l->figures, failures[i].event, reply,
			    c->asked_ns, now);
			return;
		}
	}
	count_ending(l, c, FIGURES_WRONG, reply);
}

/* One whole netstring and nothing else, or not yet. */
static void
take_reply(struct load *l, struct client *c, uint64_t now)
{
	char *colon = memchr(c->reply, ':', c->received);
	size_t len = (size_t)strtoul(c->reply, NULL, 10);
	size_t head;

	if (colon == NULL && c->received < 10)
		return;
	head = colon == NULL ? 0 : (size_t)(colon - c->reply) + 1;
	if (head > 0 && head + len + 2 <= REPLY_MAX &&
	    c->received < head + len + 1)
		return;
	if (head == 0 || head + len + 2 > REPLY_MAX ||
	    c->reply[head + len] != ',') {
		count_ending(l, c, FIGURES_WRONG, "no netstring");
		disconnect(c, now + RECONNECT_NS);
		return;
	}
	if (c->received > head + len + 1)
		count_ending(l, c, FIGURES_SURPLUS, c->reply);
	c->reply[head + len] = '\0';
	judge(l, c, c->reply + head, now);
	c->asked = NULL;
	c->state = CLIENT_IDLE;
	c->due_ns = now + l->wait_ns;
}

static void
on_end(struct load *l, struct client *c, bool reset, uint64_t now)
{
	if (c->state != CLIENT_ASKED) {
		figures_count(&l->figures, FIGURES_CLOSED, NULL);
		disconnect(c, now + RECONNECT_NS);
	} else if (reset && c->received == 0) {
		figures_count(&l->figures, FIGURES_CROSSED, NULL);
		disconnect(c, now + RECONNECT_NS);
	} else {
		c->state = CLIENT_IN_DOUBT;
		c->due_ns = now + DOUBT_NS;
	}
}

/* A reset has come by now, if the request was not read. */
static void
end_doubt(struct load *l, struct client *c, uint64_t now)
{
	int error = 0;
	socklen_t len = sizeof error;

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0 && c->received == 0)
		figures_count(&l->figures, FIGURES_CROSSED, NULL);
	else
		count_ending(l, c, FIGURES_LOST, "the connection ended");
	disconnect(c, now + RECONNECT_NS);
}

static void
receive(struct load *l, struct client *c, uint64_t now)
{
	while (c->state == CLIENT_ASKED || c->state == CLIENT_IDLE) {
		ssize_t n;

		if (c->state == CLIENT_IDLE)
			c->received = 0;
		n = recv(c->fd, c->reply + c->received,
		    REPLY_MAX - 1 - c->received, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			on_end(l, c, n < 0, now);
			return;
		}
		c->received += (size_t)n;
		c->reply[c->received] = '\0';
		if (c->state == CLIENT_IDLE)
			figures_count(&l->figures, FIGURES_SURPLUS, c->reply);
		else
			take_reply(l, c, now);
	}
}

static void
on_event(struct load *l, struct client *c, uint64_t now)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (c->state == CLIENT_CONNECTING) {
		(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			figures_count(&l->figures, FIGURES_UNCONNECTED, NULL);
			disconnect(c, now + RECONNECT_NS);
			return;
		}
		c->state = CLIENT_IDLE;
		c->due_ns = now;
	}
	receive(l, c, now);
}

/* --- Time ---------------------------------------------------------------- */

static void
on_due(struct load *l, struct client *c, uint64_t now)
{
	switch (c->state) {
	case CLIENT_OFF:
		if (!l->ending)
			connect_client(l, c, now);
		break;
	case CLIENT_CONNECTING:
		figures_count(&l->figures, FIGURES_UNCONNECTED, NULL);
		disconnect(c, now);
		break;
	case CLIENT_IDLE:
		if (!l->ending && l->rate == 0)
			send_request(l, c, now);
		break;
	case CLIENT_ASKED:
		if (now - c->asked_ns < l->timeout_ns)
			break;
		count_ending(l, c, FIGURES_LOST, "no answer in time");
		disconnect(c, now);
		break;
	case CLIENT_IN_DOUBT:
		end_doubt(l, c, now);
		break;
	}
}

static void
send_arrivals(struct load *l, uint64_t now)
{
	double due = (double)(now - l->rate_since_ns) / 1e9 * l->rate;

	for (; l->rate_done < (uint64_t)due; l->rate_done++) {
		uint64_t asked_ns = l->rate_since_ns +
		    (uint64_t)((double)l->rate_done / l->rate * 1e9);
		size_t tries = 0;
		struct client *c;

		do {
			c = &l->clients[l->next_client];
			l->next_client = (l->next_client + 1) % l->client_count;
		} while (c->state != CLIENT_IDLE && ++tries < l->client_count);
		if (c->state == CLIENT_IDLE)
			send_request(l, c, asked_ns);
		else
			figures_count(&l->figures, FIGURES_UNSENT, NULL);
	}
}

static void
tick(struct load *l, uint64_t now)
{
	for (size_t i = 0; i < l->client_count; i++) {
		struct client *c = &l->clients[i];

		if (c->due_ns <= now || c->state == CLIENT_ASKED)
			on_due(l, c, now);
	}
	if (l->rate > 0 && !l->ending)
		send_arrivals(l, now);
}

static bool
under_way(const struct load *l)
{
	for (size_t i = 0; i < l->client_count; i++) {
		if (l->clients[i].asked != NULL)
			return true;
	}
	return false;
}

/* --- Commands ------------------------------------------------------------ */

static void
obey(struct load *l, const char *command, uint64_t now)
{
	if (strncmp(command, "phase ", 6) == 0) {
		figures_print(&l->figures, now, stdout);
		figures_start(&l->figures, command + 6, now);
	} else if (strncmp(command, "rate ", 5) == 0) {
		l->rate = strtod(command + 5, NULL);
		l->rate_since_ns = now;
		l->rate_done = 0;
	} else {
		(void)fprintf(stderr, "pool_load: what is %s?\n", command);
		exit(EXIT_FAILURE);
	}
}

static void
read_commands(struct load *l, uint64_t now)
{
	ssize_t n = read(STDIN_FILENO, l->command + l->command_len,
	    sizeof l->command - l->command_len);
	char *start = l->command;
	char *end;

	if (n <= 0) {
		l->ending = true;
		(void)epoll_ctl(l->ep, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	l->command_len += (size_t)n;
	while ((end = memchr(start, '\n',
		    l->command_len - (size_t)(start - l->command))) != NULL) {
		*end = '\0';
		obey(l, start, now);
		start = end + 1;
	}
	l->command_len -= (size_t)(start - l->command);
	memmove(l->command, start, l->command_len);
}

/* --- Start --------------------------------------------------------------- */

static void
parse_arguments(struct load *l, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:w:t:")) != -1) {
		unsigned long value =
		    optarg == NULL ? 0 : strtoul(optarg, NULL, 10);

		if (option == 'c' && value > 0)
			l->client_count = value;
		else if (option == 'w')
			l->wait_ns = value * NS_PER_MS;
		else if (option == 't' && value > 0)
			l->timeout_ns = value * NS_PER_MS;
		else
			exit(64);
	}
	if (optind + 1 >= argc)
		exit(64);
	load_plan_read(&l->plan, argv[optind++]);
	while (optind < argc)
		load_plan_add_address(&l->plan, argv[optind++]);
}

static void
start(struct load *l)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct sigaction action = { .sa_handler = on_signal };
	struct rlimit files;
	uint64_t now = now_ns();

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)sigaction(SIGTERM, &action, NULL);
	l->ep = epoll_create1(EPOLL_CLOEXEC);
	l->clients = calloc(l->client_count, sizeof *l->clients);
	if (l->ep < 0 || l->clients == NULL ||
	    epoll_ctl(l->ep, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
		die("start");
	figures_start(&l->figures, "first", now);
	for (size_t i = 0; i < l->client_count; i++) {
		l->clients[i].fd = -1;
		l->clients[i].target = i % l->plan.address_count;
		/* Not all at once. */
		l->clients[i].due_ns = now + l->wait_ns * i / l->client_count;
	}
}

int
main(int argc, char **argv)
{
	static struct load l = { .client_count = 64,
		.timeout_ns = 30 * NS_PER_S };
	struct epoll_event events[256];

	parse_arguments(&l, argc, argv);
	start(&l);
	while (!l.ending || under_way(&l)) {
		int n = epoll_wait(l.ep, events, 256, 1);
		uint64_t now = now_ns();

		l.ending = l.ending || terminated;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				read_commands(&l, now);
			else
				on_event(&l, events[i].data.ptr, now);
		}
		tick(&l, now);
	}
	figures_print(&l.figures, now_ns(), stdout);
	return EXIT_SUCCESS;
}

/*
 * load_socketmap - closed-loop load for a socketmap server
 *
 *   load-socketmap [-c CONNECTIONS] [-s SECONDS] [-m MAP] [-k KEYS]
 *                  [-p PIPELINE] PORT
 *
 * Each connection keeps PIPELINE requests (1) on their way, for keys
 * user0@example.org to user<KEYS-1>@example.org in turn.  Prints one line of
 * JSON: requests a second, and latency percentiles in microseconds.  One
 * thread: it needs a processor of its own.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/tcp.h>

#include "frontend/socketmap/netstring.h"

#define REPLY_MAX 100000
/* Buckets of latency: one for each us up to 1024, then for each 64 us. */
#define BUCKETS 4096

struct client {
	int fd;
	uint64_t sent_ns;
	unsigned waiting;
	size_t len;
	char in[REPLY_MAX + NETSTRING_OVERHEAD];
};

struct load {
	unsigned connections;
	unsigned seconds;
	const char *map;
	unsigned keys;
	unsigned pipeline;
	uint16_t port;
	unsigned next_key;
	uint64_t answers;
	uint64_t not_ok;
	uint64_t latency[BUCKETS];
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t
bucket_of(uint64_t us)
{
	uint64_t bucket = us < 1024 ? us : 1024 + (us - 1024) / 64;

	return bucket < BUCKETS ? (size_t)bucket : BUCKETS - 1;
}

static uint64_t
percentile(const struct load *l, double share)
{
	uint64_t seen = 0;
	size_t i = 0;

	for (; i < BUCKETS - 1; i++) {
		seen += l->latency[i];
		if ((double)seen >= share * (double)l->answers)
			break;
	}
	return i < 1024 ? i : 1024 + (i - 1024) * 64;
}

static void
send_round(struct load *l, struct client *c)
{
	char out[16 * 1024];
	char text[256];
	size_t size = 0;

	for (unsigned i = 0; i < l->pipeline; i++) {
		int n = snprintf(text, sizeof text, "%s user%u@example.org",
		    l->map, l->next_key);

		l->next_key = (l->next_key + 1) % l->keys;
		size += netstring_encode((struct slice){ text, (size_t)n },
		    out + size, sizeof out - size);
	}
	c->waiting = l->pipeline;
	c->sent_ns = now_ns();
	if (write(c->fd, out, size) != (ssize_t)size)
		die("write");
}

static void
receive(struct load *l, struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->len, sizeof c->in - c->len);
	struct slice text;
	size_t done = 0;
	size_t used;

	if (n <= 0)
		die("read");
	c->len += (size_t)n;
	while (netstring_decode((struct slice){ c->in + done, c->len - done },
		   REPLY_MAX, &text, &used) == NETSTRING_OK) {
		done += used;
		c->waiting--;
		l->answers++;
		l->not_ok += text.len < 2 || memcmp(text.ptr, "OK", 2) != 0;
		l->latency[bucket_of((now_ns() - c->sent_ns) / 1000)]++;
	}
	c->len -= done;
	memmove(c->in, c->in + done, c->len);
	if (c->waiting == 0)
		send_round(l, c);
}

static struct client *
connect_client(const struct load *l, int ep)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(l->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct client *c = calloc(1, sizeof *c);
	struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = c } };
	const int on = 1;

	if (c == NULL)
		die("calloc");
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event);
	return c;
}

static void
parse_options(struct load *l, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:s:m:k:p:")) != -1) {
		unsigned value =
		    optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		if (option == 'c' && value > 0)
			l->connections = value;
		else if (option == 's' && value > 0)
			l->seconds = value;
		else if (option == 'm')
			l->map = optarg;
		else if (option == 'k' && value > 0)
			l->keys = value;
		else if (option == 'p' && value > 0 && value <= 200)
			l->pipeline = value;
		else
			exit(64);
	}
	if (optind + 1 != argc)
		exit(64);
	l->port = (uint16_t)strtoul(argv[optind], NULL, 10);
}

int
main(int argc, char **argv)
{
	static struct load l = { .connections = 64,
		.seconds = 3,
		.map = "alias",
		.keys = 1000,
		.pipeline = 1 };
	int ep = epoll_create1(0);
	uint64_t start;
	uint64_t end;

	parse_options(&l, argc, argv);
	for (unsigned i = 0; i < l.connections; i++)
		send_round(&l, connect_client(&l, ep));
	start = now_ns();
	l.answers = 0;
	do {
		struct epoll_event events[256];
		int n = epoll_wait(ep, events, 256, 1000);

		for (int i = 0; i < n; i++)
			receive(&l, events[i].data.ptr);
		end = now_ns();
	} while (end - start < (uint64_t)l.seconds * 1000000000);
	printf("{\"connections\":%u,\"per_second\":%.0f,\"not_ok\":%llu,"
	       "\"p50_us\":%llu,\"p99_us\":%llu,\"p999_us\":%llu}\n",
	    l.connections, (double)l.answers * 1e9 / (double)(end - start),
	    (unsigned long long)l.not_ok,
	    (unsigned long long)percentile(&l, 0.5),
	    (unsigned long long)percentile(&l, 0.99),
	    (unsigned long long)percentile(&l, 0.999));
	return 0;
}

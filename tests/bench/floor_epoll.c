/*
 * floor_epoll - how fast a socketmap server can be at all
 *
 *   floor-epoll [PORT]
 *
 * A bare epoll(7) loop that answers every request with "OK " and its key: one
 * read and one write per turn and connection, no limits, no timeouts, no
 * memory of its own per connection.  A measure to hold servers against and
 * nothing to run otherwise: a request that comes in pieces closes its
 * connection.  Prints "listening on 127.0.0.1, port N".
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/tcp.h>

#include "frontend/socketmap/netstring.h"

#define BYTES (64 * 1024)
#define QUERY_MAX 100000

/* Answer all of in to out; returns the reply's bytes, 0 to close. */
static size_t
answer(struct slice in, char *out)
{
	size_t size = 0;
	struct slice text;
	size_t used;

	while (in.len > 0) {
		char reply[1024] = "OK ";
		const char *space;
		size_t key;

		if (netstring_decode(in, QUERY_MAX, &text, &used) !=
		    NETSTRING_OK)
			return 0;
		space = memchr(text.ptr, ' ', text.len);
		if (space == NULL)
			return 0;
		key = (size_t)(text.ptr + text.len - space - 1);
		if (key > sizeof reply - 3)
			return 0;
		memcpy(reply + 3, space + 1, key);
		size += netstring_encode((struct slice){ reply, key + 3 },
		    out + size, 2 * BYTES - size);
		in.ptr += used;
		in.len -= used;
	}
	return size;
}

static void
serve(int fd)
{
	static char in[BYTES];
	static char out[2 * BYTES];
	ssize_t n = read(fd, in, sizeof in);
	size_t size = n > 0 ? answer((struct slice){ in, (size_t)n }, out) : 0;

	if (size == 0 || write(fd, out, size) != (ssize_t)size)
		(void)close(fd);
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		perror("listen");
		exit(1);
	}
	printf("listening on 127.0.0.1, port %u\n",
	    (unsigned)ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

int
main(int argc, char **argv)
{
	int listener =
	    listen_on(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0);
	int ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN,
		.data = { .fd = listener } };

	(void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		struct epoll_event events[1024];
		int n = epoll_wait(ep, events, 1024, -1);

		for (int i = 0; i < n; i++) {
			const int on = 1;
			int fd = events[i].data.fd;

			if (fd != listener) {
				serve(fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL,
				    SOCK_NONBLOCK)) >= 0) {
				(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY,
				    &on, sizeof on);
				event.data.fd = fd;
				(void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
			}
		}
	}
}

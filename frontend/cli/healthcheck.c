#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/quote.h"
#include "frontend/cli/command.h"

#define LIMIT_S 5
#define REPLY_BYTES_MAX 8192 /* more of an answer is not read */
#define HOST_BYTES_MAX 255

static const char help[] =
    "Usage: userli-bridge healthcheck http://HOST[:PORT]/PATH\n"
    "\n"
    "Asks for the URL, as a container's health check does.  Exit status: 0 "
    "when\n"
    "the answer is 2xx, 69 with one line why when not or when there is none\n"
    "within 5 s, 64 usage.\n";

struct url {
	char host[HOST_BYTES_MAX + 1]; /* without brackets */
	char port[6];
	const char *authority; /* "host:port" as written, for Host: */
	size_t authority_len;
	const char *path; /* "" or from '/' on, with the query */
};

/* --- The URL ------------------------------------------------------------ */

static bool
parse_port(const char *text, size_t len, char out[static 6])
{
	if (len == 0 || len > 5 || strspn(text, "0123456789") < len)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return strtoul(out, NULL, 10) >= 1 && strtoul(out, NULL, 10) <= 65535;
}

/* Split "host", "host:port", "[::1]" or "[::1]:port". */
static bool
parse_authority(struct url *url)
{
	const char *host = url->authority;
	const char *end = host + url->authority_len;
	const char *host_end;
	const char *rest; /* ":port" or nothing */

	if (host < end && *host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		rest = host_end == NULL ? end : host_end + 1;
	} else {
		host_end = memchr(host, ':', (size_t)(end - host));
		if (host_end == NULL)
			host_end = end;
		rest = host_end;
	}
	if (host_end == NULL || host_end == host ||
	    host_end - host > HOST_BYTES_MAX)
		return false;
	memcpy(url->host, host, (size_t)(host_end - host));
	url->host[host_end - host] = '\0';
	memcpy(url->port, "80", sizeof "80");
	return rest == end ||
	    (*rest == ':' &&
		parse_port(rest + 1, (size_t)(end - rest) - 1, url->port));
}

/* False with the reason for what this cannot ask for. */
static bool
parse_url(const char *text, struct url *url, struct error *error)
{
	static const char scheme[] = "http://";
	char shown[QUOTE_SIZE];

	(void)quote_value(slice_of(text), shown);
	*url = (struct url){ 0 };
	if (strncmp(text, scheme, sizeof scheme - 1) != 0) {
		error_set(error, "%s does not start with http://", shown);
		return false;
	}
	/* What would end the request's line, or what a server never sees. */
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#') {
			error_set(
			    error, "%s has a character no URL has", shown);
			return false;
		}
	}
	url->authority = text + sizeof scheme - 1;
	url->authority_len = strcspn(url->authority, "/?");
	url->path = url->authority + url->authority_len;
	if (memchr(url->authority, '@', url->authority_len) != NULL ||
	    !parse_authority(url)) {
		error_set(error, "%s has no host and port such as %s", shown,
		    "127.0.0.1:10002 or [::1]:10002 in it");
		return false;
	}
	return true;
}

/* --- Asking ------------------------------------------------------------- */

/* Connected, or -1 with the reason. */
static int
connect_to(const struct url *url, struct error *error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int failure = getaddrinfo(url->host, url->port, &hints, &list);
	int fd = -1;

	if (failure != 0) {
		error_set(error, "cannot resolve %s: %s", url->host,
		    gai_strerror(failure));
		return -1;
	}
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			failure = errno;
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		error_set(error, "cannot reach %s port %s: %s", url->host,
		    url->port, strerror(failure));
	return fd;
}

static bool
send_request(int fd, const struct url *url)
{
	struct buffer request;
	struct slice rest;
	ssize_t n = 0;

	buffer_init(&request, REPLY_BYTES_MAX + strlen(url->path));
	if (buffer_printf(&request,
		"GET %s%s HTTP/1.0\r\nHost: %.*s\r\n"
		"User-Agent: %s/%s\r\nConnection: close\r\n\r\n",
		url->path[0] == '/' ? "" : "/", url->path,
		(int)url->authority_len, url->authority, COMMAND_PROGRAM,
		PROJECT_VERSION)) {
		rest = buffer_slice(&request);
		while (rest.len > 0 &&
		    (n = send(fd, rest.ptr, rest.len, MSG_NOSIGNAL)) > 0) {
			rest.ptr += n;
			rest.len -= (size_t)n;
		}
	}
	buffer_fini(&request);
	return n > 0;
}

/* Read until the end of the answer, or as much as is of interest. */
static size_t
receive(int fd, char reply[static REPLY_BYTES_MAX])
{
	size_t len = 0;
	ssize_t n;

	while (len < REPLY_BYTES_MAX &&
	    (n = recv(fd, reply + len, REPLY_BYTES_MAX - len, 0)) > 0)
		len += (size_t)n;
	return len;
}

/* --- The answer --------------------------------------------------------- */

/* "HTTP/1.1 503 …" to 503; 0 for what is no HTTP. */
static unsigned
status_of(struct slice reply)
{
	unsigned status = 0;

	if (reply.len < 12 || memcmp(reply.ptr, "HTTP/1.", 7) != 0 ||
	    reply.ptr[7] < '0' || reply.ptr[7] > '9' || reply.ptr[8] != ' ')
		return 0;
	for (size_t i = 9; i < 12; i++) {
		if (reply.ptr[i] < '0' || reply.ptr[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(reply.ptr[i] - '0');
	}
	return status;
}

/* The text up to the end of its first line. */
static struct slice
first_line(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\r' || text.ptr[i] == '\n')
			return (struct slice){ text.ptr, i };
	}
	return text;
}

static struct slice
body_of(struct slice reply)
{
	const char *end = memmem(reply.ptr, reply.len, "\r\n\r\n", 4);

	if (end == NULL)
		return SLICE("");
	return (
	    struct slice){ end + 4, reply.len - (size_t)(end + 4 - reply.ptr) };
}

static enum command_exit
judge(const char *text, struct slice reply)
{
	unsigned status = status_of(reply);
	struct slice body;
	char head[100];
	char why[300];

	if (status >= 200 && status <= 299)
		return COMMAND_OK;
	if (status == 0) {
		command_complain("%s: %s", text,
		    reply.len == 0 ? "closed the connection without an answer"
				   : "the answer is not HTTP");
		return COMMAND_UNAVAILABLE;
	}
	body = first_line(body_of(reply));
	reply = first_line(reply);
	reply.ptr += 9; /* "HTTP/1.1 " */
	reply.len -= 9;
	command_complain("%s: %s%s%s", text,
	    command_printable(reply, head, sizeof head),
	    body.len > 0 ? ": " : "", command_printable(body, why, sizeof why));
	return COMMAND_UNAVAILABLE;
}

/* Bounds everything, name resolution too.  Only what is safe in a handler. */
static void
on_alarm(int signal_number)
{
	static const char line[] =
	    COMMAND_PROGRAM ": healthcheck: no answer within 5 s\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof line - 1);

	(void)signal_number;
	(void)ignored;
	_exit(COMMAND_UNAVAILABLE);
}

static enum command_exit
run(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { NULL };
	const struct sigaction action = { .sa_handler = on_alarm };
	struct command_options options = { 0 };
	char reply[REPLY_BYTES_MAX];
	size_t len = 0;
	enum command_exit status;
	struct error error;
	struct url url;
	int at;
	int fd;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at != 1)
		return command_usage(self, "one URL is needed");
	if (!parse_url(argv[at], &url, &error))
		return command_usage(self, "%s", error.text);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)alarm(LIMIT_S);
	fd = connect_to(&url, &error);
	if (fd < 0) {
		command_complain("%s: %s", argv[at], error.text);
		return COMMAND_UNAVAILABLE;
	}
	if (send_request(fd, &url))
		len = receive(fd, reply);
	(void)close(fd);
	return judge(argv[at], (struct slice){ reply, len });
}

const struct command command_healthcheck = {
	.name = "healthcheck",
	.summary = "ask for a probe's URL: exit status 0 when it is well",
	.help = help,
	.run = run,
};

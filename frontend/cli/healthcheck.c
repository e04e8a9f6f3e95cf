#include <signal.h>
#include <unistd.h>

#include "common/quote.h"
#include "frontend/cli/command.h"
#include "frontend/cli/http_client.h"

#define LIMIT_S 5
#define REPLY_BYTES_MAX 8192 /* more of an answer is not read */

static const char help[] =
    "Usage: userli-bridge healthcheck http://HOST[:PORT]/PATH\n"
    "\n"
    "Asks for the URL, as a container's health check does.  Exit status: 0 "
    "when\n"
    "the answer is 2xx, 69 with one line why when not or when there is none\n"
    "within 5 s, 64 usage.\n";

struct url {
	struct http_target target;
	const char *path; /* "" or from '/' on, with the query */
};

/* False with the reason for what this cannot ask for. */
static bool
parse_url(const char *text, struct url *url, struct error *error)
{
	static const char scheme[] = "http://";
	struct slice authority;
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
	authority.ptr = text + sizeof scheme - 1;
	authority.len = strcspn(authority.ptr, "/?");
	url->path = authority.ptr + authority.len;
	if (authority.len == 0 || authority.ptr[0] == ':' ||
	    memchr(authority.ptr, '@', authority.len) != NULL ||
	    !http_target_parse(&url->target, authority)) {
		error_set(error, "%s has no host and port such as %s", shown,
		    "127.0.0.1:10002 or [::1]:10002 in it");
		return false;
	}
	return true;
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

static enum command_exit
judge(const char *text, const struct http_answer *answer)
{
	struct slice body = first_line(answer->body);
	char head[100];
	char why[300];

	if (answer->status >= 200 && answer->status <= 299)
		return COMMAND_OK;
	command_complain("%s: %s%s%s", text,
	    command_printable(answer->line, head, sizeof head),
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
	struct http_answer answer;
	struct buffer reply;
	enum command_exit status;
	struct error error;
	struct url url;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	if (argc - at != 1)
		return command_usage(self, "one URL is needed");
	if (!parse_url(argv[at], &url, &error))
		return command_usage(self, "%s", error.text);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)alarm(LIMIT_S);
	buffer_init(&reply, REPLY_BYTES_MAX);
	if (http_client_ask(&url.target, "GET", url.path, SLICE(""),
		LIMIT_S * 2000, &reply, &answer, &error)) {
		status = judge(argv[at], &answer);
	} else {
		command_complain("%s: %s", argv[at], error.text);
		status = COMMAND_UNAVAILABLE;
	}
	buffer_fini(&reply);
	return status;
}

const struct command command_healthcheck = {
	.name = "healthcheck",
	.summary = "ask for a probe's URL: exit status 0 when it is well",
	.help = help,
	.run = run,
};

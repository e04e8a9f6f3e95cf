#include "frontend/cli/doctor_backends.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/steps.h"
#include "frontend/cli/command.h"
#include "frontend/cli/rpc_client.h"

#define TIMEOUT_MS 5000
#define SKEW_MAX_S 30 /* webhooks and certificates bear a little */
#define DOMAIN "userli-bridge-doctor.invalid"
#define LOCAL "userli-bridge-doctor"

struct backend {
	struct rpc_client *client;
	char url[ENDPOINT_TEXT_MAX];
	char name[RPC_BACKEND_NAME_MAX + 1];
	struct findings *findings;
};

/* The text of a step, or empty. */
static struct slice
step_named(struct slice steps, const char *name)
{
	struct step step;

	while (steps_next(&steps, &step)) {
		if (slice_equal(step.name, slice_of(name)))
			return step.text;
	}
	return SLICE("");
}

static bool
contains(struct slice text, const char *what)
{
	return text.len > 0 &&
	    memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/* --- One backend ---------------------------------------------------------- */

static bool
check_health(struct backend *b)
{
	struct rpc_call call = { .method = RPC_HEALTH };
	struct slice version = slice_of(PROJECT_VERSION);
	struct lookup_result answer;
	struct error error;
	char shown[200];

	if (rpc_client_call(b->client, &call, &answer, &error) !=
	    RPC_CLIENT_OK) {
		findings_problem(b->findings,
		    "systemctl status userli-bridge-backend, its "
		    "BACKEND_LISTEN_URL, and what is between the hosts",
		    "%s", error.text);
		return false;
	}
	(void)command_printable(
	    rpc_client_backend(b->client), b->name, sizeof b->name);
	(void)command_printable(answer.data, shown, sizeof shown);
	if (answer.outcome != LOOKUP_OK) {
		findings_problem(b->findings,
		    answer.outcome == LOOKUP_DRAINING
			? "userli-bridge resume backend, on its host"
			: NULL,
		    "%s (%s) takes no lookups: %s", b->url, b->name,
		    lookup_outcome_name(answer.outcome));
		return false;
	}
	if (answer.data.len < version.len ||
	    memcmp(answer.data.ptr, version.ptr, version.len) != 0)
		findings_note(b->findings,
		    "%s (%s) is of version %s, this program "
		    "of " PROJECT_VERSION,
		    b->url, b->name, answer.data.len > 0 ? shown : "unknown");
	else
		findings_ok(b->findings, "%s (%s) takes lookups, version %s",
		    b->url, b->name, shown);
	return true;
}

static const char *
remedy(struct slice reason)
{
	if (contains(reason, "token"))
		return "USERLI_TOKEN, in the backend's settings: a token of "
		       "userli's whose scope is \"postfix\"";
	if (contains(reason, "base URL") || contains(reason, "URL"))
		return "USERLI_BASE_URL, in the backend's settings: userli's "
		       "address, without /api";
	return "USERLI_BASE_URL, in the backend's settings, and whether userli "
	       "is up";
}

static void
check_clock(struct backend *b, struct slice received)
{
	struct tm utc = { 0 };
	char text[64];
	const char *at;
	double skew;

	(void)command_printable(received, text, sizeof text);
	at = strstr(text, "at 2");
	if (at == NULL || strptime(at + 3, "%Y-%m-%dT%H:%M:%S", &utc) == NULL)
		return;
	skew = difftime(timegm(&utc), time(NULL));
	if (skew > SKEW_MAX_S || skew < -SKEW_MAX_S)
		findings_problem(b->findings, "run an NTP client on both hosts",
		    "the clock of %s is %.0f s off this host's", b->name, skew);
	else
		findings_ok(b->findings, "the clock of %s agrees", b->name);
}

/* Ask userli itself, for what it cannot have. */
static void
check_userli(struct backend *b)
{
	struct rpc_call call = { .method = RPC_LOOKUP,
		.how = RPC_HOW_DIRECT,
		.map = SLICE("domain"),
		.key = SLICE(DOMAIN) };
	struct lookup_result answer;
	struct error error;
	char shown[300];

	if (rpc_client_call(b->client, &call, &answer, &error) !=
	    RPC_CLIENT_OK) {
		findings_problem(b->findings, NULL, "%s", error.text);
		return;
	}
	(void)command_printable(answer.data, shown, sizeof shown);
	if (answer.outcome == LOOKUP_OK || answer.outcome == LOOKUP_NOTFOUND)
		findings_ok(b->findings,
		    "userli answers %s, and accepts its token", b->name);
	else
		findings_problem(b->findings, remedy(answer.data),
		    "%s has no answer of userli's: %s %s", b->name,
		    lookup_outcome_name(answer.outcome), shown);
	check_clock(b, step_named(answer.steps, "received"));
}

/* Whether the backend cuts "LOCAL" c "x" to LOCAL; -1 when it does not tell. */
static int
cuts_at(struct backend *b, char c)
{
	struct rpc_call call = { .method = RPC_LOOKUP,
		.how = RPC_HOW_EXPLAINED,
		.map = SLICE("mailbox") };
	struct lookup_result answer;
	struct slice rules;
	struct error error;
	char key[100];

	(void)snprintf(key, sizeof key, LOCAL "%cx@" DOMAIN, c);
	call.key = slice_of(key);
	if (rpc_client_call(b->client, &call, &answer, &error) != RPC_CLIENT_OK)
		return -1;
	rules = step_named(answer.steps, "rules");
	if (rules.len == 0)
		return -1;
	return contains(rules, "\"" LOCAL "@");
}

static void
check_delimiter(struct backend *b, const char *delimiter)
{
	char fix[200];

	if (delimiter[0] == '\0') {
		if (cuts_at(b, '+') == 1)
			findings_problem(b->findings,
			    "recipient_delimiter = +   (in main.cf)",
			    "%s cuts addresses at '+', Postfix has no "
			    "recipient_delimiter",
			    b->name);
		return;
	}
	for (const char *c = delimiter; *c != '\0'; c++) {
		int cuts = cuts_at(b, *c);

		(void)snprintf(fix, sizeof fix,
		    "POSTFIX_RECIPIENT_DELIMITER=%c   (in the settings of "
		    "%s)%s",
		    *c, b->name,
		    delimiter[1] != '\0'
			? ", and recipient_delimiter the same: one character"
			: "");
		if (cuts == 0)
			findings_problem(b->findings, fix,
			    "main.cf has recipient_delimiter = %s, and %s does "
			    "not cut at '%c': user%cext is not found",
			    delimiter, b->name, *c, *c);
		else if (cuts < 0)
			findings_note(b->findings,
			    "%s does not tell its recipient delimiter",
			    b->name);
		else
			findings_ok(b->findings,
			    "%s cuts at '%c', as Postfix does", b->name, *c);
	}
}

static void
check_address(
    const struct endpoint *e, const char *delimiter, struct findings *f)
{
	struct backend b = { .findings = f };
	struct error error;

	endpoint_format(e, ENDPOINT_RPC, b.url);
	findings_doing(f, "%s", b.url);
	b.client = rpc_client_new(b.url, TIMEOUT_MS, &error);
	if (b.client == NULL) {
		findings_problem(f, "RPC_TLS_CERT, RPC_TLS_KEY and RPC_TLS_CA",
		    "%s", error.text);
		return;
	}
	if (check_health(&b)) {
		check_userli(&b);
		if (delimiter != NULL)
			check_delimiter(&b, delimiter);
	}
	rpc_client_free(b.client);
}

/* --- Each of BACKEND_URLS ---------------------------------------------------
 */

static void
check_name(const struct endpoint *e, const char *delimiter, struct findings *f)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct endpoint numeric = *e;
	struct addrinfo *list;
	int failure;

	findings_doing(f, "the addresses of %s", e->host);
	failure = getaddrinfo(e->host, NULL, &hints, &list);
	if (failure != 0) {
		findings_problem(f, "BACKEND_URLS, or an entry in DNS",
		    "%s, which BACKEND_URLS names, has no address: %s", e->host,
		    gai_strerror(failure));
		return;
	}
	for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, numeric.host,
			sizeof numeric.host, NULL, 0, NI_NUMERICHOST) == 0)
			check_address(&numeric, delimiter, f);
	}
	freeaddrinfo(list);
}

void
doctor_backends(const struct frontend_settings *s, const char *delimiter,
    struct findings *f)
{
	(void)setenv("RPC_TLS_CERT", s->tls_cert, 1);
	(void)setenv("RPC_TLS_KEY", s->tls_key, 1);
	(void)setenv("RPC_TLS_CA", s->tls_ca, 1);
	for (size_t i = 0; i < s->backends.count; i++) {
		const struct endpoint *e = &s->backends.items[i];

		/* Addresses are dialled, but the name is believed. */
		(void)setenv("RPC_TLS_SERVER_NAME",
		    s->tls_server_name[0] != '\0' ? s->tls_server_name
						  : e->host,
		    1);
		if (e->by_srv)
			findings_note(f,
			    "%s is of SRV records: 'userli-bridge pool' shows "
			    "who that is",
			    e->host);
		else if (e->kind == ENDPOINT_UNIX)
			check_address(e, delimiter, f);
		else
			check_name(e, delimiter, f);
	}
}

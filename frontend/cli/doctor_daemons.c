#include "frontend/cli/doctor_daemons.h"

#include <math.h>
#include <time.h>

#include "frontend/cli/asker.h"
#include "frontend/cli/command.h"
#include "frontend/cli/exposition.h"
#include "frontend/cli/http_client.h"
#include "frontend/cli/json.h"

#define TIMEOUT_MS 5000
#define REPLY_BYTES_MAX ((size_t)16 << 20)
#define EXPIRY_SOON_S (14.0 * 86400)

static void
check_ready(const char *name, const char *where,
    const struct http_answer *answer, struct findings *f)
{
	json_t *json;

	if (answer->status == 200) {
		findings_ok(f, "the %s at %s is ready", name, where);
		return;
	}
	json = json_read(answer->body);
	findings_problem(f, NULL, "the %s at %s is not ready: %s", name, where,
	    json_text(json, "error"));
	json_decref(json);
}

static void
check_certificate(
    const char *name, const struct exposition *e, struct findings *f)
{
	static const struct exposition_selector expires = {
		"rpc_tls_certificate_expires_seconds", ""
	};
	double left = exposition_sum(e, &expires) - (double)time(NULL);

	if (isnan(left) || exposition_sum(e, &expires) == 0)
		return; /* without TLS */
	if (left > EXPIRY_SOON_S)
		findings_ok(f, "the %s's certificate is good for %.0f days",
		    name, left / 86400);
	else
		findings_problem(f,
		    "a new RPC_TLS_CERT, and SIGHUP: systemctl reload",
		    left > 0 ? "the %s's certificate expires in %.1f days"
			     : "the %s's certificate expired %.1f days ago",
		    name, fabs(left) / 86400);
}

static void
check_files(const char *name, const struct exposition *e, struct findings *f)
{
	static const struct exposition_selector open = { "process_open_fds",
		"" };
	static const struct exposition_selector most = { "process_max_fds",
		"" };

	if (exposition_sum(e, &open) > 0.8 * exposition_sum(e, &most))
		findings_problem(f, "LimitNOFILE=65536, in the unit",
		    "the %s has %.0f of %.0f file descriptors open", name,
		    exposition_sum(e, &open), exposition_sum(e, &most));
}

void
doctor_daemon(
    const char *name, const char *where, bool must_run, struct findings *f)
{
	struct http_target target;
	struct http_answer answer;
	struct exposition e;
	struct buffer reply;
	struct error error;

	findings_doing(f, "the %s at %s", name, where);
	buffer_init(&reply, REPLY_BYTES_MAX);
	if (!http_target_parse(&target, slice_of(where))) {
		findings_problem(f, NULL, "%s is no address", where);
	} else if (!http_client_ask(&target, "GET", "/ready", SLICE(""),
		       TIMEOUT_MS, &reply, &answer, &error)) {
		if (must_run)
			findings_problem(f,
			    "systemctl start userli-bridge-frontend, or its "
			    "METRICS_LISTEN_ADDR",
			    "the %s at %s does not answer: %s", name, where,
			    error.text);
		else
			findings_note(f,
			    "no %s answers at %s; name its METRICS_LISTEN_ADDR "
			    "if it is elsewhere",
			    name, where);
	} else {
		check_ready(name, where, &answer, f);
		if (http_client_ask(&target, "GET", "/metrics", SLICE(""),
			TIMEOUT_MS, &reply, &answer, &error)) {
			exposition_parse(&e, answer.body);
			check_certificate(name, &e, f);
			check_files(name, &e, f);
			exposition_fini(&e);
		}
	}
	buffer_fini(&reply);
}

/* --- As Postfix asks ------------------------------------------------------ */

static void
check_listener(const char *address, struct findings *f)
{
	struct lookup_result answer;
	struct asker *asker;
	struct error error;
	char shown[300];

	findings_doing(f, "%s", address);
	asker = asker_socketmap(address, TIMEOUT_MS, &error);
	if (asker == NULL) {
		findings_problem(f, NULL, "%s: %s", address, error.text);
		return;
	}
	if (asker->ask(asker, "domain", SLICE("userli-bridge-doctor.invalid"),
		&answer, &error) != ASKER_ANSWERED)
		findings_problem(f,
		    "systemctl start userli-bridge-frontend, or its "
		    "SOCKETMAP_LISTEN_ADDR",
		    "%s", error.text);
	else if (answer.outcome == LOOKUP_OK ||
	    answer.outcome == LOOKUP_NOTFOUND)
		findings_ok(f, "%s answers as Postfix asks", address);
	else
		findings_problem(f, NULL, "%s answers %s %s", address,
		    lookup_outcome_name(answer.outcome),
		    command_printable(answer.data, shown, sizeof shown));
	asker->free(asker);
}

void
doctor_listeners(const struct frontend_settings *s, struct findings *f)
{
	for (size_t i = 0; i < s->socketmap_listen.count; i++) {
		char address[ENDPOINT_TEXT_MAX];

		endpoint_format(
		    &s->socketmap_listen.items[i], ENDPOINT_SOCKETMAP, address);
		check_listener(address, f);
	}
}

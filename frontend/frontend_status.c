#include "frontend/frontend_status.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DAY 86400.0

/* A connection more than this share of the limit is worth a word. */
#define CROWDED 0.9

#define ABSENTEES_NAMED 5

static const struct status_item items[] = {
	{ "Answers", "fresh", "asked of userli", "share",
	    { "lookups_answered_total", "source=\"fresh\"" }, STATUS_SHARE },
	{ "Answers", "cached", "from a backend's cache", "share",
	    { "lookups_answered_total", "source=\"cached\"" }, STATUS_SHARE },
	{ "Answers", "stale", "old, since userli failed", "share",
	    { "lookups_answered_total", "source=\"stale\"" }, STATUS_SHARE },
	{ "Answers", "rule", "by rule, without asking", "share",
	    { "lookups_answered_total", "source=\"rule\"" }, STATUS_SHARE },
	{ "Answers", "joined", "shared with an equal lookup", "/s",
	    { "lookups_joined_total", NULL }, STATUS_RATE },
	{ "Lookups now", "waiting", "not answered yet", "",
	    { "lookups_waiting", NULL }, STATUS_NOW },
	{ "Lookups now", "parked", "waiting for a backend", "",
	    { "lookups_parked", NULL }, STATUS_NOW },
	{ "Lookups now", "in_flight", "at backends", "",
	    { "pool_calls_in_flight", NULL }, STATUS_NOW },
	{ "Last ten minutes", "moved", "lookups asked of another backend", "",
	    { "lookups_moved_total", NULL }, STATUS_GROWTH },
	{ "Last ten minutes", "ejections", "times a backend fell silent", "",
	    { "pool_ejections_total", NULL }, STATUS_GROWTH },
	{ "Last ten minutes", "redials", "sockets made anew", "",
	    { "pool_redials_total", NULL }, STATUS_GROWTH },
	{ "Last ten minutes", "late", "answers that came too late", "",
	    { "pool_answers_late_total", NULL }, STATUS_GROWTH },
	{ "Connections from Postfix", "connections", "open", "",
	    { "active_connections", NULL }, STATUS_NOW },
	{ "Connections from Postfix", "refused", "refused in ten minutes", "",
	    { "connections_closed_total", "reason=\"refused\"" },
	    STATUS_GROWTH },
	{ "Connections from Postfix", "reaped", "idle ones closed to make room",
	    "", { "connections_closed_total", "reason=\"reaped\"" },
	    STATUS_GROWTH },
	{ "Certificate", "expires", "left", "s",
	    { "rpc_tls_certificate_expires_seconds", NULL }, STATUS_LEFT },
	{ "Process", "memory", "memory", "bytes",
	    { "process_resident_memory_bytes", NULL }, STATUS_NOW },
	{ "Process", "cpu", "of one processor", "share",
	    { "process_cpu_seconds_total", NULL }, STATUS_RATE },
	{ "Process", "files", "open files", "", { "process_open_fds", NULL },
	    STATUS_NOW },
};

static const struct status_rule rules[] = {
	{ .what = { "lookups_over_budget_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "In the last ten minutes # lookups failed that could have "
		    "been asked of another backend, for too many had been.",
	    .remedy = "Several backends fail at once: look at userli." },
	{ .what = { "accept_failures_total", NULL },
	    .kind = STATUS_GROWTH,
	    .text = "In the last ten minutes # connections from Postfix could "
		    "not be accepted.",
	    .remedy = "Out of file descriptors, as a rule: raise LimitNOFILE "
		      "of the service." },
	{ .what = { "connections_closed_total", "reason=\"malformed\"" },
	    .kind = STATUS_GROWTH,
	    .text = "In the last ten minutes # connections sent what is no "
		    "socketmap request.",
	    .remedy = "Something else than Postfix connects to "
		      "SOCKETMAP_LISTEN_ADDR; the log has its address." },
	{ .what = { "config_last_reload_successful", NULL },
	    .is_below = true,
	    .limit = 1,
	    .text = "The last SIGHUP was not obeyed: the old settings, tokens "
		    "or certificates are still in use.",
	    .remedy = "The log names the file and the line." },
	{ .what = { "rpc_tls_certificate_expires_seconds", NULL },
	    .is_error = true,
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .limit = 0,
	    .text = "The certificate of RPC_TLS_CERT has expired.",
	    .remedy = "Put a new one in its place and send SIGHUP." },
	{ .what = { "rpc_tls_certificate_expires_seconds", NULL },
	    .kind = STATUS_LEFT,
	    .is_below = true,
	    .limit = 14 * DAY,
	    .text = "The certificate of RPC_TLS_CERT expires in #.",
	    .remedy = "Put a new one in its place and send SIGHUP." },
};

/* Names those that are not asked, the first few of them. */
struct absentees {
	struct status_problems *problems;
	size_t count;
};

static void
judge_member(void *arg, const struct pool_view *view)
{
	struct absentees *a = arg;
	bool silent = view->state == LINK_EJECTED;

	if (!silent && view->state != LINK_CONNECTING)
		return;
	if (a->count++ >= ABSENTEES_NAMED)
		return;
	status_problem(a->problems, false,
	    silent ? "Look at its log and its own status page: is its host "
		     "overloaded, or the network cut?"
		   : "Does it run, and does it listen there? With TLS, the log "
		     "names the certificate at fault.",
	    silent ? "Backend %s fell silent and is not asked."
		   : "Backend %s has no connection.",
	    view->url);
}

static void
judge_members(const struct pool *pool, struct status_problems *p)
{
	struct absentees a = { .problems = p };

	pool_each(pool, judge_member, &a);
	if (a.count > ABSENTEES_NAMED)
		status_problem(p, false, "They are in the table below.",
		    "%zu more backends are not asked.",
		    a.count - ABSENTEES_NAMED);
}

static void
judge(void *arg, struct status_problems *p)
{
	const struct frontend_status *f = arg;
	double connections = metrics_sum(f->metrics,
	    &(struct metrics_selector){ "active_connections", NULL });

	if (f->draining)
		status_problem(p, false, "",
		    "Shutting down: what is in flight is answered, new "
		    "connections are not taken.");
	if (f->drained)
		status_problem(p, true, "userli-bridge resume frontend",
		    "Drained by the administrator: Postfix cannot ask, and "
		    "defers the mail.");
	if (f->pool == NULL || pool_size(f->pool) == 0)
		status_problem(p, true,
		    "Check BACKEND_URLS, and DNS on this host.",
		    "No host of BACKEND_URLS has an address: every lookup "
		    "fails, and Postfix defers the mail.");
	else if (pool_usable(f->pool) == 0)
		status_problem(p, true,
		    "Start a backend, or see why this host does not reach one: "
		    "userli-bridge ping --addr HOST:PORT.",
		    "No backend answers: every lookup fails, and Postfix "
		    "defers the mail.");
	if (f->pool != NULL)
		judge_members(f->pool, p);
	if (connections > (double)f->connections_max * CROWDED)
		status_problem(p, false,
		    "Raise SOCKETMAP_MAX_CONNECTIONS, or lower Postfix's "
		    "default_process_limit.",
		    "%.0f connections from Postfix, of at most %.0f.",
		    connections, (double)f->connections_max);
}

static void
write_member(void *arg, const struct pool_view *view)
{
	struct jsonout *j = arg;

	jsonout_object(j, NULL);
	jsonout_string(j, "url", view->url);
	jsonout_string(j, "state", link_state_name(view->state));
	jsonout_number(j, "weight", view->weight);
	jsonout_integer(j, "in_flight", view->in_flight);
	jsonout_integer(j, "calls", view->calls);
	jsonout_integer(j, "failures", view->failures);
	jsonout_number(j, "rate", view->rate);
	jsonout_number(j, "failure_rate", view->failure_rate);
	jsonout_number(j, "latency", view->seconds);
	jsonout_end_object(j);
}

static void
write_pool(void *arg, struct jsonout *j)
{
	const struct frontend_status *f = arg;

	jsonout_object(j, "flow");
	jsonout_number(j, "connections",
	    metrics_sum(f->metrics,
		&(struct metrics_selector){ "active_connections", NULL }));
	jsonout_end_object(j);
	jsonout_array(j, "members");
	if (f->pool != NULL)
		pool_each(f->pool, write_member, j);
	jsonout_end_array(j);
}

const struct status_tier frontend_status_tier = {
	.name = "frontend",
	.durations = "request_duration_seconds",
	.all = { "requests_total", NULL },
	.success = { "requests_total", "status=\"success\"" },
	.notfound = { "requests_total", "status=\"notfound\"" },
	.items = items,
	.item_count = COUNT(items),
	.rules = rules,
	.rule_count = COUNT(rules),
	.judge = judge,
	.write = write_pool,
};

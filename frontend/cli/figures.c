#include "frontend/cli/figures.h"

#include <math.h>

#define MAPS_FAILED "outcome=\"TEMP\"|outcome=\"TIMEOUT\"|outcome=\"PERM\""

/* One map's lines: both tiers count it under another label. */
#define MAP_FIGURES(map)                                                     \
	{ map, "answers/s", FIGURE_RATE, 0,                                  \
		{ { "requests_total", "handler=\"" map "\"" },               \
		    { "backend_calls_total", "map=\"" map "\"" } },          \
		{ 0 } },                                                     \
	    { map, "failed/s", FIGURE_RATE, 0,                               \
		    { { "requests_total",                                    \
			  "handler=\"" map "\",status=\"error\"" },          \
			{ "backend_calls_total",                             \
			    "map=\"" map "\",outcome=\"TEMP\"|map=\"" map    \
			    "\",outcome=\"TIMEOUT\"|map=\"" map              \
			    "\",outcome=\"PERM\"" } },                       \
		    { 0 } },                                                 \
	{                                                                    \
		map, "p99", FIGURE_QUANTILE, 0.99,                           \
		    { { "request_duration_seconds", "handler=\"" map "\"" }, \
			    { "backend_call_duration_seconds",               \
				"map=\"" map "\"" } },                       \
		{                                                            \
			0                                                    \
		}                                                            \
	}

const struct figure figures[] = {
	{ "lookups", "answers/s", FIGURE_RATE, 0,
	    { { "requests_total", "" }, { "backend_calls_total", "" } },
	    { 0 } },
	{ "lookups", "found/s", FIGURE_RATE, 0,
	    { { "requests_total", "status=\"success\"" },
		{ "backend_calls_total", "outcome=\"OK\"" } },
	    { 0 } },
	{ "lookups", "not found/s", FIGURE_RATE, 0,
	    { { "requests_total", "status=\"notfound\"" },
		{ "backend_calls_total", "outcome=\"NOTFOUND\"" } },
	    { 0 } },
	{ "lookups", "failed/s", FIGURE_RATE, 0,
	    { { "requests_total", "status=\"error\"" },
		{ "backend_calls_total", MAPS_FAILED } },
	    { 0 } },
	{ "lookups", "p50", FIGURE_QUANTILE, 0.5,
	    { { "request_duration_seconds", "" },
		{ "backend_call_duration_seconds", "" } },
	    { 0 } },
	{ "lookups", "p95", FIGURE_QUANTILE, 0.95,
	    { { "request_duration_seconds", "" },
		{ "backend_call_duration_seconds", "" } },
	    { 0 } },
	{ "lookups", "p99", FIGURE_QUANTILE, 0.99,
	    { { "request_duration_seconds", "" },
		{ "backend_call_duration_seconds", "" } },
	    { 0 } },
	{ "lookups", "in progress", FIGURE_GAUGE, 0,
	    { { "lookups_waiting", "" }, { "backend_calls_in_progress", "" } },
	    { 0 } },
	{ "lookups", "connections", FIGURE_GAUGE, 0,
	    { { "active_connections", "" }, { "backend_frontends", "" } },
	    { 0 } },
	MAP_FIGURES("alias"),
	MAP_FIGURES("domain"),
	MAP_FIGURES("mailbox"),
	MAP_FIGURES("senders"),
	{ "pool", "up", FIGURE_GAUGE, 0,
	    { { "pool_members", "state=\"up\"" }, { 0 } }, { 0 } },
	{ "pool", "not up", FIGURE_GAUGE, 0,
	    { { "pool_members",
		  "state=\"connecting\"|state=\"suspect\"|state=\"ejected\"|"
		  "state=\"draining\"" },
		{ 0 } },
	    { 0 } },
	{ "pool", "in flight", FIGURE_GAUGE, 0,
	    { { "pool_calls_in_flight", "" }, { 0 } }, { 0 } },
	{ "pool", "moved/s", FIGURE_RATE, 0,
	    { { "lookups_moved_total", "" }, { 0 } }, { 0 } },
	{ "pool", "ejections", FIGURE_TOTAL, 0,
	    { { "pool_ejections_total", "" }, { 0 } }, { 0 } },
	{ "cache", "hits", FIGURE_SHARE, 0,
	    { { 0 }, { "cache_hits_total", "" } },
	    { "cache_misses_total", "" } },
	{ "cache", "stale/s", FIGURE_RATE, 0,
	    { { "lookups_answered_total", "source=\"stale\"" },
		{ "stale_answers_total", "" } },
	    { 0 } },
	{ "cache", "entries", FIGURE_GAUGE, 0,
	    { { 0 }, { "cache_entries", "" } }, { 0 } },
	{ "cache", "bytes", FIGURE_GAUGE, 0, { { 0 }, { "cache_bytes", "" } },
	    { 0 } },
	{ "cache", "evictions/s", FIGURE_RATE, 0,
	    { { 0 }, { "cache_evictions_total", "" } }, { 0 } },
	{ "userli", "accepts the token", FIGURE_GAUGE, 0,
	    { { 0 }, { "health_check_status", "" } }, { 0 } },
	{ "userli", "breaker open", FIGURE_GAUGE, 0,
	    { { 0 }, { "userli_breaker_state", "state=\"open\"" } }, { 0 } },
	{ "userli", "requests/s", FIGURE_RATE, 0,
	    { { 0 }, { "http_client_requests_total", "" } }, { 0 } },
	{ "userli", "failed/s", FIGURE_RATE, 0,
	    { { 0 }, { "userli_failures_total", "" } }, { 0 } },
	{ "userli", "p50", FIGURE_QUANTILE, 0.5,
	    { { 0 }, { "http_client_duration_seconds", "" } }, { 0 } },
	{ "userli", "p99", FIGURE_QUANTILE, 0.99,
	    { { 0 }, { "http_client_duration_seconds", "" } }, { 0 } },
	{ "userli", "active", FIGURE_GAUGE, 0,
	    { { 0 }, { "http_client_active", "" } }, { 0 } },
	{ "userli", "queued", FIGURE_GAUGE, 0,
	    { { 0 }, { "http_client_queued", "" } }, { 0 } },
};

const size_t figures_count = sizeof figures / sizeof figures[0];

enum figure_tier
figure_tier_of(const struct exposition *e)
{
	static const struct exposition_selector marks[FIGURE_TIERS] = {
		[FIGURE_FRONTEND] = { "requests_total", "" },
		[FIGURE_BACKEND] = { "backend_calls_total", "" },
	};
	enum figure_tier tier = FIGURE_FRONTEND;

	while (tier < FIGURE_TIERS && isnan(exposition_sum(e, &marks[tier])))
		tier++;
	return tier;
}

/* How much a counter has grown; from 0 when the daemon was started anew. */
static double
growth(const struct exposition_selector *s, const struct exposition *before,
    const struct exposition *now)
{
	double last = exposition_sum(now, s);
	double first = exposition_sum(before, s);

	return isnan(first) || last < first ? last : last - first;
}

double
figure_value(const struct figure *f, enum figure_tier tier,
    const struct exposition *before, const struct exposition *now,
    double seconds)
{
	const struct exposition_selector *s = &f->of[tier];
	double part;

	if (s->metric == NULL)
		return NAN;
	switch (f->kind) {
	case FIGURE_RATE:
		return growth(s, before, now) / seconds;
	case FIGURE_SHARE:
		part = growth(s, before, now);
		return part / (part + growth(&f->rest, before, now));
	case FIGURE_QUANTILE:
		return exposition_quantile(now, before, s, f->q);
	case FIGURE_GAUGE:
	case FIGURE_TOTAL:
		break;
	}
	return exposition_sum(now, s);
}

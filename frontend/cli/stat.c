#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/quote.h"
#include "frontend/cli/admin_client.h"
#include "frontend/cli/figures.h"
#include "frontend/cli/http_client.h"
#include "frontend/cli/table.h"
#include "frontend/cli/watch.h"

#define DAEMONS_MAX (TABLE_COLUMNS_MAX - 2)
#define INTERVAL_MS 1000 /* between the two samples of a single shot */
#define TIMEOUT_MS 5000
#define REPLY_BYTES_MAX ((size_t)16 << 20)

static const char help[] =
    "Usage: userli-bridge stat [WHERE...] [-w SECONDS] [--json]\n"
    "\n"
    "Shows what the daemons do now, side by side: lookups and failures a "
    "second,\n"
    "latencies, each map, the pool, the cache, userli.  Rates and latencies "
    "are those\n"
    "of the last second, or with -w since the last round.\n"
    "\n"
    "WHERE is a daemon's METRICS_LISTEN_ADDR as host:port, 'frontend', "
    "'backend' or\n"
    "the path of an admin socket.  Without any: 127.0.0.1:10002 and\n"
    "127.0.0.1:10012.\n"
    "\n"
    "  -w SECONDS  again and again\n"
    "  --json      as JSON, an object a round; durations in seconds\n"
    "\n"
    "Exit status: 0, 69 when one was not reached, 64 usage.\n";

struct daemon {
	const char *where;
	struct http_target target;
	bool reached[2]; /* before and now */
	struct exposition samples[2];
	enum figure_tier tier;
};

struct stat_run {
	struct daemon daemons[DAEMONS_MAX];
	size_t count;
	double seconds; /* between before and now */
	uint64_t sampled_ns;
};

/* --- Sampling ------------------------------------------------------------ */

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* False, complaining, when the daemon is not reached or none of ours. */
static bool
sample(struct daemon *d, struct exposition *out)
{
	struct http_answer answer;
	struct buffer reply;
	struct error error;
	bool ok;

	buffer_init(&reply, REPLY_BYTES_MAX);
	ok = http_client_ask(&d->target, "GET", "/metrics", SLICE(""),
	    TIMEOUT_MS, &reply, &answer, &error);
	if (!ok)
		command_complain("%s: %s", d->where, error.text);
	if (ok) {
		exposition_parse(out, answer.body);
		d->tier = figure_tier_of(out);
		ok = d->tier != FIGURE_TIERS;
		if (!ok) {
			command_complain("%s: its metrics are those of neither "
					 "a frontend nor a backend",
			    d->where);
			exposition_fini(out);
		}
	}
	buffer_fini(&reply);
	return ok;
}

/* The next sample; what was the last becomes the one before. */
static void
sample_all(struct stat_run *run)
{
	uint64_t now = now_ns();

	run->seconds = (double)(now - run->sampled_ns) / 1e9;
	run->sampled_ns = now;
	for (size_t i = 0; i < run->count; i++) {
		struct daemon *d = &run->daemons[i];

		exposition_fini(&d->samples[0]);
		d->samples[0] = d->samples[1];
		d->samples[1] = (struct exposition){ 0 };
		d->reached[0] = d->reached[1];
		d->reached[1] = sample(d, &d->samples[1]);
	}
}

static double
value_of(
    const struct stat_run *run, const struct daemon *d, const struct figure *f)
{
	if (!d->reached[0] || !d->reached[1])
		return NAN;
	return figure_value(
	    f, d->tier, &d->samples[0], &d->samples[1], run->seconds);
}

/* --- Showing ------------------------------------------------------------- */

static void
add_value(struct table *t, const struct figure *f, double value)
{
	bool bad = strcmp(f->name, "failed/s") == 0 ||
	    strcmp(f->name, "not up") == 0 || strcmp(f->name, "stale/s") == 0;
	enum style how = bad && value > 0 ? STYLE_BAD : STYLE_NONE;

	if (isnan(value))
		table_add(t, STYLE_FAINT, "-");
	else if (f->kind == FIGURE_QUANTILE)
		table_add(t, how, "%.2f ms", value * 1000);
	else if (f->kind == FIGURE_SHARE)
		table_add(t, how, "%.1f %%", value * 100);
	else if (f->kind == FIGURE_RATE)
		table_add(t, how, "%.1f", value);
	else
		table_add(t, how, "%.0f", value);
}

static void
print_table(const struct stat_run *run)
{
	static const char *const tiers[] = { "frontend", "backend", "" };
	const char *group = "";
	struct table t;

	table_init(&t, run->count + 2);
	t.numbers = true;
	table_add(&t, STYLE_NONE, "%s", "");
	table_add(&t, STYLE_NONE, "%s", "");
	for (size_t i = 0; i < run->count; i++)
		table_add(&t, STYLE_BOLD, "%s %s",
		    tiers[run->daemons[i].reached[1] ? run->daemons[i].tier
						     : FIGURE_TIERS],
		    run->daemons[i].where);
	for (size_t k = 0; k < figures_count; k++) {
		const struct figure *f = &figures[k];

		table_add(&t, STYLE_BOLD, "%s",
		    strcmp(f->group, group) != 0 ? f->group : "");
		table_add(&t, STYLE_NONE, "%s", f->name);
		for (size_t i = 0; i < run->count; i++)
			add_value(&t, f, value_of(run, &run->daemons[i], f));
		group = f->group;
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static json_t *
json_of(const struct stat_run *run, const struct daemon *d)
{
	static const char *const tiers[] = { "frontend", "backend" };
	json_t *object = json_object();

	(void)json_object_set_new(object, "where", json_string(d->where));
	(void)json_object_set_new(
	    object, "reached", json_boolean(d->reached[0] && d->reached[1]));
	if (!d->reached[0] || !d->reached[1])
		return object;
	(void)json_object_set_new(object, "tier", json_string(tiers[d->tier]));
	for (size_t k = 0; k < figures_count; k++) {
		const struct figure *f = &figures[k];
		double value = value_of(run, d, f);
		json_t *group = json_object_get(object, f->group);

		if (f->of[d->tier].metric == NULL)
			continue;
		if (group == NULL) {
			group = json_object();
			(void)json_object_set_new(object, f->group, group);
		}
		/* json_real() refuses what JSON cannot hold. */
		(void)json_object_set_new(group, f->name,
		    isfinite(value) ? json_real(value) : json_null());
	}
	return object;
}

static void
print_json(const struct stat_run *run)
{
	json_t *root = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < run->count; i++)
		(void)json_array_append_new(
		    list, json_of(run, &run->daemons[i]));
	(void)json_object_set_new(root, "seconds", json_real(run->seconds));
	(void)json_object_set_new(root, "daemons", list);
	(void)json_dumpf(root, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	json_decref(root);
}

/* --- The command --------------------------------------------------------- */

static bool
add_daemon(const struct command *self, struct stat_run *run, const char *where)
{
	const char *socket = admin_client_socket(where);
	struct daemon *d = &run->daemons[run->count];
	char shown[QUOTE_SIZE];

	if (run->count == DAEMONS_MAX) {
		(void)command_usage(
		    self, "%zu daemons at the most", (size_t)DAEMONS_MAX);
		return false;
	}
	*d = (struct daemon){ .where = where, .tier = FIGURE_TIERS };
	if (strncmp(where, "http://", 7) == 0) {
		where += 7;
		socket = NULL;
	}
	if (socket != NULL) {
		d->target.path = socket;
	} else if (!http_target_parse(&d->target,
		       (struct slice){ where, strcspn(where, "/") })) {
		(void)command_usage(self,
		    "%s is neither host:port nor a socket's path",
		    quote_value(slice_of(where), shown));
		return false;
	}
	run->count++;
	return true;
}

static enum command_exit
status_of(const struct stat_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		if (!run->daemons[i].reached[1])
			return COMMAND_UNAVAILABLE;
	}
	return COMMAND_OK;
}

static enum command_exit
show(struct stat_run *run, const struct command_options *options)
{
	uint64_t interval =
	    options->watch_ms > 0 ? options->watch_ms : INTERVAL_MS;

	sample_all(run);
	do {
		watch_sleep(interval);
		sample_all(run);
		if (options->json) {
			print_json(run);
		} else {
			watch_begin(options->watch_ms > 0);
			print_table(run);
		}
	} while (options->watch_ms > 0 && watch_end());
	return status_of(run);
}

static enum command_exit
run_stat(const struct command *self, int argc, char *const argv[])
{
	static const char *const accepted[] = { "watch", "json", NULL };
	struct command_options options = { 0 };
	struct stat_run *run;
	enum command_exit status;
	bool ok = true;
	int at;

	if (!command_parse(self, argc, argv, accepted, &options, &at, &status))
		return status;
	run = calloc(1, sizeof *run);
	if (run == NULL)
		return COMMAND_TEMPORARY;
	for (int i = at; i < argc && ok; i++)
		ok = add_daemon(self, run, argv[i]);
	if (at == argc)
		ok = add_daemon(self, run, "127.0.0.1:10002") &&
		    add_daemon(self, run, "127.0.0.1:10012");
	status = ok ? show(run, &options) : COMMAND_USAGE;
	for (size_t i = 0; i < run->count; i++) {
		exposition_fini(&run->daemons[i].samples[0]);
		exposition_fini(&run->daemons[i].samples[1]);
	}
	free(run);
	return status;
}

const struct command command_stat = {
	.name = "stat",
	.summary = "show rates, latencies, cache and pool of daemons",
	.help = help,
	.run = run_stat,
};

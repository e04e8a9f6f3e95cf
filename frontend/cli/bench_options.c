#include "frontend/cli/bench_options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/config_number.h"
#include "common/quote.h"
#include "frontend/cli/asker.h"

#define DURATION_MS 10000
#define TIMEOUT_MS 15000
#define LAST_KEY 999
#define RATE_MAX 1e7
#define ZIPF_MAX 100
#define NAME_SIZE (sizeof "--connections")

enum {
	OPTION_COUNT = 256, /* beyond any short option */
	OPTION_EXPECT,
	OPTION_HELP,
	OPTION_JSON,
	OPTION_KEY,
	OPTION_KEYS,
	OPTION_RANDOM,
	OPTION_RANGE,
	OPTION_SEED,
	OPTION_TIMEOUT,
	OPTION_WARMUP,
	OPTION_ZIPF,
};

static const struct option all_options[] = {
	{ "addr", required_argument, NULL, 'a' },
	{ "connections", required_argument, NULL, 'c' },
	{ "count", required_argument, NULL, 'n' },
	{ "duration", required_argument, NULL, 'd' },
	{ "expect", required_argument, NULL, OPTION_EXPECT },
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "keys", required_argument, NULL, OPTION_KEYS },
	{ "map", required_argument, NULL, 'm' },
	{ "pipeline", required_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "random", no_argument, NULL, OPTION_RANDOM },
	{ "range", required_argument, NULL, OPTION_RANGE },
	{ "rate", required_argument, NULL, 'r' },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "warmup", required_argument, NULL, OPTION_WARMUP },
	{ "zipf", required_argument, NULL, OPTION_ZIPF },
	{ 0 },
};

/* --- Values -------------------------------------------------------------- */

struct parse {
	const struct command *self;
	struct bench_options *options;
	const char *address;
	char name[NAME_SIZE]; /* of the option at hand, "--rate" */
};

static bool
refuse(const struct parse *p, const char *value, const char *want)
{
	char shown[QUOTE_SIZE];

	(void)command_usage(p->self, "%s %s is not %s", p->name,
	    quote_value(slice_of(value), shown), want);
	return false;
}

static bool
whole(const struct parse *p, const char *text, uint64_t least, uint64_t most,
    uint64_t *out)
{
	char want[80];

	if (config_number_whole(text, 10, out) == CONFIG_NUMBER_OK &&
	    *out >= least && *out <= most)
		return true;
	(void)snprintf(want, sizeof want, "a number from %llu to %llu",
	    (unsigned long long)least, (unsigned long long)most);
	return refuse(p, text, want);
}

static bool
size(const struct parse *p, const char *text, uint64_t most, size_t *out)
{
	uint64_t value;

	if (!whole(p, text, 1, most, &value))
		return false;
	*out = (size_t)value;
	return true;
}

static bool
duration(const struct parse *p, const char *text, uint64_t least, uint64_t *ms)
{
	if (config_number_duration(text, ms) == CONFIG_NUMBER_OK &&
	    *ms >= least && *ms <= UINT32_MAX)
		return true;
	return refuse(p, text,
	    least > 0 ? "a duration above zero, as 500ms, 10s or 1m"
		      : "a duration, as 500ms, 10s or 1m");
}

/* Above 0 and at most that. */
static bool
real(const struct parse *p, const char *text, double most, double *out)
{
	char want[80];
	char *end;

	*out = strtod(text, &end);
	if (end != text && *end == '\0' && isfinite(*out) && *out > 0 &&
	    *out <= most)
		return true;
	(void)snprintf(want, sizeof want, "a number above 0, up to %g", most);
	return refuse(p, text, want);
}

/* "1000" is 0-999, "5-9" is that. */
static bool
range(const struct parse *p, const char *text)
{
	struct bench_options *o = p->options;
	const char *dash = strchr(text, '-');
	char first[BENCH_NUMBER_DIGITS + 1];
	size_t len = dash != NULL ? (size_t)(dash - text) : 0;

	if (dash == NULL) {
		o->first = 0;
		if (!whole(p, text, 1, UINT32_MAX, &o->last))
			return false;
		o->last--;
		return true;
	}
	if (len < sizeof first) {
		memcpy(first, text, len);
		first[len] = '\0';
		if (config_number_whole(first, 10, &o->first) ==
			CONFIG_NUMBER_OK &&
		    config_number_whole(dash + 1, 10, &o->last) ==
			CONFIG_NUMBER_OK &&
		    o->first <= o->last && o->last < INT64_MAX)
			return true;
	}
	return refuse(p, text, "a range of numbers, as 1000 or 0-999");
}

/* "PATTERN" or "MAP=PATTERN"; the same with files. */
static bool
key(const struct parse *p, const char *text, bool is_file)
{
	struct bench_options *o = p->options;
	struct bench_key_option *k = &o->keys[o->key_count];
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : 0;

	if (o->key_count == BENCH_KEY_OPTIONS_MAX) {
		(void)command_usage(p->self, "more than %d --key and --keys",
		    BENCH_KEY_OPTIONS_MAX);
		return false;
	}
	*k = (struct bench_key_option){ .is_file = is_file };
	if (equals != NULL && (len == 0 || len > BENCH_MAP_NAME_MAX))
		return refuse(p, text, "MAP=KEY with the name of a map");
	memcpy(k->map, text, len);
	k->text = equals != NULL ? equals + 1 : text;
	o->key_count++;
	return true;
}

/* --- The command line ---------------------------------------------------- */

static bool
take(struct parse *p, int option, const char *value)
{
	struct bench_options *o = p->options;

	switch (option) {
	case 'a':
		p->address = value;
		return true;
	case 'c':
		return size(
		    p, value, BENCH_CONNECTIONS_MAX, &o->run.connections);
	case 'd':
		return duration(p, value, 1, &o->run.duration_ms);
	case 'm':
		o->maps = value;
		return true;
	case 'n':
		return whole(p, value, 1, INT64_MAX, &o->run.count);
	case 'p':
		return size(p, value, BENCH_PIPELINE_MAX, &o->run.pipeline);
	case 'q':
		o->quiet = true;
		return true;
	case 'r':
		return real(p, value, RATE_MAX, &o->run.rate);
	case OPTION_EXPECT:
		o->expect = value;
		return true;
	case OPTION_JSON:
		o->json = true;
		return true;
	case OPTION_KEY:
	case OPTION_KEYS:
		return key(p, value, option == OPTION_KEYS);
	case OPTION_RANDOM:
		o->order = BENCH_AT_RANDOM;
		return true;
	case OPTION_RANGE:
		return range(p, value);
	case OPTION_SEED:
		return whole(p, value, 0, UINT64_MAX, &o->seed);
	case OPTION_TIMEOUT:
		return duration(p, value, 1, &o->run.timeout_ms);
	case OPTION_WARMUP:
		return duration(p, value, 0, &o->run.warmup_ms);
	default: /* OPTION_ZIPF */
		o->order = BENCH_BY_ZIPF;
		return real(p, value, ZIPF_MAX, &o->zipf_s);
	}
}

static void
set_name(struct parse *p, int option)
{
	for (const struct option *o = all_options; o->name != NULL; o++) {
		if (o->val == option)
			(void)snprintf(
			    p->name, sizeof p->name, "--%s", o->name);
	}
}

static bool
parse_argv(
    struct parse *p, int argc, char *const argv[], enum command_exit *status)
{
	char shown[QUOTE_SIZE];
	int option;

	optind = 0; /* glibc: start afresh */
	while ((option = getopt_long(argc, argv,
		    ":a:c:d:hm:n:p:qr:", all_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			(void)fputs(p->self->help, stdout);
			*status = COMMAND_OK;
			return false;
		case ':':
			(void)command_usage(
			    p->self, "%s needs a value", argv[optind - 1]);
			return false;
		case '?':
			(void)command_usage(p->self, "unknown option %s",
			    quote_value(slice_of(argv[optind - 1]), shown));
			return false;
		default:
			set_name(p, option);
			if (!take(p, option, optarg))
				return false;
		}
	}
	if (optind < argc) {
		(void)command_usage(p->self, "%s is no option",
		    quote_value(slice_of(argv[optind]), shown));
		return false;
	}
	return true;
}

/* --- What follows from it ------------------------------------------------ */

static bool
set_address(const struct parse *p, struct error *error)
{
	struct bench_options *o = p->options;
	struct error reason;

	if (!endpoint_parse(slice_of(p->address), ENDPOINT_SOCKETMAP,
		&o->endpoint, &reason)) {
		error_set(error, "--addr: %s", reason.text);
		return false;
	}
	/* ":10001" is where a frontend listens; ask it on this host. */
	if (o->endpoint.kind == ENDPOINT_TCP && o->endpoint.host[0] == '\0')
		memcpy(o->endpoint.host, "localhost", sizeof "localhost");
	endpoint_format(&o->endpoint, ENDPOINT_SOCKETMAP, o->address);
	o->run.address = o->address;
	return true;
}

/* The last --key or --keys of that map, or of none in particular. */
static const struct bench_key_option *
keys_of(const struct bench_options *o, const char *map)
{
	static const struct bench_key_option by_default = {
		.text = "user%d@example.org",
	};
	static const struct bench_key_option by_default_domain = {
		.text = "example%d.org",
	};
	const struct bench_key_option *found = NULL;

	for (size_t i = 0; i < o->key_count; i++) {
		const struct bench_key_option *k = &o->keys[i];

		if (strcmp(k->map, map) == 0)
			return k;
		if (k->map[0] == '\0')
			found = k;
	}
	if (found != NULL)
		return found;
	return strcmp(map, "domain") == 0 ? &by_default_domain : &by_default;
}

static bool
set_keys(struct bench_options *o, struct bench_plan *plan, struct error *error)
{
	for (size_t i = 0; i < o->key_count; i++) {
		if (o->keys[i].map[0] != '\0' &&
		    bench_plan_map(plan, slice_of(o->keys[i].map)) == NULL) {
			error_set(error,
			    "keys are given for %s, which --map "
			    "does not name",
			    o->keys[i].map);
			return false;
		}
	}
	for (size_t i = 0; i < plan->map_count; i++) {
		struct bench_map *map = &plan->maps[i];
		const struct bench_key_option *k = keys_of(o, map->name);

		if (k->is_file) {
			if (!bench_keys_file(&map->keys, k->text, error))
				return false;
		} else if (!bench_keys_pattern(
			       &map->keys, k->text, o->first, o->last, error)) {
			return false;
		}
	}
	return true;
}

/* "notfound" or a file. */
static bool
set_expect(
    const struct bench_options *o, struct bench_plan *plan, struct error *error)
{
	for (int i = SOCKETMAP_OK; o->expect != NULL && i <= SOCKETMAP_PERM;
	     i++) {
		enum socketmap_status status = (enum socketmap_status)i;

		if (strcasecmp(o->expect, socketmap_status_name(status)) != 0)
			continue;
		plan->one_status = true;
		plan->status = (struct bench_expected){
			.status = status,
			.any_text = true,
		};
		return true;
	}
	if (o->expect == NULL)
		return true;
	plan->expect = bench_expect_read(o->expect, error);
	return plan->expect != NULL;
}

bool
bench_options_parse(const struct command *self, int argc, char *const argv[],
    struct bench_options *o, struct bench_plan *plan, enum command_exit *status)
{
	struct parse p = {
		.self = self, .options = o, .address = ASKER_SOCKETMAP_ADDRESS
	};
	struct error error;

	*plan = (struct bench_plan){ 0 };
	*o = (struct bench_options){
		.run = { .connections = 1,
		    .pipeline = 1,
		    .timeout_ms = TIMEOUT_MS },
		.maps = "alias",
		.last = LAST_KEY,
		.seed = 1,
	};
	*status = COMMAND_USAGE;
	if (!parse_argv(&p, argc, argv, status))
		goto failed;
	if (o->run.duration_ms == 0 && o->run.count == 0)
		o->run.duration_ms = DURATION_MS;
	if (!set_address(&p, &error) ||
	    !bench_plan_maps(plan, o->maps, &error) ||
	    !set_keys(o, plan, &error) || !set_expect(o, plan, &error)) {
		(void)command_usage(self, "%s", error.text);
		goto failed;
	}
	bench_plan_start(plan, o->order, o->zipf_s, o->seed);
	return true;

failed:
	bench_plan_fini(plan);
	return false;
}

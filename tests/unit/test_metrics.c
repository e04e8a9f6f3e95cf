#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "common/metrics.h"
#include "common/metrics_private.h"

#define P METRICS_PREFIX
#define TEXT_MAX (1 << 20)

static const char *const no_labels[] = { NULL };

/* The exposition of m as a string; the caller frees it. */
static char *
exposition(struct metrics *m)
{
	struct buffer out;

	buffer_init(&out, TEXT_MAX);
	assert_true(metrics_write(m, &out));
	assert_true(buffer_append(&out, "", 1));
	return out.data;
}

static void
assert_exposition(struct metrics *m, const char *want)
{
	char *got = exposition(m);

	assert_string_equal(got, want);
	free(got);
}

/* The value of the sample that starts so, NAN when it is not there. */
static double
sample(struct metrics *m, const char *start)
{
	char *text = exposition(m);
	size_t len = strlen(start);
	double value = NAN;

	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, start, len) == 0 && line[len] == ' ')
			value = strtod(line + len, NULL);
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	free(text);
	return value;
}

static const struct {
	double value;
	const char *want;
} numbers[] = {
	{ 0, "0" },
	{ -0.0, "0" },
	{ 1, "1" },
	{ -1, "-1" },
	{ 0.001, "0.001" },
	{ 0.1, "0.1" },
	{ 0.1 + 0.2, "0.30000000000000004" },
	{ 2.5, "2.5" },
	{ 1e6, "1000000" },
	{ 1e15, "1000000000000000" },
	{ 9007199254740992.0, "9007199254740992" },
	{ 1e300, "1e+300" },
	{ 1e-9, "1e-09" },
	{ 1700000000.25, "1700000000.25" },
	{ INFINITY, "+Inf" },
	{ -INFINITY, "-Inf" },
	{ NAN, "NaN" },
};

static void
numbers_are_written_shortest(void **state)
{
	char got[METRICS_NUMBER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		metrics_format_double(numbers[i].value, got);
		assert_string_equal(got, numbers[i].want);
	}
}

static void
numbers_read_back_as_they_were(void **state)
{
	uint64_t seed = 88172645463325252u; /* xorshift64 */

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[METRICS_NUMBER_MAX];
		double want;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(&want, &seed, sizeof want);
		if (isnan(want))
			continue;
		metrics_format_double(want, text);
		assert_true(strtod(text, NULL) == want);
	}
}

static void
nothing_is_written_without_a_series(void **state)
{
	static const char *const labels[] = { "a", NULL };
	static const char *const values[] = { "x", NULL };
	static const double bounds[] = { 1 };
	struct metrics *m = metrics_new();
	struct metrics_family *f = metrics_gauges(m, "g", "G.", labels);

	(void)state;
	(void)metrics_counters(m, "c_total", "C.", labels);
	(void)metrics_histograms(m, "h", "H.", labels, bounds, 1);
	assert_exposition(m, "");
	(void)metrics_gauge(f, values);
	metrics_remove(f, values);
	metrics_remove(f, values);
	assert_exposition(m, "");
	metrics_free(m);
}

static void
each_type_is_written_as_the_format_says(void **state)
{
	static const char *const labels[] = { "handler", "status", NULL };
	static const char *const ok[] = { "alias", "success", NULL };
	static const char *const bad[] = { "alias", "error", NULL };
	static const double bounds[] = { 0.5, 1, 2.5 };
	struct metrics *m = metrics_new();
	struct metrics_family *c =
	    metrics_counters(m, "c_total", "Counted.", labels);
	struct metrics_family *g = metrics_gauges(m, "g", "Gauged.", NULL);
	struct metrics_family *h =
	    metrics_histograms(m, "h", "Seen.", no_labels, bounds, 3);
	struct metrics_histogram *seen = metrics_histogram(h, NULL);

	(void)state;
	metrics_add(metrics_counter(c, ok), UINT64_MAX);
	metrics_inc(metrics_counter(c, bad));
	metrics_set(metrics_gauge(g, NULL), -1.5);
	metrics_observe(seen, 0.5);
	metrics_observe(seen, 0.75);
	metrics_observe(seen, 2.5);
	metrics_observe(seen, 2.75);
	assert_exposition(m,
	    "# HELP " P "c_total Counted.\n"
	    "# TYPE " P "c_total counter\n" P
	    "c_total{handler=\"alias\",status=\"success\"} "
	    "18446744073709551615\n" P
	    "c_total{handler=\"alias\",status=\"error\"} 1\n"
	    "# HELP " P "g Gauged.\n"
	    "# TYPE " P "g gauge\n" P "g -1.5\n"
	    "# HELP " P "h Seen.\n"
	    "# TYPE " P "h histogram\n" P "h_bucket{le=\"0.5\"} 1\n" P
	    "h_bucket{le=\"1\"} 2\n" P "h_bucket{le=\"2.5\"} 3\n" P
	    "h_bucket{le=\"+Inf\"} 4\n" P "h_sum 6.5\n" P "h_count 4\n");
	metrics_free(m);
}

static void
label_values_and_help_are_escaped(void **state)
{
	static const char *const labels[] = { "a", "b", NULL };
	static const char *const values[] = { "q\"b\\n\nz", "", NULL };
	struct metrics *m = metrics_new();
	struct metrics_family *f =
	    metrics_gauges(m, "g", "Back\\slash\nand \"more\".", labels);

	(void)state;
	metrics_set(metrics_gauge(f, values), 1);
	assert_exposition(m,
	    "# HELP " P "g Back\\\\slash\\nand \"more\".\n"
	    "# TYPE " P "g gauge\n" P "g{a=\"q\\\"b\\\\n\\nz\",b=\"\"} 1\n");
	metrics_free(m);
}

static void
equal_labels_are_one_series_and_others_are_not(void **state)
{
	static const char *const labels[] = { "a", "b", NULL };
	/* Each pair would look the same if its values ran together. */
	static const char *const pairs[][3] = {
		{ "x", "y", NULL },
		{ "xy", "", NULL },
		{ "", "xy", NULL },
		{ "x\",b=\"y", "", NULL },
		{ "x\\", "y", NULL },
	};
	enum {
		PAIRS = sizeof pairs / sizeof pairs[0]
	};
	struct metrics *m = metrics_new();
	struct metrics_family *f = metrics_counters(m, "c_total", "C.", labels);
	struct metrics_counter *got[PAIRS];

	(void)state;
	assert_ptr_equal(f, metrics_counters(m, "c_total", "C.", labels));
	for (size_t i = 0; i < PAIRS; i++) {
		got[i] = metrics_counter(f, pairs[i]);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(got[i], got[j]);
	}
	for (size_t i = 0; i < PAIRS; i++)
		assert_ptr_equal(got[i], metrics_counter(f, pairs[i]));
	metrics_free(m);
}

static void
removing_a_series_leaves_its_neighbours(void **state)
{
	static const char *const labels[] = { "m", NULL };
	static const char *const one[] = { "1", NULL };
	static const char *const two[] = { "2", NULL };
	static const char *const three[] = { "3", NULL };
	static const double bounds[] = { 1 };
	struct metrics *m = metrics_new();
	struct metrics_family *f = metrics_gauges(m, "g", "G.", labels);
	struct metrics_family *h =
	    metrics_histograms(m, "h", "H.", labels, bounds, 1);
	struct metrics_gauge *kept;

	(void)state;
	(void)metrics_histogram(h, two);
	metrics_remove(h, two);
	metrics_set(metrics_gauge(f, one), 1);
	metrics_set(metrics_gauge(f, two), 2);
	kept = metrics_gauge(f, three);
	metrics_remove(f, two);
	metrics_remove(f, one);
	metrics_set(kept, 3);
	metrics_set(metrics_gauge(f, one), 4);
	assert_exposition(m,
	    "# HELP " P "g G.\n# TYPE " P "g gauge\n" P "g{m=\"3\"} 3\n" P
	    "g{m=\"1\"} 4\n");
	metrics_free(m);
}

static void
buckets_are_cumulative_and_end_with_the_count(void **state)
{
	static const double values[] = { -1, 0, 0.0005, 0.001, 0.0011, 0.002,
		0.3, 0.512, 0.6, 1e9, INFINITY, NAN };
	enum {
		VALUES = sizeof values / sizeof values[0]
	};
	double bounds[10];
	struct metrics *m = metrics_new();
	struct metrics_histogram *h;
	char le[128];

	(void)state;
	metrics_exponential_buckets(0.001, 2, 10, bounds);
	h = metrics_histogram(
	    metrics_histograms(m, "h", "H.", NULL, bounds, 10), NULL);
	for (size_t i = 0; i < VALUES; i++)
		metrics_observe(h, values[i]);
	for (size_t b = 0; b < 10; b++) {
		double want = 0;

		for (size_t i = 0; i < VALUES; i++)
			want += values[i] <= bounds[b];
		(void)snprintf(
		    le, sizeof le, P "h_bucket{le=\"%g\"}", bounds[b]);
		assert_true(sample(m, le) == want);
	}
	/* A value that is not a number is not counted. */
	assert_true(sample(m, P "h_bucket{le=\"+Inf\"}") == VALUES - 1);
	assert_true(sample(m, P "h_count") == VALUES - 1);
	assert_true(sample(m, P "h_sum") == INFINITY);
	metrics_free(m);
}

static void
set_to_42(void *arg)
{
	metrics_set(arg, 42);
}

static void
collectors_run_before_each_exposition(void **state)
{
	struct metrics *m = metrics_new();
	struct metrics_gauge *g =
	    metrics_gauge(metrics_gauges(m, "g", "G.", NULL), NULL);

	(void)state;
	metrics_on_collect(m, set_to_42, g);
	assert_true(sample(m, P "g") == 42);
	metrics_set(g, 1);
	assert_true(sample(m, P "g") == 42);
	metrics_free(m);
}

static void
a_buffer_too_small_is_told(void **state)
{
	struct metrics *m = metrics_new();
	size_t whole;
	char *text;

	(void)state;
	metrics_set(metrics_gauge(metrics_gauges(m, "g", "G.", NULL), NULL), 1);
	text = exposition(m);
	whole = strlen(text);
	free(text);
	for (size_t max = 0; max <= whole; max++) {
		struct buffer out;

		buffer_init(&out, max);
		assert_int_equal(metrics_write(m, &out), max == whole);
		buffer_fini(&out);
	}
	metrics_free(m);
}

/* What the replaced adapter's dashboards and alerts query, byte for byte. */
static const char adapter_exposition[] =
#define BUCKET(name, labels, le, n) \
	P name "_bucket{" labels ",le=\"" le "\"} " n "\n"
#define REQUEST "handler=\"alias\",status=\"success\""
#define CALL "endpoint=\"alias\",status_code=\"200\""
    "# HELP " P "request_duration_seconds R.\n"
    "# TYPE " P
    "request_duration_seconds histogram\n" BUCKET("request_duration_seconds",
	REQUEST, "0.001", "0") BUCKET("request_duration_seconds", REQUEST,
	"0.002", "0") BUCKET("request_duration_seconds", REQUEST, "0.004",
	"1") BUCKET("request_duration_seconds", REQUEST, "0.008", "1")
	BUCKET("request_duration_seconds", REQUEST, "0.016", "1") BUCKET(
	    "request_duration_seconds", REQUEST, "0.032", "1")
	    BUCKET("request_duration_seconds", REQUEST, "0.064", "1") BUCKET(
		"request_duration_seconds", REQUEST, "0.128", "1")
		BUCKET("request_duration_seconds", REQUEST, "0.256", "1")
		    BUCKET("request_duration_seconds", REQUEST, "0.512", "1")
			BUCKET("request_duration_seconds", REQUEST, "+Inf", "1")
			    P
    "request_duration_seconds_sum{" REQUEST "} 0.0025\n" P
    "request_duration_seconds_count{" REQUEST "} 1\n"
    "# HELP " P "requests_total T.\n"
    "# TYPE " P "requests_total counter\n" P "requests_total{" REQUEST "} 1\n"
    "# HELP " P "active_connections A.\n"
    "# TYPE " P "active_connections gauge\n" P "active_connections 3\n"
    "# HELP " P "connection_pool_usage U.\n"
    "# TYPE " P "connection_pool_usage gauge\n" P "connection_pool_usage 0.25\n"
    "# HELP " P "http_client_duration_seconds D.\n"
    "# TYPE " P "http_client_duration_seconds histogram\n" BUCKET(
	"http_client_duration_seconds", CALL, "0.01",
	"1") BUCKET("http_client_duration_seconds", CALL, "0.02",
	"1") BUCKET("http_client_duration_seconds", CALL, "0.04",
	"1") BUCKET("http_client_duration_seconds", CALL, "0.08",
	"1") BUCKET("http_client_duration_seconds", CALL, "0.16", "1")
	BUCKET("http_client_duration_seconds", CALL, "0.32", "1") BUCKET(
	    "http_client_duration_seconds", CALL, "0.64", "1")
	    BUCKET("http_client_duration_seconds", CALL, "1.28", "1") BUCKET(
		"http_client_duration_seconds", CALL, "2.56", "1")
		BUCKET("http_client_duration_seconds", CALL, "5.12", "1")
		    BUCKET("http_client_duration_seconds", CALL, "+Inf", "1") P
    "http_client_duration_seconds_sum{" CALL "} 0.01\n" P
    "http_client_duration_seconds_count{" CALL "} 1\n"
    "# HELP " P "http_client_requests_total C.\n"
    "# TYPE " P "http_client_requests_total counter\n" P
    "http_client_requests_total{" CALL "} 1\n"
    "# HELP " P "health_check_status S.\n"
    "# TYPE " P "health_check_status gauge\n" P "health_check_status 1\n";

static void
families_of_the_replaced_adapter_keep_their_text(void **state)
{
	static const char *const request[] = { "handler", "status", NULL };
	static const char *const call[] = { "endpoint", "status_code", NULL };
	static const char *const success[] = { "alias", "success", NULL };
	static const char *const found[] = { "alias", "200", NULL };
	struct metrics *m = metrics_new();
	double bounds[10];

	(void)state;
	metrics_exponential_buckets(0.001, 2, 10, bounds);
	metrics_observe(
	    metrics_histogram(metrics_histograms(m, "request_duration_seconds",
				  "R.", request, bounds, 10),
		success),
	    0.0025);
	metrics_inc(metrics_counter(
	    metrics_counters(m, "requests_total", "T.", request), success));
	metrics_set(
	    metrics_gauge(
		metrics_gauges(m, "active_connections", "A.", NULL), NULL),
	    3);
	metrics_set(
	    metrics_gauge(
		metrics_gauges(m, "connection_pool_usage", "U.", NULL), NULL),
	    0.25);
	metrics_exponential_buckets(0.01, 2, 10, bounds);
	metrics_observe(metrics_histogram(metrics_histograms(m,
					      "http_client_duration_seconds",
					      "D.", call, bounds, 10),
			    found),
	    0.01);
	metrics_inc(metrics_counter(
	    metrics_counters(m, "http_client_requests_total", "C.", call),
	    found));
	metrics_set(
	    metrics_gauge(
		metrics_gauges(m, "health_check_status", "S.", NULL), NULL),
	    1);
	assert_exposition(m, adapter_exposition);
	metrics_free(m);
}

static void
the_process_describes_itself(void **state)
{
	struct metrics *m = metrics_new();
	struct rlimit files;
	double fds;
	int pair[2];

	(void)state;
	metrics_add_process(m);
	metrics_add_process(m);
	assert_true(sample(m, "process_threads") == 1);
	assert_true(sample(m, "process_cpu_seconds_total") >= 0);
	assert_true(sample(m, "process_resident_memory_bytes") > 100000);
	assert_true(sample(m, "process_virtual_memory_bytes") >
	    sample(m, "process_resident_memory_bytes"));
	/* After 2020, and not after now: within a tick of the clock. */
	assert_true(sample(m, "process_start_time_seconds") > 1577836800);
	assert_true(
	    sample(m, "process_start_time_seconds") <= (double)time(NULL) + 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_true(sample(m, "process_max_fds") == (double)files.rlim_cur);
	fds = sample(m, "process_open_fds");
	assert_true(fds >= 3);
	assert_int_equal(pipe(pair), 0);
	assert_true(sample(m, "process_open_fds") == fds + 2);
	(void)close(pair[0]);
	(void)close(pair[1]);
	metrics_free(m);
}

static void
the_build_names_its_version(void **state)
{
	struct metrics *m = metrics_new();
	char *text;

	(void)state;
	metrics_add_process(m);
	text = exposition(m);
	assert_non_null(strstr(text,
	    "\n# TYPE " P "build_info gauge\n" P
	    "build_info{version=\"" PROJECT_VERSION "\",revision=\""));
	free(text);
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_shortest),
		cmocka_unit_test(numbers_read_back_as_they_were),
		cmocka_unit_test(nothing_is_written_without_a_series),
		cmocka_unit_test(each_type_is_written_as_the_format_says),
		cmocka_unit_test(label_values_and_help_are_escaped),
		cmocka_unit_test(
		    equal_labels_are_one_series_and_others_are_not),
		cmocka_unit_test(removing_a_series_leaves_its_neighbours),
		cmocka_unit_test(buckets_are_cumulative_and_end_with_the_count),
		cmocka_unit_test(collectors_run_before_each_exposition),
		cmocka_unit_test(a_buffer_too_small_is_told),
		cmocka_unit_test(
		    families_of_the_replaced_adapter_keep_their_text),
		cmocka_unit_test(the_process_describes_itself),
		cmocka_unit_test(the_build_names_its_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_dns.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT_MAX 16384

/* "url name weight", each found, in order. */
static const char *
text_of(const struct dns_answer *answer, char out[static TEXT_MAX])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < answer->found.count; i++) {
		const struct address *a = &answer->found.items[i];

		len +=
		    (size_t)snprintf(out + len, TEXT_MAX - len, "%s%s %s %.3f",
			i > 0 ? ", " : "", a->url, a->name, a->weight);
	}
	return out;
}

static struct dns_question
question_of(const char *url, bool known)
{
	struct dns_question question = { .known = known,
		.patience_ms = DNS_PATIENCE_MS };
	struct error error;

	if (!endpoint_parse(
		slice_of(url), ENDPOINT_POOL, &question.endpoint, &error))
		fail_msg("%s", error.text);
	return question;
}

/* Ask, and compare the verdict and what was found. */
static void
expect(struct fake_dns *f, const char *what,
    const struct dns_question *question, enum dns_verdict verdict,
    const char *want)
{
	struct dns_calls calls = fake_dns_calls(f);
	struct dns_answer answer;
	char got[TEXT_MAX];

	dns_resolve(&calls, question, &answer);
	if (answer.verdict != verdict)
		fail_msg(
		    "%s: verdict %d, %s", what, answer.verdict, answer.reason);
	if (strcmp(text_of(&answer, got), want) != 0)
		fail_msg("%s: got  %s\nwant %s", what, got, want);
	assert_int_equal(answer.reason[0] == '\0', verdict == DNS_OK);
	addresses_fini(&answer.found);
}

/* --- Hosts ---------------------------------------------------------------- */

static const struct {
	const char *addresses;
	int error;
	const char *url;
	enum dns_verdict verdict;
	const char *want;
} hosts[] = {
	{ "127.0.0.1", 0, "tcp://b:1", DNS_OK, "tcp://127.0.0.1:1 b 1.000" },
	{ "127.0.0.2 ::1 127.0.0.1", 0, "tcp://b:1", DNS_OK,
	    "tcp://127.0.0.1:1 b 1.000, tcp://127.0.0.2:1 b 1.000, "
	    "tcp://[::1]:1 b 1.000" },
	{ "127.0.0.1 127.0.0.1", 0, "tls+tcp://b:1", DNS_OK,
	    "tls+tcp://127.0.0.1:1 b 1.000" },
	{ "", 0, "tcp://b:1", DNS_FAILED, "" },
	{ NULL, EAI_NONAME, "tcp://b:1", DNS_FAILED, "" },
	{ NULL, EAI_NODATA, "tcp://b:1", DNS_FAILED, "" },
	{ NULL, EAI_AGAIN, "tcp://b:1", DNS_FAILED, "" },
	{ NULL, EAI_FAIL, "tcp://b:1", DNS_FAILED, "" },
	{ NULL, EAI_SYSTEM, "tcp://b:1", DNS_FAILED, "" },
};

static void
every_address_of_a_host_is_one_backend(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		static struct fake_dns f;
		struct dns_question question = question_of(hosts[i].url, false);
		char what[32];

		fake_dns_init(&f);
		fake_dns_set(&f, "b", hosts[i].addresses, hosts[i].error);
		(void)snprintf(what, sizeof what, "case %zu", i);
		expect(&f, what, &question, hosts[i].verdict, hosts[i].want);
	}
}

static void
a_host_with_too_many_addresses_is_used_in_part(void **state)
{
	static char many[(DNS_ADDRESSES_MAX + 1) * 12];
	struct dns_question question = question_of("tcp://b:1", false);
	struct dns_calls calls;
	struct dns_answer answer;
	static struct fake_dns f;
	size_t len = 0;

	(void)state;
	for (int i = 0; i <= DNS_ADDRESSES_MAX; i++)
		len += (size_t)snprintf(many + len, sizeof many - len,
		    "%s127.0.%d.%d", i > 0 ? " " : "", i / 256, i % 256);
	fake_dns_init(&f);
	fake_dns_set(&f, "b", many, 0);
	calls = fake_dns_calls(&f);
	dns_resolve(&calls, &question, &answer);
	assert_int_equal(answer.verdict, DNS_PARTIAL);
	assert_int_equal(answer.found.count, DNS_ADDRESSES_MAX);
	addresses_fini(&answer.found);
}

/* --- SRV ------------------------------------------------------------------ */

struct record {
	unsigned priority, weight, port;
	const char *target;
};

/* b1 to b3 have an address, both has two, none has none, late and lost cannot
 * be looked up for now. */
static const struct {
	const char *what;
	struct record records[5];
	bool known;
	enum dns_verdict verdict;
	const char *want;
} srv[] = {
	{ "one record", { { 0, 0, 1, "b1" } }, false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 1.000" },
	{ "weights", { { 0, 10, 1, "b1" }, { 0, 30, 2, "b2" } }, false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 0.500, tcp://127.0.0.2:2 b2 1.500" },
	{ "no weights", { { 0, 0, 1, "b1" }, { 0, 0, 1, "b2" } }, false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 1.000, tcp://127.0.0.2:1 b2 1.000" },
	{ "one without weight", { { 0, 0, 1, "b1" }, { 0, 99, 1, "b2" } },
	    false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 0.020, tcp://127.0.0.2:1 b2 1.980" },
	{ "ports of one target", { { 0, 1, 1, "b1" }, { 0, 3, 2, "b1" } },
	    false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 0.500, tcp://127.0.0.1:2 b1 1.500" },
	{ "a target's weight is its addresses' together",
	    { { 0, 10, 1, "both" }, { 0, 10, 1, "b3" } }, false, DNS_OK,
	    "tcp://127.0.0.3:1 b3 1.500, tcp://127.0.0.4:1 both 0.750, "
	    "tcp://[::1]:1 both 0.750" },
	{ "the lowest priority only", { { 1, 9, 1, "b1" }, { 0, 1, 1, "b2" } },
	    false, DNS_OK, "tcp://127.0.0.2:1 b2 1.000" },
	{ "the next one, when the lowest has no address",
	    { { 0, 9, 1, "none" }, { 0, 9, 1, "none2" }, { 1, 1, 1, "b1" },
		{ 1, 1, 2, "b2" }, { 2, 1, 3, "b3" } },
	    true, DNS_OK,
	    "tcp://127.0.0.1:1 b1 1.000, tcp://127.0.0.2:2 b2 1.000" },
	{ "a target without address has no weight, either",
	    { { 0, 50, 1, "none" }, { 0, 10, 1, "b1" }, { 0, 10, 1, "b2" } },
	    false, DNS_OK,
	    "tcp://127.0.0.1:1 b1 1.000, tcp://127.0.0.2:1 b2 1.000" },
	{ "some cannot be looked up",
	    { { 0, 1, 1, "late" }, { 0, 1, 1, "b1" } }, true, DNS_PARTIAL,
	    "tcp://127.0.0.1:1 b1 1.000" },
	{ "none can be looked up, and others are known",
	    { { 0, 1, 1, "late" }, { 1, 1, 1, "b1" } }, true, DNS_FAILED, "" },
	{ "none can be looked up, and nothing is known",
	    { { 0, 1, 1, "late" }, { 0, 1, 1, "lost" }, { 1, 1, 1, "b1" } },
	    false, DNS_OK, "tcp://127.0.0.1:1 b1 1.000" },
	{ "no target has an address",
	    { { 0, 1, 1, "none" }, { 1, 1, 1, "none2" } }, false, DNS_FAILED,
	    "" },
	{ "not offered", { { 0, 0, 1, "" } }, false, DNS_FAILED, "" },
	{ "twice the same", { { 0, 1, 1, "b1" }, { 0, 1, 1, "b1" } }, false,
	    DNS_OK, "tcp://127.0.0.1:1 b1 1.000" },
};

static void
set_hosts(struct fake_dns *f)
{
	fake_dns_init(f);
	fake_dns_set(f, "b1", "127.0.0.1", 0);
	fake_dns_set(f, "b2", "127.0.0.2", 0);
	fake_dns_set(f, "b3", "127.0.0.3", 0);
	fake_dns_set(f, "both", "127.0.0.4 ::1", 0);
	fake_dns_set(f, "late", NULL, EAI_AGAIN);
	fake_dns_set(f, "lost", NULL, EAI_FAIL);
}

static void
each_srv_answer_gives_addresses_and_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(srv); i++) {
		struct dns_question question =
		    question_of("srv+tcp://example", srv[i].known);
		static struct fake_dns f;
		struct answer a;

		set_hosts(&f);
		answer_begin(&a, "_userli-bridge._tcp.example");
		for (size_t j = 0;
		     j < COUNT(srv[i].records) && srv[i].records[j].port > 0;
		     j++) {
			const struct record *r = &srv[i].records[j];

			answer_add_srv(
			    &a, r->priority, r->weight, r->port, r->target);
		}
		fake_dns_set_srv(&f, &a);
		expect(&f, srv[i].what, &question, srv[i].verdict, srv[i].want);
	}
}

static void
the_mean_weight_of_many_records_is_1(void **state)
{
	struct dns_question question = question_of("srv+tcp://example", false);
	struct dns_calls calls;
	struct dns_answer answer;
	static struct fake_dns f;
	struct answer a;
	double sum = 0;

	(void)state;
	set_hosts(&f);
	answer_begin(&a, "_userli-bridge._tcp.example");
	for (unsigned i = 0; i < 200; i++)
		answer_add_srv(&a, 0, i * i, i + 1, i % 2 != 0 ? "b1" : "b2");
	fake_dns_set_srv(&f, &a);
	calls = fake_dns_calls(&f);
	dns_resolve(&calls, &question, &answer);
	assert_int_equal(answer.verdict, DNS_OK);
	assert_int_equal(answer.found.count, 200);
	for (size_t i = 0; i < 200; i++)
		sum += answer.found.items[i].weight;
	assert_float_equal(sum, 200, 0.001);
	/* A target with many ports is looked up once. */
	assert_int_equal(fake_dns_asked(&f), 3);
	addresses_fini(&answer.found);
}

static void
a_service_that_dns_does_not_know_has_no_address(void **state)
{
	struct dns_question question =
	    question_of("srv+tls+tcp://_rpc._tcp.example", false);
	static struct fake_dns f;
	struct answer garbage = { .len = 13 };

	(void)state;
	fake_dns_init(&f);
	expect(&f, "no such name", &question, DNS_FAILED, "");
	assert_string_equal(f.last, "_rpc._tcp.example");
	fake_dns_set_srv(&f, &garbage);
	expect(&f, "garbage", &question, DNS_FAILED, "");
	answer_begin(&garbage, "_rpc._tcp.example");
	answer_add_srv(&garbage, 0, 0, 7, "b1");
	fake_dns_set(&f, "b1", "::1", 0);
	fake_dns_set_srv(&f, &garbage);
	expect(&f, "a record", &question, DNS_OK, "tls+tcp://[::1]:7 b1 1.000");
}

static void
patience_ends_with_what_there_is(void **state)
{
	struct dns_question question = question_of("srv+tcp://example", true);
	static struct fake_dns f;
	struct answer a;

	(void)state;
	set_hosts(&f);
	answer_begin(&a, "_userli-bridge._tcp.example");
	answer_add_srv(&a, 0, 1, 1, "b1");
	answer_add_srv(&a, 0, 1, 1, "b2");
	fake_dns_set_srv(&f, &a);
	question.patience_ms = 0;
	expect(&f, "no time at all", &question, DNS_FAILED, "");
	assert_int_equal(fake_dns_asked(&f), 1);
}

/* --- The system's resolver ------------------------------------------------ */

static void
the_system_knows_localhost(void **state)
{
	struct dns_question question = question_of("tcp://localhost:1", false);
	struct dns_answer answer;

	(void)state;
	dns_resolve(&dns_system, &question, &answer);
	assert_int_equal(answer.verdict, DNS_OK);
	assert_true(
	    addresses_find(&answer.found, "tcp://127.0.0.1:1") != NULL ||
	    addresses_find(&answer.found, "tcp://[::1]:1") != NULL);
	addresses_fini(&answer.found);
}

static void
the_system_refuses_a_name_that_no_question_can_hold(void **state)
{
	unsigned char bytes[512];
	char name[400];
	const char *reason = NULL;

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_int_equal(
	    dns_system.records(NULL, name, bytes, sizeof bytes, &reason), -1);
	assert_non_null(reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_of_a_host_is_one_backend),
		cmocka_unit_test(
		    a_host_with_too_many_addresses_is_used_in_part),
		cmocka_unit_test(each_srv_answer_gives_addresses_and_weights),
		cmocka_unit_test(the_mean_weight_of_many_records_is_1),
		cmocka_unit_test(
		    a_service_that_dns_does_not_know_has_no_address),
		cmocka_unit_test(patience_ends_with_what_there_is),
		cmocka_unit_test(the_system_knows_localhost),
		cmocka_unit_test(
		    the_system_refuses_a_name_that_no_question_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

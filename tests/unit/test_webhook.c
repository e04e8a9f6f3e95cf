/* Which bytes are a webhook of userli's, and that no other is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/webhook.h"
#include "backend/webhook_seen.h"
#include "backend/webhook_time.h"

#define SECRET "a secret of userli's"
#define NOW 1767323045 /* 2026-01-02T03:04:05Z */
#define WINDOW 300
#define ID "01JGGX7V4B8Y2R3M5N6P7Q8S9T"
#define BODY(type, time, email)                                    \
	"{\"type\":\"" type "\",\"timestamp\":" time ",\"data\":{" \
	"\"email\":\"" email "\"}}"
#define AT "\"2026-01-02T03:04:05+00:00\""
#define GENUINE BODY("user.created", AT, "info@example.org")

static const struct webhook_rules rules = {
	.secret = { SECRET, sizeof SECRET - 1 },
	.window_s = WINDOW,
};

/* hash_hmac('sha256', $body, $secret), as PHP has it */
static void
sign_with(
    struct slice secret, struct slice body, char out[static HMAC_BYTES * 2 + 1])
{
	uint8_t mac[HMAC_BYTES];

	assert_true(hmac_make(secret, body, mac));
	for (size_t i = 0; i < HMAC_BYTES; i++)
		(void)snprintf(out + i * 2, 3, "%02x", mac[i]);
}

/* In memory of just that size: what reads beyond it is found out. */
static enum webhook_verdict
judge_copy(struct slice body, const char *signature, const char *id,
    int64_t now, struct webhook *out)
{
	char *copy = malloc(body.len + 1);
	enum webhook_verdict verdict;

	assert_non_null(copy);
	if (body.len > 0)
		memcpy(copy + 1, body.ptr, body.len);
	verdict = webhook_judge(&rules,
	    &(struct webhook_message){
		.body = { copy + 1, body.len },
		.signature = signature,
		.id = id,
	    },
	    now, out);
	free(copy);
	return verdict;
}

static enum webhook_verdict
judge_signed(struct slice body, int64_t now, struct webhook *out)
{
	char signature[HMAC_BYTES * 2 + 1];

	sign_with(rules.secret, body, signature);
	return judge_copy(body, signature, ID, now, out);
}

/* --- Which are taken ------------------------------------------------------ */

static void
what_userli_sends_is_accepted(void **state)
{
	/* The signature was made by another implementation. */
	static const char signature[] =
	    "be1afb14f91eef0fb39ece83c4a436ea1173072630d63353ad5245272fa82a22";
	struct webhook webhook;

	(void)state;
	assert_int_equal(
	    judge_copy(SLICE(GENUINE), signature, ID, NOW, &webhook),
	    WEBHOOK_VALID);
	assert_string_equal(webhook.email, "info@example.org");
	assert_int_equal(webhook.timestamp, NOW);
}

static void
every_form_of_it_is_judged(void **state)
{
	/* clang-format off */
	static const struct {
		const char *body;
		enum webhook_verdict want;
	} cases[] = {
		{ GENUINE, WEBHOOK_VALID },
		{ BODY("user.deleted", AT, "a@b"), WEBHOOK_VALID },
		{ BODY("user.reset", AT, "A.B@X.Example"), WEBHOOK_VALID },
		{ BODY("user.reset", AT, "\\u00e4@b"), WEBHOOK_VALID },
		{ BODY("user.reset", "1767323045", "a@b"), WEBHOOK_VALID },
		{ BODY("user.reset", "1767323345", "a@b"), WEBHOOK_VALID },
		{ BODY("user.reset", "1767322745", "a@b"), WEBHOOK_VALID },
		{ "{\"data\":{\"email\":\"a@b\",\"x\":[1]},\"more\":null,\n"
		  "\"timestamp\":" AT ", \"type\":\"user.reset\"}",
		    WEBHOOK_VALID },
		{ BODY("user.renamed", AT, "a@b"), WEBHOOK_IGNORED },
		{ BODY("USER.created", AT, "a@b"), WEBHOOK_IGNORED },
		{ BODY("user.reset", "1767323346", "a@b"), WEBHOOK_STALE },
		{ BODY("user.reset", "1767322744", "a@b"), WEBHOOK_STALE },
		{ BODY("user.reset", "0", "a@b"), WEBHOOK_STALE },
		{ BODY("user.reset", "-9223372036854775808", "a@b"),
		    WEBHOOK_STALE },
		{ BODY("user.reset", "9223372036854775807", "a@b"),
		    WEBHOOK_STALE },
		{ BODY("user.renamed", "0", "a@b"), WEBHOOK_STALE },
		{ BODY("user.reset", "99999999999999999999", "a@b"),
		    WEBHOOK_MALFORMED },
		{ BODY("user.reset", "1767323045.5", "a@b"),
		    WEBHOOK_MALFORMED },
		{ BODY("user.reset", "\"1767323045\"", "a@b"),
		    WEBHOOK_MALFORMED },
		{ BODY("user.reset", "null", "a@b"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", "\"yesterday\"", "a@b"),
		    WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, ""), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "@"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "@b"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a@"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a@b@c"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a @b"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a@b\\n"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "a@b\\u0000"), WEBHOOK_MALFORMED },
		{ BODY("user.reset", AT, "\xff@b"), WEBHOOK_MALFORMED },
		{ BODY("", AT, "a@b"), WEBHOOK_MALFORMED },
		{ "", WEBHOOK_MALFORMED },
		{ "null", WEBHOOK_MALFORMED },
		{ "[]", WEBHOOK_MALFORMED },
		{ "{}", WEBHOOK_MALFORMED },
		{ GENUINE "x", WEBHOOK_MALFORMED },
		{ "{\"type\":\"user.reset\",\"timestamp\":0,\"data\":\"a@b\"}",
		    WEBHOOK_MALFORMED },
		{ "{\"type\":\"user.reset\",\"timestamp\":0,\"data\":{}}",
		    WEBHOOK_MALFORMED },
		{ "{\"type\":\"user.reset\",\"timestamp\":0,"
		  "\"data\":{\"email\":[\"a@b\"]}}", WEBHOOK_MALFORMED },
		{ "{\"type\":\"user.reset\",\"type\":\"user.reset\","
		  "\"timestamp\":" AT ",\"data\":{\"email\":\"a@b\"}}",
		    WEBHOOK_MALFORMED },
		{ "{\"type\":1,\"timestamp\":0,\"data\":{\"email\":\"a@b\"}}",
		    WEBHOOK_MALFORMED },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct webhook webhook;
		enum webhook_verdict got =
		    judge_signed(slice_of(cases[i].body), NOW, &webhook);

		if (got != cases[i].want)
			fail_msg("%s: got %s, want %s", cases[i].body,
			    webhook_verdict_name(got),
			    webhook_verdict_name(cases[i].want));
	}
}

static void
an_id_is_needed_and_bounded(void **state)
{
	char id[WEBHOOK_ID_MAX + 2];
	char signature[HMAC_BYTES * 2 + 1];
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), signature);
	memset(id, 'x', sizeof id);
	id[WEBHOOK_ID_MAX + 1] = '\0';
	assert_int_equal(
	    judge_copy(SLICE(GENUINE), signature, NULL, NOW, &webhook),
	    WEBHOOK_MALFORMED);
	assert_int_equal(
	    judge_copy(SLICE(GENUINE), signature, "", NOW, &webhook),
	    WEBHOOK_MALFORMED);
	assert_int_equal(
	    judge_copy(SLICE(GENUINE), signature, id, NOW, &webhook),
	    WEBHOOK_MALFORMED);
	id[WEBHOOK_ID_MAX] = '\0';
	assert_int_equal(
	    judge_copy(SLICE(GENUINE), signature, id, NOW, &webhook),
	    WEBHOOK_VALID);
}

static void
the_email_is_bounded(void **state)
{
	char body[1000];
	struct webhook webhook;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		(void)snprintf(body, sizeof body,
		    BODY("user.created", AT, "%0*d@b"),
		    WEBHOOK_EMAIL_MAX - 2 + extra, 0);
		assert_int_equal(judge_signed(slice_of(body), NOW, &webhook),
		    extra == 0 ? WEBHOOK_VALID : WEBHOOK_MALFORMED);
		if (extra == 0)
			assert_int_equal(
			    strlen(webhook.email), WEBHOOK_EMAIL_MAX);
	}
}

/* --- Which are not -------------------------------------------------------- */

static void
every_truncation_is_forged(void **state)
{
	char signature[HMAC_BYTES * 2 + 1];
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), signature);
	for (size_t n = 0; n < sizeof GENUINE - 1; n++)
		assert_int_equal(judge_copy((struct slice){ GENUINE, n },
				     signature, ID, NOW, &webhook),
		    WEBHOOK_FORGED);
}

static void
every_changed_bit_of_the_body_is_forged(void **state)
{
	char signature[HMAC_BYTES * 2 + 1];
	char body[] = GENUINE;
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), signature);
	for (size_t i = 0; i < (sizeof GENUINE - 1) * 8; i++) {
		body[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(
		    judge_copy((struct slice){ body, sizeof body - 1 },
			signature, ID, NOW, &webhook),
		    WEBHOOK_FORGED);
		body[i / 8] ^= (char)(1 << i % 8);
	}
}

static void
every_changed_digit_of_the_signature_is_forged(void **state)
{
	char signature[HMAC_BYTES * 2 + 1];
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), signature);
	for (size_t i = 0; i < sizeof signature - 1; i++) {
		char was = signature[i];

		signature[i] = was == '0' ? '1' : '0';
		assert_int_equal(
		    judge_copy(SLICE(GENUINE), signature, ID, NOW, &webhook),
		    WEBHOOK_FORGED);
		signature[i] = was;
	}
}

static void
what_cannot_be_a_signature_is_unsigned(void **state)
{
	char good[HMAC_BYTES * 2 + 1];
	char text[200];
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), good);
	assert_int_equal(judge_copy(SLICE(GENUINE), NULL, ID, NOW, &webhook),
	    WEBHOOK_UNSIGNED);
	for (size_t n = 0; n < sizeof good - 1; n++) {
		(void)snprintf(text, sizeof text, "%.*s", (int)n, good);
		assert_int_equal(
		    judge_copy(SLICE(GENUINE), text, ID, NOW, &webhook),
		    WEBHOOK_UNSIGNED);
		memcpy(text, good, sizeof good);
		text[n] = 'g';
		assert_int_equal(
		    judge_copy(SLICE(GENUINE), text, ID, NOW, &webhook),
		    WEBHOOK_UNSIGNED);
	}
	(void)snprintf(text, sizeof text, "%s0", good);
	assert_int_equal(judge_copy(SLICE(GENUINE), text, ID, NOW, &webhook),
	    WEBHOOK_UNSIGNED);
	(void)snprintf(text, sizeof text, "sha256=%s", good);
	assert_int_equal(judge_copy(SLICE(GENUINE), text, ID, NOW, &webhook),
	    WEBHOOK_UNSIGNED);
}

static void
another_secret_is_forged(void **state)
{
	static const struct slice secrets[] = {
		{ "", 0 },
		{ "a secret of userli'", 19 },
		{ "a secret of userli's ", 21 },
		{ "A secret of userli's", 20 },
	};
	char signature[HMAC_BYTES * 2 + 1];
	struct webhook webhook;

	(void)state;
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		sign_with(secrets[i], SLICE(GENUINE), signature);
		assert_int_equal(
		    judge_copy(SLICE(GENUINE), signature, ID, NOW, &webhook),
		    WEBHOOK_FORGED);
	}
}

static void
what_is_too_large_or_too_deep_is_not_parsed(void **state)
{
	static char body[WEBHOOK_BODY_MAX + 1];
	struct webhook webhook;

	(void)state;
	memset(body, ' ', sizeof body);
	memcpy(body, GENUINE, sizeof GENUINE - 1);
	assert_int_equal(
	    judge_signed((struct slice){ body, sizeof body }, NOW, &webhook),
	    WEBHOOK_TOO_LARGE);
	assert_int_equal(judge_signed((struct slice){ body, sizeof body - 1 },
			     NOW, &webhook),
	    WEBHOOK_VALID);
	memset(body, '[', sizeof body);
	assert_int_equal(judge_signed((struct slice){ body, sizeof body - 1 },
			     NOW, &webhook),
	    WEBHOOK_MALFORMED);
}

/* --- What userli's database does to it ------------------------------------ */

static void
members_in_another_order_are_what_was_signed(void **state)
{
	static const char *const same[] = {
		"{\"data\":{\"email\":\"info@example.org\"},"
		"\"type\":\"user.created\",\"timestamp\":" AT "}",
		"{\"timestamp\": " AT ", \"data\": {\"email\": "
		"\"info@example.org\"},\n \"type\": \"user.created\"}",
	};
	static const char *const other[] = {
		"{\"data\":{\"email\":\"info@example.com\"},"
		"\"type\":\"user.created\",\"timestamp\":" AT "}",
		"{\"data\":{\"email\":\"info@example.org\"},"
		"\"type\":\"user.deleted\",\"timestamp\":" AT "}",
		"{\"data\":{\"email\":\"info@example.org\"},"
		"\"type\":\"user.created\",\"timestamp\":"
		"\"2026-01-02T03:04:06+00:00\"}",
		/* What would write itself into the text that was signed. */
		"{\"type\":\"user.created\\\",\\\"timestamp\\\":\\\""
		"2026-01-02T03:04:05+00:00\\\",\\\"data\\\":{\\\"email\\\":"
		"\\\"info@example.org\\\"}}\",\"timestamp\":\"\","
		"\"data\":{\"email\":\"\"}}",
	};
	char signature[HMAC_BYTES * 2 + 1];
	struct webhook webhook;

	(void)state;
	sign_with(rules.secret, SLICE(GENUINE), signature);
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		assert_int_equal(
		    judge_copy(slice_of(same[i]), signature, ID, NOW, &webhook),
		    WEBHOOK_VALID);
		assert_string_equal(webhook.email, "info@example.org");
	}
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		assert_int_equal(judge_copy(slice_of(other[i]), signature, ID,
				     NOW, &webhook),
		    WEBHOOK_FORGED);
}

/* --- Times ---------------------------------------------------------------- */

static void
times_are_read_as_rfc_3339_writes_them(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-02T03:04:05+00:00", NOW },
		{ "2026-01-02T03:04:05z", NOW },
		{ "2026-01-02t03:04:05.999999Z", NOW },
		{ "2026-01-02T04:04:05+01:00", NOW },
		{ "2026-01-02T04:04:05+0100", NOW },
		{ "2026-01-01T21:34:05-05:30", NOW },
		{ "2024-02-29T00:00:00Z", 1709164800 },
		{ "2016-12-31T23:59:60Z", 1483228800 },
	};
	static const char *const wrong[] = { "", "2026", "2026-01-02",
		"2026-01-02T03:04:05", "2026-01-02 03:04:05Z",
		"2026-01-02T03:04Z", "2026-1-02T03:04:05Z",
		"2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z",
		"2026-01-00T03:04:05Z", "2026-02-29T03:04:05Z",
		"2026-04-31T03:04:05Z", "2026-01-02T24:04:05Z",
		"2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z",
		"2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+1:00",
		"2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+01:60",
		"2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05Z ",
		"+026-01-02T03:04:05Z", "Fri, 02 Jan 2026 03:04:05 GMT" };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t got = -1;

		assert_true(webhook_time_read(slice_of(cases[i].text), &got));
		assert_int_equal(got, cases[i].want);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int64_t got;

		if (webhook_time_read(slice_of(wrong[i]), &got))
			fail_msg("%s was read", wrong[i]);
	}
}

/* --- Replays -------------------------------------------------------------- */

static struct webhook
webhook_number(unsigned n)
{
	struct webhook webhook = { .timestamp = NOW };

	memcpy(webhook.mac, &n, sizeof n);
	return webhook;
}

static void
one_is_taken_once_whatever_its_id(void **state)
{
	struct webhook_seen *seen = webhook_seen_new(8);
	struct webhook one = webhook_number(1);
	struct webhook two = webhook_number(2);

	(void)state;
	assert_true(webhook_seen_add(seen, &one, "a", NOW, NOW + WINDOW));
	assert_false(webhook_seen_add(seen, &one, "a", NOW, NOW + WINDOW));
	assert_false(webhook_seen_add(seen, &one, "b", NOW, NOW + WINDOW));
	assert_false(webhook_seen_add(seen, &two, "a", NOW, NOW + WINDOW));
	assert_true(webhook_seen_add(seen, &two, "b", NOW, NOW + WINDOW));
	/* Remembered for as long as it would not be stale. */
	assert_false(
	    webhook_seen_add(seen, &one, "a", NOW + WINDOW, NOW + WINDOW));
	assert_true(webhook_seen_add(
	    seen, &one, "a", NOW + WINDOW + 1, NOW + WINDOW + 1));
	webhook_seen_free(seen);
}

static void
when_full_the_oldest_is_forgotten_first(void **state)
{
	struct webhook_seen *seen = webhook_seen_new(4);
	char id[16];

	(void)state;
	for (unsigned n = 1; n <= 5; n++) {
		struct webhook webhook = webhook_number(n);

		(void)snprintf(id, sizeof id, "%u", n);
		assert_true(
		    webhook_seen_add(seen, &webhook, id, NOW, NOW + WINDOW));
	}
	for (unsigned n = 5; n >= 1; n--) {
		struct webhook webhook = webhook_number(n);

		(void)snprintf(id, sizeof id, "%u", n);
		assert_int_equal(
		    webhook_seen_add(seen, &webhook, id, NOW, NOW + WINDOW),
		    n == 1);
	}
	webhook_seen_free(seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_userli_sends_is_accepted),
		cmocka_unit_test(every_form_of_it_is_judged),
		cmocka_unit_test(an_id_is_needed_and_bounded),
		cmocka_unit_test(the_email_is_bounded),
		cmocka_unit_test(every_truncation_is_forged),
		cmocka_unit_test(every_changed_bit_of_the_body_is_forged),
		cmocka_unit_test(
		    every_changed_digit_of_the_signature_is_forged),
		cmocka_unit_test(what_cannot_be_a_signature_is_unsigned),
		cmocka_unit_test(another_secret_is_forged),
		cmocka_unit_test(what_is_too_large_or_too_deep_is_not_parsed),
		cmocka_unit_test(members_in_another_order_are_what_was_signed),
		cmocka_unit_test(times_are_read_as_rfc_3339_writes_them),
		cmocka_unit_test(one_is_taken_once_whatever_its_id),
		cmocka_unit_test(when_full_the_oldest_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

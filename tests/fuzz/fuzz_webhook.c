/*
 * A webhook's body: signed as it is, signed before its members were moved, or
 * not at all
 */
#include "backend/webhook.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1767323045 /* 2026-01-02T03:04:05Z */
#define EMAIL "info@example.org"

static const struct webhook_rules rules = { .secret = { "secret", 6 },
	.window_s = 300 };

/* What the corpus holds in other orders. */
#define GENUINE                                        \
	"{\"type\":\"user.created\","                  \
	"\"timestamp\":\"2026-01-02T03:04:05+00:00\"," \
	"\"data\":{\"email\":\"" EMAIL "\"}}"
static const struct slice genuine = { GENUINE, sizeof GENUINE - 1 };

static void
sign(struct slice text, char out[static HMAC_BYTES * 2 + 1])
{
	uint8_t mac[HMAC_BYTES];

	fuzz_check(hmac_make(rules.secret, text, mac));
	for (size_t i = 0; i < HMAC_BYTES; i++)
		(void)snprintf(out + i * 2, 3, "%02x", mac[i]);
}

/* The cache is purged of it, and peers are told. */
static void
check_valid(const struct webhook *webhook)
{
	const char *at = strchr(webhook->email, '@');

	fuzz_check(at != NULL && at > webhook->email && at[1] != '\0');
	fuzz_check(strchr(at + 1, '@') == NULL);
	fuzz_check(strlen(webhook->email) <= WEBHOOK_EMAIL_MAX);
	for (const char *p = webhook->email; *p != '\0'; p++)
		fuzz_check((unsigned char)*p > ' ');
	fuzz_check(webhook->timestamp >= NOW - rules.window_s &&
	    webhook->timestamp <= NOW + rules.window_s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char signature[HMAC_BYTES * 2 + 1] = "";
	struct slice body = fuzz_input(data, size);
	uint8_t choice = fuzz_choice(&body) % 4;
	struct webhook_message message = { .body = body,
		.signature = signature,
		.id = choice == 3 ? NULL : "01JGGX7V4B8Y2R3M5N6P7Q8S9T" };
	enum webhook_verdict verdict;
	struct webhook webhook;

	if (choice == 1)
		sign(genuine, signature);
	else if (choice != 2)
		sign(body, signature);
	verdict = webhook_judge(&rules, &message, NOW, &webhook);
	fuzz_check(verdict < WEBHOOK_VERDICTS);
	fuzz_check(webhook_verdict_name(verdict) != NULL);
	if (verdict == WEBHOOK_VALID)
		check_valid(&webhook);
	if (choice == 1 && verdict == WEBHOOK_VALID)
		fuzz_check(strcmp(webhook.email, EMAIL) == 0);
	if (choice >= 2)
		fuzz_check(verdict != WEBHOOK_VALID);
	return 0;
}

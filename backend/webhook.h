/*
 * webhook - is this a webhook of userli's, and whom is it about?
 *
 * Pure: bytes, headers and the time in, a verdict out.  What userli sends (its
 * WebhookDispatcher and SendWebhookHandler):
 *
 *   X-Webhook-Signature   HMAC-SHA256 in hex, under the endpoint's secret
 *   X-Webhook-Id          of the delivery; the same when it is tried again
 *   X-Webhook-Attempt     1, 2, …
 *   {"type":"user.created","timestamp":"2026-01-02T03:04:05+00:00",
 *    "data":{"email":"info@example.org"}}
 *
 * The signature is that of the raw body.  But userli signs before it keeps the
 * body as JSON in its database, and sends what it reads back: MySQL and
 * PostgreSQL put the members into another order on the way.  So where the raw
 * body does not fit, the text that userli has signed is made anew from the
 * three values, which are all that is used here, and compared likewise.
 *
 * The id and the attempt are in no signature: they prove nothing.
 */
#ifndef BACKEND_WEBHOOK_H
#define BACKEND_WEBHOOK_H

#include <stdint.h>

#include "common/hmac.h"
#include "common/slice.h"

#define WEBHOOK_BODY_MAX 65536 /* bytes */
#define WEBHOOK_NESTING_MAX 8
#define WEBHOOK_ID_MAX 128    /* bytes; userli's are ULIDs of 26 */
#define WEBHOOK_EMAIL_MAX 320 /* bytes, RFC 3696 */
#define WEBHOOK_TYPE_MAX 100  /* bytes */

enum webhook_verdict {
	WEBHOOK_VALID,
	WEBHOOK_IGNORED,   /* authentic, of a type that changes nothing here */
	WEBHOOK_TOO_LARGE, /* over WEBHOOK_BODY_MAX */
	WEBHOOK_UNSIGNED,  /* no signature, or none that could be one */
	WEBHOOK_FORGED,    /* of another secret, or another body */
	WEBHOOK_MALFORMED, /* authentic, but it makes no sense */
	WEBHOOK_STALE,     /* authentic, and too old, or of the future */
	WEBHOOK_REPLAYED,  /* authentic, and seen before: see webhook_seen.h */
	WEBHOOK_VERDICTS,
};

/* As it came; a header that is missing is NULL. */
struct webhook_message {
	struct slice body;
	const char *signature;
	const char *id;
};

struct webhook_rules {
	struct slice secret;
	int64_t window_s; /* how old, or how far ahead, it may be */
};

/* What a valid one says. */
struct webhook {
	char email[WEBHOOK_EMAIL_MAX + 1];
	int64_t timestamp; /* seconds since 1970 */
	uint8_t mac[HMAC_BYTES];
};

/*
 * Judge one; never WEBHOOK_REPLAYED.  now in seconds since 1970.  *out is
 * filled in for WEBHOOK_VALID alone.
 */
enum webhook_verdict webhook_judge(const struct webhook_rules *rules,
    const struct webhook_message *message, int64_t now, struct webhook *out)
    __attribute__((warn_unused_result));

/* "accepted", "ignored", "forged", …: for metrics and logs. */
const char *webhook_verdict_name(enum webhook_verdict verdict);

#endif

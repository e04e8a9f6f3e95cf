#include "backend/webhook_seen.h"

#include <stdlib.h>
#include <xxhash.h>

#include "common/mem.h"

struct mark {
	uint8_t mac[HMAC_BYTES];
	XXH128_hash_t id;
	int64_t until;
};

struct webhook_seen {
	size_t max;
	size_t count;
	size_t next; /* where the next goes: over the oldest, when full */
	struct mark marks[];
};

struct webhook_seen *
webhook_seen_new(size_t max)
{
	struct webhook_seen *seen =
	    mem_calloc(1, sizeof *seen + max * sizeof seen->marks[0]);

	seen->max = max;
	return seen;
}

void
webhook_seen_free(struct webhook_seen *seen)
{
	free(seen);
}

/* A search through all of them takes some ten microseconds, and only what
 * userli has signed comes so far. */
bool
webhook_seen_add(struct webhook_seen *seen, const struct webhook *webhook,
    const char *id, int64_t now, int64_t until)
{
	XXH128_hash_t hash = XXH3_128bits(id, strlen(id));
	struct mark *mark;

	for (size_t i = 0; i < seen->count; i++) {
		mark = &seen->marks[i];
		if (mark->until >= now &&
		    (memcmp(mark->mac, webhook->mac, HMAC_BYTES) == 0 ||
			XXH128_isEqual(mark->id, hash)))
			return false;
	}
	mark = &seen->marks[seen->next];
	memcpy(mark->mac, webhook->mac, HMAC_BYTES);
	mark->id = hash;
	mark->until = until;
	seen->next = (seen->next + 1) % seen->max;
	if (seen->count < seen->max)
		seen->count++;
	return true;
}

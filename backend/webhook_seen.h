/*
 * webhook_seen - which webhooks have been accepted already
 *
 * Remembers those whose time is still within the window, by what they are
 * signed with and by their id; a bounded number, of which the oldest go first.
 * Then, and after a restart, one could be replayed: its answers would be
 * forgotten once more, no more than that.  Owns its memory.  Loop's thread
 * only.
 */
#ifndef BACKEND_WEBHOOK_SEEN_H
#define BACKEND_WEBHOOK_SEEN_H

#include "backend/webhook.h"

#define WEBHOOK_SEEN_MAX 4096

struct webhook_seen;

struct webhook_seen *webhook_seen_new(size_t max);
void webhook_seen_free(struct webhook_seen *seen);

/*
 * Remember a valid one until the time until, in seconds since 1970, when it is
 * stale.  False, nothing changed, when it has been seen.
 */
bool webhook_seen_add(struct webhook_seen *seen, const struct webhook *webhook,
    const char *id, int64_t now, int64_t until)
    __attribute__((warn_unused_result));

#endif

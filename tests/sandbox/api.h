/*
 * api - userli's Postfix API over a directory
 *
 * Pure: a request and a directory in, a reply out.
 */
#ifndef SANDBOX_API_H
#define SANDBOX_API_H

#include "common/buffer.h"
#include "directory.h"
#include "http.h"

enum api_endpoint {
	API_OTHER, /* no route of the API */
	API_ALIAS,
	API_DOMAIN,
	API_MAILBOX,
	API_SENDERS,
	API_SMTP_QUOTA,
	API_AUTH,
	API_ENDPOINTS, /* how many there are */
};

/* Where a request is going. */
struct api_route {
	enum api_endpoint endpoint;
	char *path;       /* decoded, without the prefix; owned, with a NUL */
	struct slice key; /* decoded; part of path */
};

/* An answer before anything is done to it. */
struct reply {
	int status;
	const char *content_type;
	const char *allow; /* NULL, or the Allow header of a 405 */
	struct buffer body;
};

/* "alias", "senders", …, "other". */
const char *api_endpoint_name(enum api_endpoint endpoint);

/* Route a raw target; paths outside prefix are API_OTHER. */
void api_route(
    struct api_route *route, const char *prefix, struct slice target);
void api_route_fini(struct api_route *route);

void reply_init(struct reply *reply);
void reply_fini(struct reply *reply);

/* Make reply {"error": text} with this status. */
void reply_error(struct reply *reply, int status, const char *text);

/*
 * Answer a request.  Returns false if it was refused for its token (401 or
 * 403), which the statistics count.
 */
bool api_answer(const struct directory *d, const struct api_route *route,
    const struct http_request *req, struct reply *reply);

#endif

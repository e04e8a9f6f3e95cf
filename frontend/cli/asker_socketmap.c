#include <stdlib.h>

#include "common/config_number.h"
#include "common/endpoint.h"
#include "common/mem.h"
#include "frontend/cli/asker.h"
#include "frontend/socketmap/socketmap.h"

struct socketmap_asker {
	struct asker asker; /* first: the two share their address */
	struct socketmap_client *client;
	char address[ENDPOINT_TEXT_MAX];
	char timeout[CONFIG_NUMBER_SIZE];
};

static const enum lookup_outcome outcome_of[] = {
	[SOCKETMAP_OK] = LOOKUP_OK,
	[SOCKETMAP_NOTFOUND] = LOOKUP_NOTFOUND,
	[SOCKETMAP_TEMP] = LOOKUP_TEMP,
	[SOCKETMAP_TIMEOUT] = LOOKUP_TIMEOUT,
	[SOCKETMAP_PERM] = LOOKUP_PERM,
};

static enum asker_status
explain(const struct socketmap_asker *a, int failure, struct error *error)
{
	switch (failure) {
	case UV_ETIMEDOUT:
		error_set(error, "%s does not answer within %s", a->address,
		    a->timeout);
		return ASKER_TIMEOUT;
	case UV_EPROTO:
	case UV_EMSGSIZE:
		error_set(error,
		    "%s answers, but not as a socketmap server; the frontend's "
		    "address is its SOCKETMAP_LISTEN_ADDR",
		    a->address);
		break;
	case UV_EOF:
		error_set(error, "%s closed the connection without an answer",
		    a->address);
		break;
	default:
		error_set(error,
		    "cannot reach %s: %s; is userli-bridge-frontend running "
		    "and is this its SOCKETMAP_LISTEN_ADDR?",
		    a->address, uv_strerror(failure));
		break;
	}
	return ASKER_UNREACHABLE;
}

static enum asker_status
ask(struct asker *self, const char *map, struct slice key,
    struct lookup_result *out, struct error *error)
{
	struct socketmap_asker *a = (struct socketmap_asker *)self;
	struct socketmap_answer answer;
	int failure =
	    socketmap_client_lookup(a->client, map, key.ptr, key.len, &answer);

	if (failure == UV_E2BIG) {
		*out = (struct lookup_result){
			.outcome = LOOKUP_PERM,
			.data = SLICE("the key is too long to be asked for"),
		};
		return ASKER_ANSWERED;
	}
	if (failure != 0)
		return explain(a, failure, error);
	*out = (struct lookup_result){
		.outcome = outcome_of[answer.status],
		.data = { answer.data, answer.len },
	};
	return ASKER_ANSWERED;
}

static void
free_asker(struct asker *self)
{
	struct socketmap_asker *a = (struct socketmap_asker *)self;

	socketmap_client_free(a->client);
	free(a);
}

struct asker *
asker_socketmap(const char *address, uint64_t timeout_ms, struct error *error)
{
	struct socketmap_asker *a;
	struct endpoint endpoint;
	int failure;

	if (!endpoint_parse(
		slice_of(address), ENDPOINT_SOCKETMAP, &endpoint, error))
		return NULL;
	/* ":10001" is where a frontend listens; ask it on this host. */
	if (endpoint.kind == ENDPOINT_TCP && endpoint.host[0] == '\0')
		memcpy(endpoint.host, "localhost", sizeof "localhost");
	a = mem_calloc(1, sizeof *a);
	a->asker = (struct asker){ ask, free_asker };
	config_number_format(CONFIG_DURATION, timeout_ms, a->timeout);
	endpoint_format(&endpoint, ENDPOINT_SOCKETMAP, a->address);
	failure = socketmap_client_new(&a->client,
	    endpoint.kind == ENDPOINT_UNIX ? endpoint.path : a->address,
	    timeout_ms);
	if (failure == UV_ENOMEM)
		mem_exhausted();
	if (failure != 0) {
		error_set(error, "cannot ask %s: %s", a->address,
		    uv_strerror(failure));
		free(a);
		return NULL;
	}
	return &a->asker;
}

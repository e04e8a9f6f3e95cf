#include <stdlib.h>

#include "common/mem.h"
#include "frontend/cli/asker.h"
#include "frontend/cli/rpc_client.h"

struct backend_asker {
	struct asker asker; /* first: the two share their address */
	struct rpc_client *client;
	enum rpc_how how;
};

static enum asker_status
ask(struct asker *self, const char *map, struct slice key,
    struct lookup_result *out, struct error *error)
{
	struct backend_asker *a = (struct backend_asker *)self;
	struct rpc_call call = {
		.method = RPC_LOOKUP,
		.how = a->how,
		.map = slice_of(map),
		.key = key,
	};

	if (call.map.len > RPC_MAP_NAME_MAX || key.len > LOOKUP_KEY_MAX) {
		*out = (struct lookup_result){
			.outcome = LOOKUP_PERM,
			.data = SLICE("too long to be asked for"),
		};
		return ASKER_ANSWERED;
	}
	switch (rpc_client_call(a->client, &call, out, error)) {
	case RPC_CLIENT_OK:
		return ASKER_ANSWERED;
	case RPC_CLIENT_TIMEOUT:
		return ASKER_TIMEOUT;
	default:
		return ASKER_UNREACHABLE;
	}
}

static void
free_asker(struct asker *self)
{
	struct backend_asker *a = (struct backend_asker *)self;

	rpc_client_free(a->client);
	free(a);
}

struct asker *
asker_backend(const char *address, uint64_t timeout_ms, enum rpc_how how,
    struct error *error)
{
	struct backend_asker *a = mem_calloc(1, sizeof *a);

	a->asker = (struct asker){ ask, free_asker };
	a->how = how;
	a->client = rpc_client_new(address, timeout_ms, error);
	if (a->client == NULL) {
		free(a);
		return NULL;
	}
	return &a->asker;
}

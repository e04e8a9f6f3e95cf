#include "frontend/listeners.h"

#include "frontend/owner.h"

static bool
bind_one(struct socketmap_server *server,
    const struct frontend_settings *settings, struct endpoint *e, long uid,
    long gid, struct error *error)
{
	char text[ENDPOINT_TEXT_MAX];
	int rv;

	endpoint_format(e, ENDPOINT_SOCKETMAP, text);
	if (e->kind == ENDPOINT_UNIX)
		rv = socketmap_server_listen_unix(
		    server, e->path, (unsigned)settings->socket_mode, uid, gid);
	else
		rv = socketmap_server_listen_tcp(server, text, &e->port);
	if (rv != 0)
		error_set(error,
		    "SOCKETMAP_LISTEN_ADDR: cannot listen on %s: %s", text,
		    uv_strerror(rv));
	return rv == 0;
}

bool
listeners_bind(struct socketmap_server *server,
    const struct frontend_settings *settings, struct log *log,
    struct error *error)
{
	long uid;
	long gid;

	if (!owner_user(settings->socket_owner, &uid, error) ||
	    !owner_group(settings->socket_group, &gid, error))
		return false;
	for (size_t i = 0; i < settings->socketmap_listen.count; i++) {
		struct endpoint bound = settings->socketmap_listen.items[i];
		char text[ENDPOINT_TEXT_MAX];

		if (!bind_one(server, settings, &bound, uid, gid, error))
			return false;
		endpoint_format(&bound, ENDPOINT_SOCKETMAP, text);
		log_info(log, log_msg("listening"),
		    log_str("service", "socketmap"), log_str("address", text));
	}
	return true;
}

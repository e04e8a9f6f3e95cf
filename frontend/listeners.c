#include "frontend/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "frontend/activation.h"
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

static void
log_listening(struct log *log, const char *address)
{
	log_info(log, log_msg("listening"), log_str("service", "socketmap"),
	    log_str("address", address));
}

/* Serve what systemd has bound. */
static bool
adopt(struct socketmap_server *server, int count, struct log *log,
    struct error *error)
{
	log_info(log,
	    log_msg(
		"systemd passed sockets, SOCKETMAP_LISTEN_ADDR is not used"),
	    log_int("sockets", count));
	for (int i = 0; i < count; i++) {
		int passed = ACTIVATION_FIRST_FD + i;
		/* The server closes its own when it is drained; the passed
		 * one stays, to be served again. */
		int fd = fcntl(passed, F_DUPFD_CLOEXEC, passed + 1);
		char text[ACTIVATION_TEXT_MAX];
		int rv;

		activation_describe(passed, text);
		rv = fd < 0 ? uv_translate_sys_error(errno)
			    : socketmap_server_listen_fd(server, fd);
		if (rv != 0) {
			if (fd >= 0)
				(void)close(fd);
			error_set(error,
			    "cannot serve descriptor %d (%s) that systemd "
			    "passed: %s; its unit needs ListenStream= and "
			    "Accept=no",
			    passed, text, uv_strerror(rv));
			return false;
		}
		log_listening(log, text);
	}
	return true;
}

static bool
bind_all(struct socketmap_server *server,
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
		log_listening(log, text);
	}
	return true;
}

bool
listeners_bind(struct socketmap_server *server,
    const struct frontend_settings *settings, struct log *log,
    struct error *error)
{
	int passed = activation_count();

	if (passed > 0)
		return adopt(server, passed, log, error);
	return bind_all(server, settings, log, error);
}

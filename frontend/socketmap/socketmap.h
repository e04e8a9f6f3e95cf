/*
 * socketmap - a server and a client for Postfix's socketmap protocol
 *
 * Sources: socketmap_table(5); Postfix src/util/dict_sockmap.c; netstrings as
 * in https://cr.yp.to/proto/netstrings.txt.  Needs libuv (1.44 or newer).
 *
 *   request   netstring of "map key"
 *   reply     netstring of "OK data", "NOTFOUND ", "TEMP reason",
 *             "TIMEOUT reason" or "PERM reason"
 *
 * Threads: a server belongs to the thread that runs its loop.  Every function
 * here is called on that thread, but for socketmap_server_stop().
 *
 * Errors: functions that can fail return 0 or a negative libuv error
 * (uv_strerror(3) names it), as UV_EADDRINUSE or UV_ENOMEM.
 *
 * Nothing a peer sends aborts the process or allocates without bound; memory
 * that runs out costs the connection that asked for it.  libuv itself aborts
 * where it cannot grow its table of descriptors; uv_replace_allocator(3) lets a
 * program end otherwise.
 *
 * Signals: making a server sets SIGPIPE to be ignored if its action is the
 * default one, as libuv writes with write(2).
 */
#ifndef SOCKETMAP_H
#define SOCKETMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(SOCKETMAP_BUILD) && defined(__GNUC__)
#define SOCKETMAP_API __attribute__((visibility("default")))
#else
#define SOCKETMAP_API
#endif

#define SOCKETMAP_PORT 27823             /* the default TCP port */
#define SOCKETMAP_REPLY_BYTES_MAX 100000 /* what Postfix reads at the most */
#define SOCKETMAP_QUERY_BYTES_MAX                 \
	100000 /* default limit of a request; the \
	          client's, too */

/* "0.1.0" */
SOCKETMAP_API const char *socketmap_version(void);

/* --- Replies ------------------------------------------------------------ */

enum socketmap_status {
	SOCKETMAP_OK,       /* found: data is the value */
	SOCKETMAP_NOTFOUND, /* not found: Postfix may bounce the mail */
	SOCKETMAP_TEMP,     /* cannot say now: Postfix tries again later */
	SOCKETMAP_TIMEOUT,  /* the same, for a time-out */
	SOCKETMAP_PERM,     /* configuration error */
};

/* "OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM". */
SOCKETMAP_API const char *socketmap_status_name(enum socketmap_status status);

/* --- Server: requests --------------------------------------------------- */

struct socketmap_server;

/*
 * One request, from its handler's call until socketmap_reply().  It may be
 * answered at once or later, from the loop; its connection's further requests
 * are read meanwhile and answered in the order in which they came.
 */
struct socketmap_request;

/*
 * A handler answers each request exactly once with socketmap_reply(), even
 * when the client has gone: the reply is dropped then.  A second reply aborts
 * in debug builds and must not happen.
 */
typedef void (*socketmap_handler)(struct socketmap_request *request, void *arg);

/* The map's name and the key: borrowed, not NUL-terminated, until the reply.
 * The key may hold any byte. */
SOCKETMAP_API const char *socketmap_request_map(
    const struct socketmap_request *request, size_t *len);
SOCKETMAP_API const char *socketmap_request_key(
    const struct socketmap_request *request, size_t *len);

/* uv_now() of the loop turn in which the request was complete, in ms. */
SOCKETMAP_API uint64_t socketmap_request_time(
    const struct socketmap_request *request);

/* False once the client has gone: a long search may be given up. */
SOCKETMAP_API bool socketmap_request_wanted(
    const struct socketmap_request *request);

/*
 * Answer.  data is copied.  The request is gone afterwards.  "OK data" that
 * is longer than the reply limit becomes PERM, as Postfix would refuse it; a
 * longer reason is cut.
 */
SOCKETMAP_API void socketmap_reply(struct socketmap_request *request,
    enum socketmap_status status, const char *data, size_t len);

/* --- Server: options ---------------------------------------------------- */

/* Why a connection ended, for observers. */
enum socketmap_close_reason {
	SOCKETMAP_CLOSED_BY_CLIENT,
	SOCKETMAP_CLOSED_MALFORMED,     /* not a netstring */
	SOCKETMAP_CLOSED_TOO_LONG,      /* over query_bytes_max */
	SOCKETMAP_CLOSED_READ_TIMEOUT,  /* a request was not complete in time */
	SOCKETMAP_CLOSED_WRITE_TIMEOUT, /* a reply was not taken in time */
	SOCKETMAP_CLOSED_IDLE,          /* idle_timeout_ms */
	SOCKETMAP_CLOSED_REAPED,        /* idle longest when a new one came */
	SOCKETMAP_CLOSED_REFUSED,       /* over connections_max, none idle */
	SOCKETMAP_CLOSED_SHUTDOWN,
	SOCKETMAP_CLOSED_ERROR,  /* the network, or out of memory */
	SOCKETMAP_CLOSED_UNREAD, /* over unread_bytes_max */
	SOCKETMAP_CLOSE_REASONS,
};

/*
 * Callbacks for metrics and logs; each may be NULL.  They must not call back
 * into the server, but for socketmap_server_connections() and _idle(), and are
 * not called after socketmap_server_free().
 */
struct socketmap_observer {
	/* Each connection that was accepted, also one that is refused next, is
	 * opened once and closed once. */
	void (*opened)(void *arg);
	/* peer is "127.0.0.1:40312", "[::1]:40312" or "unix". */
	void (*closed)(
	    void *arg, enum socketmap_close_reason reason, const char *peer);
	/* A complete request was answered, us after it was complete, with the
	 * status that is sent.  Not called once the client has gone. */
	void (*answered)(void *arg, const char *map, size_t map_len,
	    enum socketmap_status status, uint64_t duration_us);
	/* A netstring without the space between map and key was answered
	 * PERM. */
	void (*invalid)(void *arg);
	/* accept(2) failed with this libuv error, as UV_EMFILE: the longest
	 * idle connection is reaped for the new one (reap_idle), or accepting
	 * pauses for 100 ms while clients wait in the backlog. */
	void (*accept_failed)(void *arg, int error);
};

struct socketmap_options {
	uint16_t port;             /* 27823: for a TCP address without one */
	uint64_t read_timeout_ms;  /* 100,000: from a request's first byte to
	                              its last; 0 = no limit, here and below */
	uint64_t write_timeout_ms; /* 100,000: for a reply to be taken, from
	                              when the socket took no more */
	uint64_t idle_timeout_ms;  /* 10,000: between requests */
	size_t reply_bytes_max;    /* 100,000: "OK " and the data */
	size_t query_bytes_max;    /* 100,000: "map key" */
	size_t connections_max;    /* 0 */
	size_t pipeline_max;       /* 1,000: requests of one connection that
	                              wait for replies; then it is not read,
	                              nor while 256 KiB of replies have not
	                              been taken; 0 = no limit */
	size_t unread_bytes_max;   /* 2 MiB: replies that may wait to be taken.
	                              Only those to requests that were read
	                              before can be so many; a client that lets
	                              them grow beyond is closed; 0 = no limit */
	bool reap_idle;            /* false.  At connections_max, true closes
	                              the connection that has been idle the
	                              longest, first of those that have never
	                              asked, so that the new one is served; if none is
	                              idle, or with false, the new	    one is refused */
	int backlog;               /* 1,024: for listen(2) */
	struct socketmap_observer observer;
	void *observer_arg;
};

/* Set every field to the default named above. */
SOCKETMAP_API void socketmap_options_init(struct socketmap_options *options);

/* --- Server: life ------------------------------------------------------- */

/*
 * Make a server on the caller's loop, or, with loop NULL, on one of its own
 * that socketmap_server_run() runs.  options are copied; NULL for defaults.
 */
SOCKETMAP_API int socketmap_server_new(struct socketmap_server **server,
    uv_loop_t *loop, const struct socketmap_options *options);

/* Serve a map by name (copied); a second handler for a name replaces it.  0 or
 * UV_ENOMEM. */
SOCKETMAP_API int socketmap_server_map(struct socketmap_server *server,
    const char *name, socketmap_handler handler, void *arg);

/* Serve every map that has no handler of its own.  Without one, an unknown
 * map is answered "PERM Unknown map name". */
SOCKETMAP_API void socketmap_server_default_map(
    struct socketmap_server *server, socketmap_handler handler, void *arg);

/*
 * Listen, in addition to what is listened on already.  address is "host:port",
 * ":port" (every address of both families), "[::1]:port", "host" or "" (the
 * default port); a numeric host or a name that getaddrinfo(3) resolves now, on
 * all of its addresses.  Port 0 takes a free one; *port (may be NULL) tells
 * which.  UV_EINVAL for another address; UV_ECANCELED, here and below, after a
 * shutdown or close.
 */
SOCKETMAP_API int socketmap_server_listen_tcp(
    struct socketmap_server *server, const char *address, uint16_t *port);

/*
 * Listen on a UNIX socket.  mode, as 0666, is set before anyone can connect;
 * owner and group are uid_t and gid_t, -1 to leave them.  A socket file that
 * nobody serves is replaced; one that is served is UV_EADDRINUSE; any other
 * file is UV_EEXIST.  The file is removed when the server stops listening,
 * unless it has been replaced.
 */
SOCKETMAP_API int socketmap_server_listen_unix(struct socketmap_server *server,
    const char *path, unsigned mode, long owner, long group);

/* Serve a socket that is already listening (socket activation).  On success
 * the server owns the descriptor.  UV_EINVAL if it does not listen. */
SOCKETMAP_API int socketmap_server_listen_fd(
    struct socketmap_server *server, int fd);

/*
 * Graceful shutdown: stop accepting, let every request that has arrived be
 * answered, close each connection between requests, then call done (may be
 * NULL) once, from the loop.  Requests that handlers still hold, and clients
 * that do not take their replies, keep it waiting: bound it with a timer and
 * socketmap_server_close(), after which done is called, too.  A second call
 * while one is going on does nothing.
 */
SOCKETMAP_API void socketmap_server_shutdown(
    struct socketmap_server *server, void (*done)(void *arg), void *arg);

/* Close every listener and connection at once.  Held requests stay valid and
 * must still be answered. */
SOCKETMAP_API void socketmap_server_close(struct socketmap_server *server);

/*
 * Release the server (may be NULL): closes it first if need be; the done of a
 * shutdown is not called any more.  On the caller's loop the memory goes when
 * the loop has closed the handles and the last held request has been answered.
 * With a loop of its own: not from that loop's callbacks, and after closing
 * handles of one's own on it.
 */
SOCKETMAP_API void socketmap_server_free(struct socketmap_server *server);

/* Own loop: serve until socketmap_server_stop(), then shut down gracefully,
 * for grace_ms at the most (0: close at once), and return 0; UV_EINVAL on a
 * caller's loop. */
SOCKETMAP_API int socketmap_server_run(
    struct socketmap_server *server, uint64_t grace_ms);

/* Ask socketmap_server_run() to return: any thread, or a signal handler. */
SOCKETMAP_API void socketmap_server_stop(struct socketmap_server *server);

/* The loop the server runs on, to add handles of one's own. */
SOCKETMAP_API uv_loop_t *socketmap_server_loop(struct socketmap_server *server);

/* Connections open now, and those of them without a request in progress. */
SOCKETMAP_API size_t socketmap_server_connections(
    const struct socketmap_server *server);
SOCKETMAP_API size_t socketmap_server_idle(
    const struct socketmap_server *server);

/* --- Client ------------------------------------------------------------- */

/*
 * A blocking client with one connection, kept between lookups and made anew
 * once when the server closed it meanwhile (as Postfix does).  One thread at a
 * time.
 */
struct socketmap_client;

/*
 * address as for the server, or a path that starts with '/'.  timeout_ms
 * bounds a whole lookup, connecting included, but for the time that
 * getaddrinfo(3) takes for a host name; 0 = no limit.  Connects with the first
 * lookup.  0, UV_EINVAL, UV_ENAMETOOLONG or UV_ENOMEM.
 */
SOCKETMAP_API int socketmap_client_new(
    struct socketmap_client **client, const char *address, uint64_t timeout_ms);
SOCKETMAP_API void socketmap_client_free(struct socketmap_client *client);

struct socketmap_answer {
	enum socketmap_status status;
	const char *data; /* NUL-terminated after len bytes; valid until the
	                     next lookup */
	size_t len;
};

/*
 * Look one key up.  0 with *answer filled, or UV_ETIMEDOUT, UV_ECONNREFUSED,
 * UV_EOF (closed without a reply) and other network errors, UV_EPROTO for a
 * reply that is not socketmap, UV_EMSGSIZE for one over
 * SOCKETMAP_REPLY_BYTES_MAX (Postfix refuses it), UV_EINVAL for a map name that
 * is empty or has a space in it, UV_E2BIG for a request over
 * SOCKETMAP_QUERY_BYTES_MAX.
 */
SOCKETMAP_API int socketmap_client_lookup(struct socketmap_client *client,
    const char *map, const char *key, size_t key_len,
    struct socketmap_answer *answer);

#ifdef __cplusplus
}
#endif

#endif

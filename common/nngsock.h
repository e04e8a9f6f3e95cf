/*
 * nngsock - one raw nng REQ or REP socket on a libuv loop
 *
 * Only nngsock*.c call nng.  Messages are polled through NNG_OPT_RECVFD
 * and delivered on the loop's thread; nng's own threads touch nothing but
 * atomic counters and notes, and a uv_async_t.  Raw sockets leave request ids
 * and header stacks to the caller: see "header" below.
 *
 * Messages queued on a raw socket whose pipe has died stay queued.  A dialing
 * socket therefore connects once: it dials until it is connected, and when that
 * connection is lost its owner closes it and opens a new one.
 */
#ifndef COMMON_NNGSOCK_H
#define COMMON_NNGSOCK_H

#include <stdbool.h>
#include <uv.h>

#include "common/error.h"
#include "common/slice.h"

#define NNGSOCK_HEADER_MAX 64 /* bytes of a message's header */
#define NNGSOCK_QUEUE 128     /* messages queued each way inside nng */

struct nngsock;

struct nngsock_events {
	/* One message.  header and body are borrowed for the call. */
	void (*message)(void *arg, struct slice header, struct slice body);
	/* The number of connected pipes changed (never called twice with the
	 * same number; a short-lived pipe may go unseen).  May be NULL. */
	void (*pipes)(void *arg, unsigned count);
	void *arg;
};

/*
 * Who we are and whom we believe, for "tls+tcp://" urls; ignored for others.
 * Texts are PEM, NUL-terminated, borrowed for the call.  Both sides must show
 * a certificate of a CA that the other believes, over TLS 1.2; the transport
 * has no newer one.
 *
 * server_name is compared with the DNS names of the certificate, or with its
 * common name when it has no subject alternative name.  nng 1.5 with mbedTLS
 * knows no IP addresses in certificates: an address is compared as if it were
 * a name, so that it matches a DNS name or a common name spelled like it and
 * nothing else.
 */
struct nngsock_tls {
	const char *cert; /* our certificate, then its intermediates */
	const char *key;  /* its private key, not encrypted */
	const char *ca;   /* the CAs whose certificates are believed */
	/* To dial: the name that the listener's certificate must bear. */
	const char *server_name;
	bool any_name; /* to dial: believe a certificate of any name */
};

enum nngsock_sent {
	NNGSOCK_SENT,
	NNGSOCK_FULL, /* nng's queue is full or no pipe is there: try later */
	NNGSOCK_DEAD, /* out of memory or closed */
};

/*
 * A raw REQ socket that dials url until it is connected
 * ("tcp://127.0.0.1:10010", "tls+tcp://127.0.0.1:10010", "ipc:///run/x"; a
 * numeric address).  Returns at once; pipes() tells when it is connected, which
 * over TLS is after both sides have been believed.  NULL with the reason in
 * *error for a url nng cannot parse and for a TLS url without tls (which may be
 * NULL for others) or without a name to verify.
 */
struct nngsock *nngsock_dial(uv_loop_t *loop, const char *url,
    const struct nngsock_tls *tls, size_t message_max,
    const struct nngsock_events *events, struct error *error)
    __attribute__((warn_unused_result));

/*
 * A raw REP socket, listening on every url; NULL names the one that failed.
 * tls may be NULL when no url needs it.
 */
struct nngsock *nngsock_listen(uv_loop_t *loop, const char *const *urls,
    size_t count, const struct nngsock_tls *tls, size_t message_max,
    const struct nngsock_events *events, struct error *error)
    __attribute__((warn_unused_result));

/* The TCP port that listener i was bound to, 0 for another transport. */
uint16_t nngsock_port(const struct nngsock *s, size_t i);

/*
 * Where this host can dial listener i: numeric, with the port it was bound to,
 * loopback for one that listens on every address.  False when nng cannot tell.
 */
#define NNGSOCK_URL_MAX 256
bool nngsock_local_url(const struct nngsock *s, size_t i,
    char out[static NNGSOCK_URL_MAX]) __attribute__((warn_unused_result));

/*
 * Close listener i, and with it the connections that it has accepted, and open
 * it anew on the same address; the other listeners notice nothing.  On false,
 * with the reason in *error, i listens no more and this may be called again.
 * The old one goes in the background: EADDRINUSE may pass within milliseconds.
 */
bool nngsock_relisten(struct nngsock *s, size_t i, struct error *error)
    __attribute__((warn_unused_result));

/*
 * Show and believe these certificates from now on, to whoever connects to a
 * TLS listener; connections that are there stay.  False, with the reason in
 * *error and nothing changed, for what cannot be used.
 */
bool nngsock_set_tls(struct nngsock *s, const struct nngsock_tls *tls,
    struct error *error) __attribute__((warn_unused_result));

/* Connections to a listening socket that were of no use, by why. */
enum nngsock_useless {
	NNGSOCK_NO_GREETING,    /* said something that is not nng's */
	NNGSOCK_SILENT,         /* said nothing, or too little, for 10 s */
	NNGSOCK_NOT_BELIEVED,   /* its certificate */
	NNGSOCK_OTHER_PROTOCOL, /* greeted as something else than a REQ */
	NNGSOCK_UNUSED, /* ended without a message that could be read: none,
	                   too large a one, half a one, no request */
	NNGSOCK_USELESS,
};

/*
 * How many since the socket was opened, NNGSOCK_USELESS numbers, borrowed until
 * the next call.  Of the first three nng counts no more than ten a second.
 * Takes time in proportion to the connections.
 */
const uint64_t *nngsock_useless(struct nngsock *s);

/*
 * Queue one message; never blocks.  For REQ, request_id becomes the header
 * (its high bit is set here).  For REP, header is what came with the request;
 * a message whose pipe has gone is dropped by nng.
 */
enum nngsock_sent nngsock_request(struct nngsock *s, uint32_t request_id,
    struct slice body) __attribute__((warn_unused_result));
enum nngsock_sent nngsock_reply(struct nngsock *s, struct slice header,
    struct slice body) __attribute__((warn_unused_result));

/*
 * Take what has come, whether or not nng's descriptor says so: nng raises it
 * once, by a write(2) that may find no memory and whose failure it ignores.
 * To be called where an answer stays out.
 */
void nngsock_receive(struct nngsock *s);

/* Which connection a REP socket's request came over, by its header. */
uint32_t nngsock_connection(struct slice header);

/*
 * Stop events now, close the socket and free it once the loop has closed its
 * handles.  No event is delivered after this returns.
 */
void nngsock_close(struct nngsock *s);

/*
 * Start nng's threads, where a daemon starts.  1.5.2 crashes when the system
 * refuses it one: so as many are tried first.  False with the reason.
 */
bool nngsock_init_library(struct error *error)
    __attribute__((warn_unused_result));

/* For a test program, whose runner ends it: give back all that nng has. */
void nngsock_fini_library(void);

/*
 * The end of a program, after its loop has run empty: exit at once, past nng's
 * own exit handler, whose race with nng's threads was seen to panic.  Sanitizer
 * builds look for leaks first.
 */
void nngsock_exit(int status) __attribute__((noreturn));

#endif

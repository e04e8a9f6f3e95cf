/*
 * protocol - what the netstrings of socketmap say
 *
 *   request   "map key"       the map ends at the first space; the key is all
 *                             that follows and may be empty or hold spaces
 *   reply     "STATUS data"   the space is always there: Postfix before 3.12
 *                             took an "OK" without it for a missing result
 *
 * Pure functions over memory the caller owns, safe from any thread.
 * Sources: socketmap_table(5), Postfix src/util/dict_sockmap.c.
 */
#ifndef SOCKETMAP_PROTOCOL_H
#define SOCKETMAP_PROTOCOL_H

#include "common/slice.h"
#include "frontend/socketmap/netstring.h"
#include "frontend/socketmap/socketmap.h"

/* Most bytes a reply's frame adds to its data: "NOTFOUND " and a netstring. */
#define PROTOCOL_REPLY_OVERHEAD (9 + NETSTRING_OVERHEAD)

struct reply {
	enum socketmap_status status;
	struct slice data;
};

/*
 * Split the text of a request; map and key borrow from it.  False (both left
 * alone) if there is no space in it.
 */
bool protocol_parse_request(
    struct slice text, struct slice *map, struct slice *key);

/*
 * Split the text of a reply; data borrows from it.  The space may be missing.
 * False (*reply left alone) if it starts with none of the five words.
 */
bool protocol_parse_reply(struct slice text, struct reply *reply);

/*
 * Make "STATUS data" fit into max bytes (0 = no limit): an OK that is longer
 * becomes PERM, because a cut value would be a wrong one; another status keeps
 * its word and as much of its reason as fits, cut between UTF-8 characters.
 */
struct reply protocol_limit(struct reply reply, size_t max);

/* The size of a reply's frame in bytes. */
size_t protocol_reply_size(struct reply reply);

/*
 * Encode the frame of a reply into out, which holds at least
 * protocol_reply_size(reply) bytes; returns that size.  The data may overlap
 * with out.
 */
size_t protocol_encode_reply(struct reply reply, char *out);

#endif

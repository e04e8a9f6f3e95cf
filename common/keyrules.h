/*
 * keyrules - can userli hold this key at all?
 *
 * Pure functions after the replaced adapter: lower-case (ASCII); trim white
 * space (Unicode's), control characters (C0, DEL, C1) and U+200B, U+200C,
 * U+200D, U+FEFF at both ends; for alias, mailbox and senders exactly one '@',
 * the local part cut at the first recipient delimiter and made of [a-z0-9._-]
 * alone.  On top of it, what no DNS domain can be is NOTFOUND, so that no key
 * asks userli for another path than its own.  A wrong NOTFOUND bounces mail: a
 * key is refused only when userli cannot hold it, and asked when in doubt.
 *
 * A domain, alone or after the '@', is refused when it is empty, starts with
 * '.', holds "..", an ASCII byte that is not [a-z0-9._-], bytes that are not
 * UTF-8, or more than KEYRULES_CHARACTERS_MAX characters.  Letters beyond
 * ASCII, a final dot, '_' and a leading or final '-' are asked as they are.
 */
#ifndef COMMON_KEYRULES_H
#define COMMON_KEYRULES_H

#include "common/lookup.h"

/* userli keeps addresses and domains in columns of 255 characters. */
#define KEYRULES_CHARACTERS_MAX 255
#define KEYRULES_KEY_MAX (KEYRULES_CHARACTERS_MAX * 4) /* bytes, UTF-8 */

enum keyrules_verdict {
	KEYRULES_ASK,    /* userli may hold it */
	KEYRULES_ABSENT, /* it cannot exist: NOTFOUND without a request */
};

/*
 * What holds whatever the backend's settings are: the frontend asks this
 * before it sends a call.  ABSENT here implies ABSENT below for every
 * delimiter.  An unknown map (LOOKUP_MAPS) is always KEYRULES_ASK, also
 * below: it is the caller's to refuse.
 */
enum keyrules_verdict keyrules_check(enum lookup_map map, struct slice key);

/*
 * The whole rule.  delimiter is POSTFIX_RECIPIENT_DELIMITER, empty for none.
 * Several characters are one string that must occur as a whole, as for the
 * replaced adapter; to Postfix they would be alternatives.  It is compared
 * with the lower-cased local part.
 *
 * On KEYRULES_ASK the key to ask userli for is in out[0..*len), at most
 * KEYRULES_CHARACTERS_MAX characters of valid UTF-8 (for an unknown map,
 * *len is 0); on KEYRULES_ABSENT both are undefined.
 */
enum keyrules_verdict keyrules_apply(enum lookup_map map, struct slice key,
    struct slice delimiter, char out[static KEYRULES_KEY_MAX], size_t *len);

#endif

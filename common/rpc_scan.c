#include "common/rpc_scan.h"

#include <assert.h>
#include <stdint.h>

enum kind {
	SCALAR, /* size bytes follow the head */
	BYTES,  /* a length of size bytes, then that many bytes */
	EXT,    /* the same, with one more byte for the type */
	ARRAY,  /* a count of size bytes, then that many objects */
	MAP,    /* the same, with twice as many objects */
	UNUSED,
};

/* What the first bytes 0xc0 to 0xdf announce; the others hold it themselves. */
static const struct {
	uint8_t kind;
	uint8_t size;
} heads[32] = {
	{ SCALAR, 0 },  /* c0 nil */
	{ UNUSED, 0 },  /* c1 */
	{ SCALAR, 0 },  /* c2 false */
	{ SCALAR, 0 },  /* c3 true */
	{ BYTES, 1 },   /* c4 bin 8 */
	{ BYTES, 2 },   /* c5 bin 16 */
	{ BYTES, 4 },   /* c6 bin 32 */
	{ EXT, 1 },     /* c7 ext 8 */
	{ EXT, 2 },     /* c8 ext 16 */
	{ EXT, 4 },     /* c9 ext 32 */
	{ SCALAR, 4 },  /* ca float 32 */
	{ SCALAR, 8 },  /* cb float 64 */
	{ SCALAR, 1 },  /* cc uint 8 */
	{ SCALAR, 2 },  /* cd uint 16 */
	{ SCALAR, 4 },  /* ce uint 32 */
	{ SCALAR, 8 },  /* cf uint 64 */
	{ SCALAR, 1 },  /* d0 int 8 */
	{ SCALAR, 2 },  /* d1 int 16 */
	{ SCALAR, 4 },  /* d2 int 32 */
	{ SCALAR, 8 },  /* d3 int 64 */
	{ SCALAR, 2 },  /* d4 fixext 1, with its type byte, as the next four */
	{ SCALAR, 3 },  /* d5 fixext 2 */
	{ SCALAR, 5 },  /* d6 fixext 4 */
	{ SCALAR, 9 },  /* d7 fixext 8 */
	{ SCALAR, 17 }, /* d8 fixext 16 */
	{ BYTES, 1 },   /* d9 str 8 */
	{ BYTES, 2 },   /* da str 16 */
	{ BYTES, 4 },   /* db str 32 */
	{ ARRAY, 2 },   /* dc array 16 */
	{ ARRAY, 4 },   /* dd array 32 */
	{ MAP, 2 },     /* de map 16 */
	{ MAP, 4 },     /* df map 32 */
};

/* One object's head, taken apart. */
struct head {
	bool container;
	uint64_t skip;     /* bytes that follow and hold no object */
	uint64_t children; /* objects that follow */
};

static uint64_t
big_endian(const uint8_t *p, size_t size)
{
	uint64_t n = 0;

	for (size_t i = 0; i < size; i++)
		n = n << 8 | p[i];
	return n;
}

/* The first bytes that hold their own length, count or value. */
static struct head
fixed_head(uint8_t first)
{
	if (first >= 0x80 && first <= 0x8f)
		return (struct head){ true, 0, (first & 0x0fULL) * 2 };
	if (first >= 0x90 && first <= 0x9f)
		return (struct head){ true, 0, first & 0x0fu };
	if (first >= 0xa0 && first <= 0xbf)
		return (struct head){ false, first & 0x1fu, 0 };
	return (struct head){ 0 };
}

/* Take the head at *p apart and step over it; false when it is cut short. */
static bool
take_head(const uint8_t **p, const uint8_t *end, struct head *head)
{
	uint8_t first = *(*p)++;
	size_t size;
	uint64_t n;

	if (first < 0xc0 || first > 0xdf) {
		*head = fixed_head(first);
		return true;
	}
	*head = (struct head){ 0 };
	size = heads[first - 0xc0].size;
	if (heads[first - 0xc0].kind == SCALAR) {
		head->skip = size;
		return true;
	}
	if (heads[first - 0xc0].kind == UNUSED || (size_t)(end - *p) < size)
		return false;
	n = big_endian(*p, size);
	*p += size;
	switch (heads[first - 0xc0].kind) {
	case BYTES:
		head->skip = n;
		break;
	case EXT:
		head->skip = n + 1;
		break;
	default:
		head->container = true;
		head->children = heads[first - 0xc0].kind == MAP ? n * 2 : n;
		break;
	}
	return true;
}

bool
rpc_scan(struct slice text, const struct rpc_scan_limits *limits)
{
	const uint8_t *p = (const uint8_t *)text.ptr;
	const uint8_t *end;
	/* Objects still to come in each open container; [0] is the text. */
	uint64_t left[RPC_SCAN_NESTING_LIMIT + 1] = { 1 };
	unsigned depth = 0;
	uint64_t owed = 1; /* the sum of left[0..depth] */
	uint64_t seen = 1; /* objects announced so far */

	assert(limits->nesting <= RPC_SCAN_NESTING_LIMIT);
	if (text.len == 0) /* ptr may be NULL then */
		return false;
	end = p + text.len;
	while (owed > 0) {
		struct head head;

		/* Each object still owed takes at least one byte: here this
		 * also says that a first byte is there. */
		if (owed > (uint64_t)(end - p))
			return false;
		if (!take_head(&p, end, &head) ||
		    head.skip > (uint64_t)(end - p))
			return false;
		p += head.skip;
		owed--;
		left[depth]--;
		if (head.container) {
			if (depth == limits->nesting)
				return false;
			owed += head.children;
			seen += head.children;
			if (seen > limits->objects)
				return false;
			left[++depth] = head.children;
		}
		while (depth > 0 && left[depth] == 0)
			depth--;
	}
	return p == end;
}

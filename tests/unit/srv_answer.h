/*
 * srv_answer - DNS answers with SRV records, as a server would write them
 */
#ifndef TESTS_UNIT_SRV_ANSWER_H
#define TESTS_UNIT_SRV_ANSWER_H

#include <stdint.h>
#include <string.h>

#define ANSWER_MAX 65535
#define ANSWER_TYPE_CNAME 5
#define ANSWER_TYPE_SRV 33
#define ANSWER_CLASS_IN 1
#define ANSWER_CLASS_CH 3

struct answer {
	size_t len;
	unsigned char bytes[ANSWER_MAX];
};

static inline void
answer_u16(struct answer *a, unsigned value)
{
	a->bytes[a->len++] = (unsigned char)(value >> 8);
	a->bytes[a->len++] = (unsigned char)value;
}

/* "a.example", "" is the root; no compression. */
static inline void
answer_name(struct answer *a, const char *name)
{
	while (*name != '\0') {
		size_t len = strcspn(name, ".");

		a->bytes[a->len++] = (unsigned char)len;
		memcpy(a->bytes + a->len, name, len);
		a->len += len;
		name += len + (name[len] == '.');
	}
	a->bytes[a->len++] = 0;
}

static inline void
answer_begin(struct answer *a, const char *question)
{
	a->len = 0;
	answer_u16(a, 0x4711);
	answer_u16(a, 0x8180); /* a response, recursive */
	answer_u16(a, 1);
	for (int i = 0; i < 3; i++)
		answer_u16(a, 0);
	answer_name(a, question);
	answer_u16(a, ANSWER_TYPE_SRV);
	answer_u16(a, ANSWER_CLASS_IN);
}

/* A record of the question's name with len bytes of data. */
static inline void
answer_add(struct answer *a, unsigned type, unsigned class, const void *data,
    size_t len)
{
	unsigned count = (unsigned)(a->bytes[6] << 8 | a->bytes[7]) + 1;

	a->bytes[6] = (unsigned char)(count >> 8);
	a->bytes[7] = (unsigned char)count;
	answer_u16(a, 0xc00c);
	answer_u16(a, type);
	answer_u16(a, class);
	answer_u16(a, 0);
	answer_u16(a, 600);
	answer_u16(a, (unsigned)len);
	memcpy(a->bytes + a->len, data, len);
	a->len += len;
}

static inline void
answer_add_srv(struct answer *a, unsigned priority, unsigned weight,
    unsigned port, const char *target)
{
	struct answer data = { 0 };

	answer_u16(&data, priority);
	answer_u16(&data, weight);
	answer_u16(&data, port);
	answer_name(&data, target);
	answer_add(a, ANSWER_TYPE_SRV, ANSWER_CLASS_IN, data.bytes, data.len);
}

#endif

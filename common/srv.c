#include "common/srv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#define RDATA_MIN 7 /* priority, weight, port, and a name of one byte */

void
srv_query_name(const char *host, char out[static SRV_NAME_MAX])
{
	(void)snprintf(
	    out, SRV_NAME_MAX, "%s%s", host[0] == '_' ? "" : SRV_SERVICE, host);
}

static bool
is_host_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

/* What the resolver writes has escapes where a label holds anything odd. */
static bool
is_host(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > ENDPOINT_HOST_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_host_char(name[i]))
			return false;
	}
	return true;
}

enum reading {
	READ_RECORD,
	READ_NOTHING, /* another type, or not to be used */
	READ_REFUSAL,
	READ_GARBAGE,
};

static enum reading
read_record(ns_msg *message, int i, struct srv_record *out)
{
	char target[NS_MAXDNAME];
	const unsigned char *data;
	ns_rr record;
	int used;

	if (ns_parserr(message, ns_s_an, i, &record) != 0)
		return READ_GARBAGE;
	if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in)
		return READ_NOTHING;
	data = ns_rr_rdata(record);
	if (ns_rr_rdlen(record) < RDATA_MIN)
		return READ_GARBAGE;
	used = ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
	    data + RDATA_MIN - 1, target, sizeof target);
	if (used < 0 || used + RDATA_MIN - 1 != ns_rr_rdlen(record))
		return READ_GARBAGE;
	out->priority = (uint16_t)ns_get16(data);
	out->weight = (uint16_t)ns_get16(data + 2);
	out->port = (uint16_t)ns_get16(data + 4);
	if (strcmp(target, ".") == 0 || target[0] == '\0')
		return READ_REFUSAL;
	if (out->port == 0 || !is_host(target))
		return READ_NOTHING;
	memcpy(out->target, target, strlen(target) + 1);
	return READ_RECORD;
}

static int
compare(const void *a, const void *b)
{
	const struct srv_record *x = a;
	const struct srv_record *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->target, y->target);
}

enum srv_verdict
srv_parse(
    struct slice answer, struct srv_record *records, size_t max, size_t *count)
{
	bool refused = false;
	size_t n = 0;
	ns_msg message;

	*count = 0;
	if (answer.len > NS_MAXMSG ||
	    ns_initparse((const unsigned char *)answer.ptr, (int)answer.len,
		&message) != 0)
		return SRV_MALFORMED;
	for (int i = 0; i < ns_msg_count(message, ns_s_an) && n < max; i++) {
		switch (read_record(&message, i, &records[n])) {
		case READ_RECORD:
			n++;
			break;
		case READ_REFUSAL:
			refused = true;
			break;
		case READ_GARBAGE:
			return SRV_MALFORMED;
		case READ_NOTHING:
			break;
		}
	}
	if (n == 0)
		return refused ? SRV_REFUSED : SRV_NONE;
	qsort(records, n, sizeof *records, compare);
	*count = n;
	return SRV_OK;
}

uint32_t
srv_scaled_weight(uint16_t weight, uint16_t heaviest)
{
	uint32_t scaled = (uint32_t)weight * SRV_WEIGHTS_RATIO;

	if (heaviest == 0)
		return 1;
	return scaled > heaviest ? scaled : heaviest;
}

#include <stdio.h>

#include "common/page/page.h"
#include "common/status.h"

#define NONCE_BYTES 16
#define POLICY                                                              \
	"default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; " \
	"connect-src 'self'; img-src data:; base-uri 'none'; "              \
	"form-action 'none'; frame-ancestors 'none'"

/* Style and script stand in the page itself; the policy lets those run that
 * bear a number which nobody could know before. */
static bool
draw_nonce(char out[static 2 * NONCE_BYTES + 1])
{
	unsigned char bytes[NONCE_BYTES];

	if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) != 0)
		return false;
	for (size_t i = 0; i < NONCE_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

static void
send_page(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	char nonce[2 * NONCE_BYTES + 1];
	struct buffer *out = reply->body;

	(void)arg, (void)request;
	reply->content_type = "text/html; charset=utf-8";
	if (!draw_nonce(nonce) ||
	    snprintf(reply->policy, sizeof reply->policy, POLICY, nonce,
		nonce) >= (int)sizeof reply->policy ||
	    !buffer_append_slice(out, page_head()) ||
	    !buffer_printf(out, "<style nonce=\"%s\">\n", nonce) ||
	    !buffer_append_slice(out, page_style()) ||
	    !buffer_append_slice(out, SLICE("</style>\n")) ||
	    !buffer_append_slice(out, page_body()) ||
	    !buffer_printf(out, "<script nonce=\"%s\">\n", nonce) ||
	    !buffer_append_slice(out, page_script()) ||
	    !buffer_append_slice(out, SLICE("</script>\n</body>\n</html>\n")))
		reply->status = 500;
}

static void
send_json(void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	(void)request;
	if (!status_write(arg, reply->body))
		reply->status = 500;
}

void
status_route(struct status *s, struct ops *ops)
{
	ops_route(ops, "GET", "/", send_page, s);
	ops_route(ops, "GET", "/status.json", send_json, s);
}

#include "frontend/pool_json.h"

static void
write_member(void *arg, const struct pool_view *m)
{
	struct jsonout *j = arg;

	jsonout_object(j, NULL);
	jsonout_string(j, "url", m->url);
	jsonout_string(j, "name", m->identity->name);
	jsonout_string(j, "version", m->identity->version);
	jsonout_string(j, "build", m->identity->build);
	jsonout_string(j, "state", link_state_name(m->state));
	jsonout_number(j, "weight", m->weight);
	jsonout_integer(j, "in_flight", m->in_flight);
	jsonout_integer(j, "calls", m->calls);
	jsonout_integer(j, "failures", m->failures);
	jsonout_number(j, "rate", m->rate);
	jsonout_number(j, "failure_rate", m->failure_rate);
	jsonout_number(j, "latency", m->seconds);
	jsonout_end_object(j);
}

void
pool_json_reply(
    void *arg, const struct ops_request *request, struct ops_reply *reply)
{
	struct jsonout j;

	(void)request;
	jsonout_init(&j, reply->body);
	jsonout_object(&j, NULL);
	jsonout_array(&j, "members");
	pool_each(arg, write_member, &j);
	jsonout_end_array(&j);
	jsonout_end_object(&j);
	if (!jsonout_ok(&j))
		reply->status = 500;
}

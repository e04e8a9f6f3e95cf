#include "frontend/link.h"

static const char *const state_names[LINK_STATES] = {
	[LINK_CONNECTING] = "connecting",
	[LINK_UP] = "up",
	[LINK_SUSPECT] = "suspect",
	[LINK_EJECTED] = "ejected",
	[LINK_DRAINING] = "draining",
	[LINK_GONE] = "gone",
};

const char *
link_state_name(enum link_state state)
{
	return state_names[state];
}

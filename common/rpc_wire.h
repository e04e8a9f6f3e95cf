/*
 * rpc_wire - what the writer and the reader of frames share
 *
 * The keys are the wire's: append, never renumber.  Their meaning is told in
 * common/rpc.h.
 */
#ifndef COMMON_RPC_WIRE_H
#define COMMON_RPC_WIRE_H

#include "common/rpc.h"

enum wire_frame {
	WIRE_FRAME_VERSION = 0,
	WIRE_FRAME_CALLS = 1,
	WIRE_FRAME_RESULTS = 2,
	WIRE_FRAME_BACKEND = 3,
	WIRE_FRAME_MERGES = 4,
};

enum wire_call {
	WIRE_CALL_ID = 1,
	WIRE_CALL_METHOD = 2,
	WIRE_CALL_LEFT_MS = 3,
	WIRE_CALL_ARGUMENTS = 4,
	WIRE_CALL_REQUEST_ID = 5,
};

enum wire_lookup {
	WIRE_LOOKUP_MAP = 1,
	WIRE_LOOKUP_KEY = 2,
	WIRE_LOOKUP_HOW = 3,
};

enum wire_purge {
	WIRE_PURGE_MAP = 1,
	WIRE_PURGE_KEY = 2,
	WIRE_PURGE_RELAY = 3,
};

enum wire_result {
	WIRE_RESULT_ID = 1,
	WIRE_RESULT_OUTCOME = 2,
	WIRE_RESULT_DATA = 3,
	WIRE_RESULT_SOURCE = 4,
	WIRE_RESULT_AGE_MS = 5,
	WIRE_RESULT_STEPS = 6,
};

/*
 * Bound a result's data to LOOKUP_REPLY_MAX.  An OK that Postfix would refuse
 * for its length must not look like a value: it becomes PERM.  A reason is cut.
 */
void rpc_bound_data(struct lookup_result *lookup);

static inline struct slice
rpc_bound_steps(struct slice steps)
{
	if (steps.len > RPC_STEPS_MAX)
		steps.len = RPC_STEPS_MAX;
	return steps;
}

#endif

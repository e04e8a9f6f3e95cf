/*
 * deadlines - time limits of many connections with one timer
 *
 * Each state has one limit for all its connections, so that a list in order of
 * entry is in order of expiry: its head is the next to expire.  The timer is
 * started when something expires earlier than it is set for, and rarely
 * otherwise: none of this is done per request.  Runs on the loop's thread.
 */
#ifndef SOCKETMAP_DEADLINES_H
#define SOCKETMAP_DEADLINES_H

#include "frontend/socketmap/connection.h"

/* Put a connection at the end of a state's list, with its time starting now;
 * the only function that assigns its state. */
void deadlines_enter(struct connection *c, enum connection_state state);

/* uv_timer_cb; data is the server. */
void deadlines_on_timer(uv_timer_t *timer);

#endif

/*
 * backend_reload - what SIGHUP changes in a running backend
 *
 * Certificates, tokens, and the settings that the table marks with
 * CONFIG_RELOAD.  Loop's thread only.
 */
#ifndef BACKEND_BACKEND_RELOAD_H
#define BACKEND_BACKEND_RELOAD_H

#include "backend/config.h"
#include "backend/http.h"
#include "backend/resolve.h"
#include "backend/userli.h"
#include "backend/worker.h"
#include "common/reload.h"

struct backend_parts {
	struct rpctls *tls;
	struct worker *worker;
	struct userli *userli;
	struct resolve *resolve;
	struct http *http;
	struct slow *slow;
	struct log *log;
};

void backend_reload(struct reload *reload, const struct backend_parts *parts);

#endif

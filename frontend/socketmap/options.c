#include "frontend/socketmap/socketmap.h"

const char *
socketmap_version(void)
{
	return PROJECT_VERSION;
}

void
socketmap_options_init(struct socketmap_options *options)
{
	*options = (struct socketmap_options){
		.port = SOCKETMAP_PORT,
		.read_timeout_ms = 100000,
		.write_timeout_ms = 100000,
		.idle_timeout_ms = 10000,
		.reply_bytes_max = SOCKETMAP_REPLY_BYTES_MAX,
		.query_bytes_max = SOCKETMAP_QUERY_BYTES_MAX,
		.pipeline_max = 1000,
		.unread_bytes_max = 2097152,
		.backlog = 1024,
	};
}

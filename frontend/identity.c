#include "frontend/identity.h"

/* Copy text that is to be shown; empty when it is not fit for that. */
static void
copy(struct slice text, char *out, size_t size)
{
	if (text.len >= size)
		text.len = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c > 0x7e)
			text.len = 0;
	}
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

void
identity_learn_name(struct identity *id, struct slice name)
{
	/* Nearly always the one that is known already. */
	if (!slice_equal(name, slice_of(id->name)))
		copy(name, id->name, sizeof id->name);
}

void
identity_learn_build(struct identity *id, struct slice build)
{
	const char *blank =
	    build.len > 0 ? memchr(build.ptr, ' ', build.len) : NULL;
	size_t len = blank == NULL ? build.len : (size_t)(blank - build.ptr);
	size_t after = blank == NULL ? len : len + 1;

	copy((struct slice){ build.ptr, len }, id->version, sizeof id->version);
	copy((struct slice){ build.ptr + after, build.len - after }, id->build,
	    sizeof id->build);
}

void
identity_learn(struct identity *id, struct slice name,
    const struct rpc_result *results, size_t count, uint64_t health)
{
	identity_learn_name(id, name);
	for (size_t i = 0; i < count; i++) {
		if (results[i].id == health &&
		    results[i].lookup.outcome == LOOKUP_OK)
			identity_learn_build(id, results[i].lookup.data);
	}
}

/*
 * nng tells of a connection when its handshake is done, and says of its end
 * that it was.  Who said what is therefore noted by the pipe's id; nng hands
 * ids out in sequence, so that two pipes that live at a time share no note.
 *
 * Of the handshake itself only nng's own statistics tell, and not of every
 * failure: after most of them nng takes no note of others for 100 ms.
 */
#include <nng/nng.h>
#include <string.h>

#include "common/mem.h"
#include "common/nngsock_private.h"

#define NOTES 65536 /* as many as descriptors, or more */

enum note {
	NOTE_ADDED,
	NOTE_ACCEPTED,
	NOTE_SPOKEN
};

void
nngsock_useless_init(struct nngsock *s)
{
	s->notes = mem_calloc(NOTES, sizeof *s->notes);
}

static atomic_uchar *
note_of(struct nngsock *s, uint32_t pipe)
{
	return &s->notes[pipe % NOTES];
}

/* On nng's threads, as the next two. */
void
nngsock_note_added(struct nngsock *s, uint32_t pipe)
{
	if (s->notes != NULL)
		atomic_store(note_of(s, pipe), NOTE_ADDED);
}

/* It may have spoken by then. */
void
nngsock_note_accepted(struct nngsock *s, uint32_t pipe)
{
	unsigned char expected = NOTE_ADDED;

	if (s->notes != NULL)
		(void)atomic_compare_exchange_strong(
		    note_of(s, pipe), &expected, NOTE_ACCEPTED);
}

void
nngsock_note_ended(struct nngsock *s, uint32_t pipe)
{
	if (s->notes == NULL)
		return;
	switch (atomic_load(note_of(s, pipe))) {
	case NOTE_ADDED:
		atomic_fetch_add(&s->ended_foreign, 1);
		break;
	case NOTE_ACCEPTED:
		atomic_fetch_add(&s->ended_unused, 1);
		break;
	}
}

/* On the loop's thread. */
void
nngsock_note_spoken(struct nngsock *s, uint32_t pipe)
{
	if (s->notes != NULL)
		atomic_store(note_of(s, pipe), NOTE_SPOKEN);
}

/* --- What nng has counted ------------------------------------------------ */

static uint64_t
value_of(nng_stat *parent, const char *name)
{
	for (nng_stat *st = nng_stat_child(parent); st != NULL;
	     st = nng_stat_next(st))
		if (strcmp(nng_stat_name(st), name) == 0)
			return nng_stat_value(st);
	return 0;
}

static void
add_listener(struct nngsock *s, struct nngsock_listener *l, nng_stat *stat)
{
	static const struct {
		enum nngsock_useless why;
		const char *name;
	} counted[] = {
		{ NNGSOCK_NO_GREETING, "proto" },
		{ NNGSOCK_SILENT, "timeout" },
		{ NNGSOCK_NOT_BELIEVED, "auth" },
	};

	for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
		enum nngsock_useless why = counted[i].why;
		uint64_t now = value_of(stat, counted[i].name);

		s->useless[why] += now - l->counted[why];
		l->counted[why] = now;
	}
}

static struct nngsock_listener *
find_listener(struct nngsock *s, uint32_t id)
{
	for (size_t i = 0; i < s->listener_count; i++) {
		struct nngsock_listener *l = &s->listeners[i];

		if (l->open && (uint32_t)nng_listener_id(l->nng) == id)
			return l;
	}
	return NULL;
}

const uint64_t *
nngsock_useless(struct nngsock *s)
{
	nng_stat *root;

	s->useless[NNGSOCK_OTHER_PROTOCOL] = atomic_load(&s->ended_foreign);
	s->useless[NNGSOCK_UNUSED] = atomic_load(&s->ended_unused);
	if (nng_stats_get(&root) != 0) /* no memory, or built without them */
		return s->useless;
	for (nng_stat *st = nng_stat_child(root); st != NULL;
	     st = nng_stat_next(st)) {
		struct nngsock_listener *l;

		if (strcmp(nng_stat_name(st), "listener") != 0)
			continue;
		l = find_listener(s, (uint32_t)value_of(st, "id"));
		if (l != NULL)
			add_listener(s, l, st);
	}
	nng_stats_free(root);
	return s->useless;
}

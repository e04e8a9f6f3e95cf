#include "frontend/cli/doctor_maps.h"

#include <inttypes.h>
#include <stdio.h>

/* Where each map of ours belongs. */
static const struct {
	const char *setting;
	const char *map;
} uses[] = {
	{ "virtual_alias_maps", "alias" },
	{ "virtual_mailbox_domains", "domain" },
	{ "virtual_mailbox_maps", "mailbox" },
	{ "smtpd_sender_login_maps", "senders" },
};

#define USES (sizeof uses / sizeof uses[0])
#define FIX_MAX 400

static bool
take_prefix(struct slice *text, const char *prefix)
{
	struct slice p = slice_of(prefix);

	if (text->len < p.len || memcmp(text->ptr, prefix, p.len) != 0)
		return false;
	text->ptr += p.len;
	text->len -= p.len;
	return true;
}

bool
doctor_reference_parse(struct slice word, struct doctor_reference *out)
{
	const char *colon;

	*out = (struct doctor_reference){ .proxied =
					      take_prefix(&word, "proxy:") };
	out->text = word;
	if (!take_prefix(&word, "socketmap:"))
		return false;
	out->is_unix = take_prefix(&word, "unix:");
	if (!out->is_unix && !take_prefix(&word, "inet:"))
		return false;
	colon = word.len > 0 ? memrchr(word.ptr, ':', word.len) : NULL;
	if (colon == NULL)
		return false;
	out->address = (struct slice){ word.ptr, (size_t)(colon - word.ptr) };
	out->name =
	    (struct slice){ colon + 1, word.len - out->address.len - 1 };
	return true;
}

void
doctor_references(const struct postconf *pc,
    void (*fn)(void *arg, const char *setting,
	const struct doctor_reference *reference),
    void *arg)
{
	for (size_t i = 0; i < USES; i++) {
		struct slice rest = postconf_value(pc, uses[i].setting);
		struct doctor_reference reference;
		struct slice word;

		while (postconf_next_word(&rest, &word)) {
			if (doctor_reference_parse(word, &reference))
				fn(arg, uses[i].setting, &reference);
		}
	}
}

/* --- Each setting --------------------------------------------------------- */

struct seen {
	const struct postconf *pc;
	struct findings *findings;
	bool used[USES];
	bool alias_asked_for_domains;
};

static size_t
use_of(const char *setting)
{
	size_t i = 0;

	while (i < USES && strcmp(uses[i].setting, setting) != 0)
		i++;
	return i;
}

/* Whether a value holds this word. */
static bool
has_word(struct slice value, struct slice wanted, bool proxied)
{
	struct slice word;

	while (postconf_next_word(&value, &word)) {
		if (proxied && !take_prefix(&word, "proxy:"))
			continue;
		if (slice_equal(word, wanted))
			return true;
	}
	return false;
}

static void
check_name(struct seen *s, const char *setting, const char *map,
    const struct doctor_reference *r)
{
	char fix[FIX_MAX];

	if (slice_equal(r->name, slice_of(map)))
		return;
	(void)snprintf(fix, sizeof fix, "%s = %s%.*s%s", setting,
	    r->proxied ? "proxy:" : "", (int)(r->text.len - r->name.len),
	    r->text.ptr, map);
	findings_problem(s->findings, fix,
	    "%s asks the map \"%.*s\"; the one for it is \"%s\"", setting,
	    (int)r->name.len, r->name.ptr, map);
}

static void
check_proxy(
    struct seen *s, const char *setting, const struct doctor_reference *r)
{
	char fix[FIX_MAX];

	if (!r->proxied ||
	    has_word(postconf_value(s->pc, "proxy_read_maps"), r->text, true))
		return;
	(void)snprintf(fix, sizeof fix,
	    "%s = %.*s   (or add $%s to proxy_read_maps)", setting,
	    (int)r->text.len, r->text.ptr, setting);
	findings_problem(s->findings, fix,
	    "%s goes through proxymap(8), which refuses it: it is not in "
	    "proxy_read_maps",
	    setting);
}

static void
on_reference(void *arg, const char *setting, const struct doctor_reference *r)
{
	struct seen *s = arg;
	size_t use = use_of(setting);

	s->used[use] = true;
	check_name(s, setting, uses[use].map, r);
	check_proxy(s, setting, r);
	if (use == 0 &&
	    has_word(postconf_value(s->pc, "virtual_alias_domains"), r->text,
		r->proxied))
		s->alias_asked_for_domains = true;
}

static void
check_used(const struct seen *s)
{
	size_t used = 0;

	for (size_t i = 0; i < USES; i++)
		used += s->used[i];
	for (size_t i = 0; i < USES; i++) {
		char fix[FIX_MAX];

		if (s->used[i])
			continue;
		(void)snprintf(fix, sizeof fix,
		    "%s = socketmap:inet:127.0.0.1:10001:%s", uses[i].setting,
		    uses[i].map);
		if (used == 0 && i < 3)
			findings_problem(s->findings, fix,
			    "%s does not ask userli", uses[i].setting);
		else
			findings_note(s->findings,
			    "%s does not ask userli; it could: %s",
			    uses[i].setting, fix);
	}
}

/* --- All of main.cf --------------------------------------------------------
 */

/* Whether the transport that a setting names is delivered by command. */
static bool
is_delivered_by(
    const struct postconf *pc, const char *setting, const char *command)
{
	struct slice transport = postconf_value(pc, setting);
	const char *colon = transport.len > 0
	    ? memchr(transport.ptr, ':', transport.len)
	    : NULL;
	struct slice rest = slice_of(pc->services);
	struct postconf_service service;

	if (colon != NULL)
		transport.len = (size_t)(colon - transport.ptr);
	while (postconf_next_service(&rest, &service)) {
		if (slice_equal(service.name, transport) &&
		    slice_equal(service.type, SLICE("unix")))
			return slice_equal(service.command, slice_of(command));
	}
	return slice_equal(transport, slice_of(command));
}

static bool
has_socketmap(const struct postconf *pc, const char *setting)
{
	struct slice rest = postconf_value(pc, setting);
	struct doctor_reference reference;
	struct slice word;

	while (postconf_next_word(&rest, &word)) {
		if (doctor_reference_parse(word, &reference))
			return true;
	}
	return false;
}

static void
check_delivery(const struct postconf *pc, struct findings *f)
{
	static const char *const virtuals[] = { "virtual_mailbox_maps",
		"virtual_uid_maps", "virtual_gid_maps" };

	for (size_t i = 0; i < sizeof virtuals / sizeof virtuals[0]; i++) {
		if (has_socketmap(pc, virtuals[i]) &&
		    is_delivered_by(pc, "virtual_transport", "virtual"))
			findings_problem(f,
			    "virtual_transport = "
			    "lmtp:unix:private/dovecot-lmtp",
			    "virtual(8) delivers, and refuses %s: socketmap is "
			    "not trusted for that; deliver by LMTP",
			    virtuals[i]);
	}
	if (has_socketmap(pc, "alias_maps"))
		findings_problem(f, "alias_maps = hash:/etc/aliases",
		    "alias_maps is local(8)'s, which refuses socketmap; "
		    "userli's aliases belong into virtual_alias_maps");
}

static bool
mentions(const struct postconf *pc, const char *text)
{
	return strstr(pc->settings, text) != NULL ||
	    strstr(pc->options, text) != NULL;
}

static void
check_senders(const struct postconf *pc, struct findings *f)
{
	if (!has_socketmap(pc, "smtpd_sender_login_maps"))
		return;
	if (!mentions(pc, "sender_login_mismatch"))
		findings_problem(f,
		    "smtpd_sender_restrictions = reject_sender_login_mismatch",
		    "smtpd_sender_login_maps is asked by nobody: no "
		    "restriction says reject_sender_login_mismatch or a "
		    "relative of it");
	else if (!mentions(pc, "smtpd_sasl_auth_enable = yes"))
		findings_problem(f, "smtpd_sasl_auth_enable = yes",
		    "smtpd_sender_login_maps has no effect: smtpd ignores "
		    "such restrictions while SASL is off");
}

void
doctor_maps(const struct postconf *pc, struct findings *f)
{
	struct seen s = { .pc = pc, .findings = f };
	size_t before = f->problems;

	if (!postconf_has_type(pc, "socketmap"))
		findings_problem(f, "install a Postfix with socketmap",
		    "this Postfix has no socketmap tables (postconf -m)");
	doctor_references(pc, on_reference, &s);
	check_used(&s);
	if (s.alias_asked_for_domains)
		findings_problem(f, "virtual_alias_domains =",
		    "the alias map is asked for every bare domain, too: "
		    "virtual_alias_domains is $virtual_alias_maps by default");
	check_delivery(pc, f);
	check_senders(pc, f);
	if (f->problems == before)
		findings_ok(f, "main.cf asks the right maps in the right way");
}

/* --- Limits ----------------------------------------------------------------
 */

struct holders {
	bool direct;  /* a table is asked without proxymap */
	bool proxied; /* with it */
};

static void
note_holder(void *arg, const char *setting, const struct doctor_reference *r)
{
	struct holders *h = arg;

	(void)setting;
	h->direct |= !r->proxied;
	h->proxied |= r->proxied;
}

void
doctor_limits(
    const struct postconf *pc, uint64_t connections_max, struct findings *f)
{
	long each = postconf_number(pc, "default_process_limit", 100);
	struct slice rest = slice_of(pc->services);
	struct holders holders = { 0 };
	struct postconf_service s;
	uint64_t sum = 0;
	char fix[FIX_MAX];

	doctor_references(pc, note_holder, &holders);
	while (postconf_next_service(&rest, &s)) {
		bool asks = holders.direct &&
		    (slice_equal(s.command, SLICE("smtpd")) ||
			slice_equal(s.command, SLICE("cleanup")) ||
			slice_equal(s.command, SLICE("trivial-rewrite")));

		asks |= holders.proxied &&
		    slice_equal(s.command, SLICE("proxymap"));
		if (asks)
			sum += (uint64_t)(s.maxproc > 0 ? s.maxproc : each);
	}
	if (sum == 0)
		return;
	if (sum <= connections_max) {
		findings_ok(f,
		    "Postfix holds up to %" PRIu64
		    " connections, the frontend takes %" PRIu64,
		    sum, connections_max);
		return;
	}
	(void)snprintf(
	    fix, sizeof fix, "SOCKETMAP_MAX_CONNECTIONS=%" PRIu64, sum * 2);
	findings_problem(f, fix,
	    "Postfix may hold %" PRIu64
	    " connections by its process limits, and the frontend takes "
	    "%" PRIu64,
	    sum, connections_max);
}

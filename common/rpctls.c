#include "common/rpctls.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"

#define READ_START 8192 /* bytes of a file, at first */

enum part {
	PART_CERT,
	PART_KEY,
	PART_CA,
	PARTS
};

static const char *const variables[PARTS] = {
	[PART_CERT] = "RPC_TLS_CERT",
	[PART_KEY] = "RPC_TLS_KEY",
	[PART_CA] = "RPC_TLS_CA",
};

/* What the files held, and what is known of it. */
struct material {
	char *text[PARTS]; /* all NULL when none is set */
	bool key_exposed;
	bool of_ca;      /* our certificate is of one of the CAs */
	bool for_client; /* it may be shown by who connects */
	int64_t valid_from, valid_to;
};

struct rpctls {
	struct rpctls_files files;
	struct log *log;
	struct material material;
	struct metrics_gauge *expires;
};

/* --- Files --------------------------------------------------------------- */

static const char *
path_of(const struct rpctls_files *files, enum part part)
{
	switch (part) {
	case PART_CERT:
		return files->cert;
	case PART_KEY:
		return files->key;
	default:
		return files->ca;
	}
}

static void
material_fini(struct material *m)
{
	for (int i = 0; i < PARTS; i++) {
		mem_wipe(m->text[i]);
		m->text[i] = NULL;
	}
}

/* A larger place for a text of len bytes; nothing stays in the old one. */
static char *
move_text(char *old, size_t len, size_t room)
{
	char *text = mem_calloc(1, room + 1);

	(void)memcpy(text, old, len);
	explicit_bzero(old, len);
	free(old);
	return text;
}

/* Whole content of an open file, NUL-terminated, in no more memory than it
 * needs; NULL when it has none, is too large or cannot be read (errno). */
static char *
read_all(int fd, size_t *len)
{
	size_t room = READ_START;
	char *text = mem_calloc(1, room + 1);
	ssize_t n;

	*len = 0;
	while ((n = read(fd, text + *len, room - *len)) > 0) {
		*len += (size_t)n;
		if (*len > RPCTLS_FILE_MAX) {
			errno = EFBIG;
			n = -1;
			break;
		}
		if (*len == room) {
			room *= 2;
			text = move_text(text, *len, room);
		}
	}
	if (n == 0 && *len > 0 && strlen(text) == *len)
		return text;
	if (n == 0)
		errno = 0; /* nothing in it, or what is no text */
	explicit_bzero(text, *len);
	free(text);
	return NULL;
}

static bool
read_part(const struct rpctls_files *files, enum part part, struct material *m,
    struct error *error)
{
	const char *path = path_of(files, part);
	/* O_NONBLOCK: a FIFO must not keep us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	char *text = NULL;
	size_t len;

	if (fd >= 0) {
		if (part == PART_KEY && fstat(fd, &status) == 0)
			m->key_exposed = (status.st_mode & S_IRWXO) != 0;
		text = read_all(fd, &len);
	}
	if (text == NULL && (fd < 0 || errno != 0))
		error_set(error,
		    "%s: %s: cannot be read: %s: check the path and that this "
		    "program's user may read it",
		    variables[part], path, strerror(errno));
	else if (text == NULL || strstr(text, "-----BEGIN ") == NULL)
		error_set(error,
		    "%s: %s: is not PEM: give a text file with "
		    "-----BEGIN %s-----",
		    variables[part], path,
		    part == PART_KEY ? "PRIVATE KEY" : "CERTIFICATE");
	else
		m->text[part] = text;
	if (m->text[part] == NULL)
		mem_wipe(text);
	if (fd >= 0)
		(void)close(fd);
	return m->text[part] != NULL;
}

/* All of them or none; *none tells which. */
static bool
all_or_none(const struct rpctls_files *files, bool *none, struct error *error)
{
	const char *missing = NULL;
	const char *given = NULL;

	for (enum part i = 0; i < PARTS; i++) {
		if (path_of(files, i)[0] == '\0')
			missing = variables[i];
		else
			given = variables[i];
	}
	*none = given == NULL;
	if (missing == NULL || given == NULL)
		return true;
	error_set(error,
	    "%s: is not set, though %s is: set RPC_TLS_CERT, RPC_TLS_KEY and "
	    "RPC_TLS_CA, or none of them",
	    missing, given);
	return false;
}

/* --- Judgement ----------------------------------------------------------- */

#if MBEDTLS_VERSION_MAJOR >= 3
static int
random_bytes(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}
#define RANDOM , random_bytes, NULL
#else
#define RANDOM
#endif

/* mbedTLS wants the NUL of a PEM text counted. */
static bool
parse_certificates(const struct rpctls_files *files, enum part part,
    const struct material *m, mbedtls_x509_crt *out, struct error *error)
{
	const char *text = m->text[part];
	int rv = mbedtls_x509_crt_parse(
	    out, (const unsigned char *)text, strlen(text) + 1);

	if (rv == 0)
		return true;
	error_set(error,
	    "%s: %s: %s: give a PEM file of X.509 certificates with RSA or "
	    "EC (P-256, P-384) keys",
	    variables[part], path_of(files, part),
	    rv > 0 ? "holds a certificate that cannot be read"
		   : "holds no certificate that can be read");
	return false;
}

static bool
parse_key(const struct rpctls_files *files, const struct material *m,
    mbedtls_pk_context *out, struct error *error)
{
	const char *text = m->text[PART_KEY];
	int rv = mbedtls_pk_parse_key(
	    out, (const unsigned char *)text, strlen(text) + 1, NULL, 0 RANDOM);

	if (rv == 0)
		return true;
	if (rv == MBEDTLS_ERR_PK_PASSWORD_REQUIRED ||
	    rv == MBEDTLS_ERR_PK_PASSWORD_MISMATCH)
		error_set(error,
		    "RPC_TLS_KEY: %s: is encrypted: give a key without a "
		    "passphrase, in a file that only this program's user may "
		    "read",
		    files->key);
	else
		error_set(error,
		    "RPC_TLS_KEY: %s: holds no private key that can be read: "
		    "give a PEM file with an RSA or EC (P-256, P-384) key",
		    files->key);
	return false;
}

static int64_t
seconds_of(const mbedtls_x509_time *t)
{
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};

	return (int64_t)timegm(&tm);
}

static bool
may(const mbedtls_x509_crt *cert, enum rpctls_side side)
{
	return side == RPCTLS_DIALS
	    ? mbedtls_x509_crt_check_extended_key_usage(cert,
		  MBEDTLS_OID_CLIENT_AUTH,
		  MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)) == 0
	    : mbedtls_x509_crt_check_extended_key_usage(cert,
		  MBEDTLS_OID_SERVER_AUTH,
		  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0;
}

/* Time is judged later, by the clock of then. */
static bool
is_of_ca(mbedtls_x509_crt *cert, mbedtls_x509_crt *ca)
{
	uint32_t flags = 0;

	if (mbedtls_x509_crt_verify(cert, ca, NULL, NULL, &flags, NULL, NULL) ==
	    0)
		return true;
	flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED |
	    MBEDTLS_X509_BADCERT_FUTURE);
	return flags == 0;
}

static bool
judge(const struct rpctls_files *files, struct material *m, struct error *error)
{
	mbedtls_x509_crt cert;
	mbedtls_x509_crt ca;
	mbedtls_pk_context key;
	bool ok = false;

	mbedtls_x509_crt_init(&cert);
	mbedtls_x509_crt_init(&ca);
	mbedtls_pk_init(&key);
	if (!parse_certificates(files, PART_CERT, m, &cert, error) ||
	    !parse_key(files, m, &key, error) ||
	    !parse_certificates(files, PART_CA, m, &ca, error))
		goto cleanup;
	if (mbedtls_pk_check_pair(&cert.pk, &key RANDOM) != 0) {
		error_set(error,
		    "RPC_TLS_KEY: %s: is not the key of the first certificate "
		    "in %s (RPC_TLS_CERT): give the two that belong together",
		    files->key, files->cert);
		goto cleanup;
	}
	if (!may(&cert, files->side)) {
		error_set(error,
		    "RPC_TLS_CERT: %s: is not meant for a %s: its extended "
		    "key usage must have %s, or be left out",
		    files->cert,
		    files->side == RPCTLS_DIALS ? "frontend" : "backend",
		    files->side == RPCTLS_DIALS ? "clientAuth" : "serverAuth");
		goto cleanup;
	}
	m->for_client = may(&cert, RPCTLS_DIALS);
	m->of_ca = is_of_ca(&cert, &ca);
	m->valid_from = seconds_of(&cert.valid_from);
	m->valid_to = seconds_of(&cert.valid_to);
	ok = true;

cleanup:
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&ca);
	mbedtls_x509_crt_free(&cert);
	return ok;
}

static bool
load(
    const struct rpctls_files *files, struct material *out, struct error *error)
{
	bool none;

	*out = (struct material){ .valid_to = 0 };
	if (!all_or_none(files, &none, error))
		return false;
	if (none)
		return true;
	for (enum part i = 0; i < PARTS; i++) {
		if (!read_part(files, i, out, error))
			goto failed;
	}
	if (judge(files, out, error))
		return true;

failed:
	material_fini(out);
	return false;
}

/* What is wrong with the certificate's time, or NULL. */
static const char *
time_fault(const struct material *m)
{
	int64_t now = (int64_t)time(NULL);

	if (now > m->valid_to)
		return "has expired";
	if (now < m->valid_from)
		return "is not yet valid";
	return NULL;
}

/* --- Interface ----------------------------------------------------------- */

static void
warn(const struct rpctls *t)
{
	const struct material *m = &t->material;
	const char *fault = time_fault(m);

	if (fault != NULL)
		log_warn(t->log,
		    log_msg("the other tier will refuse our certificate"),
		    log_str("variable", variables[PART_CERT]),
		    log_str("file", t->files.cert), log_str("reason", fault));
	if (!m->of_ca)
		log_warn(t->log,
		    log_msg("our certificate is not of a CA in RPC_TLS_CA: "
			    "right only if the other tier's file differs"),
		    log_str("variable", variables[PART_CERT]),
		    log_str("file", t->files.cert));
	if (m->key_exposed)
		log_warn(t->log,
		    log_msg("every user of this host may read the private "
			    "key: chmod 0640 or less"),
		    log_str("variable", variables[PART_KEY]),
		    log_str("file", t->files.key));
}

static bool
is_on(const struct rpctls *t)
{
	return t != NULL && t->material.text[PART_CERT] != NULL;
}

bool
rpctls_check(const struct rpctls_files *files, struct error *error)
{
	struct material m;

	if (!load(files, &m, error))
		return false;
	material_fini(&m);
	return true;
}

struct rpctls *
rpctls_new(
    const struct rpctls_files *files, struct log *log, struct error *error)
{
	struct rpctls *t = mem_calloc(1, sizeof *t);

	t->files = *files;
	t->log = log;
	if (!load(files, &t->material, error)) {
		free(t);
		return NULL;
	}
	if (is_on(t))
		warn(t);
	return t;
}

void
rpctls_free(struct rpctls *t)
{
	if (t == NULL)
		return;
	material_fini(&t->material);
	free(t);
}

bool
rpctls_reload(struct rpctls *t, struct error *error)
{
	struct material fresh;
	const char *fault;

	if (!load(&t->files, &fresh, error))
		return false;
	fault = fresh.text[PART_CERT] != NULL ? time_fault(&fresh) : NULL;
	if (fault != NULL) {
		error_set(error, "RPC_TLS_CERT: %s: %s: give a newer one",
		    t->files.cert, fault);
		material_fini(&fresh);
		return false;
	}
	material_fini(&t->material);
	t->material = fresh;
	if (is_on(t))
		warn(t);
	return true;
}

const struct nngsock_tls *
rpctls_material(
    const struct rpctls *t, const char *server_name, struct nngsock_tls *out)
{
	const char *override;

	if (!is_on(t))
		return NULL;
	override = t->files.server_name;
	*out = (struct nngsock_tls){
		.cert = t->material.text[PART_CERT],
		.key = t->material.text[PART_KEY],
		.ca = t->material.text[PART_CA],
		.server_name = server_name != NULL && override[0] != '\0'
		    ? override
		    : server_name,
	};
	return out;
}

bool
rpctls_usable_as_client(const struct rpctls *t)
{
	return is_on(t) && t->material.of_ca && t->material.for_client &&
	    time_fault(&t->material) == NULL;
}

int64_t
rpctls_expires(const struct rpctls *t)
{
	return is_on(t) ? t->material.valid_to : 0;
}

static void
collect(void *arg)
{
	const struct rpctls *t = arg;

	metrics_set(t->expires, (double)rpctls_expires(t));
}

void
rpctls_add_metrics(struct rpctls *t, struct metrics *m)
{
	t->expires = metrics_gauge(
	    metrics_gauges(m, "rpc_tls_certificate_expires_seconds",
		"When our certificate between the tiers expires (Unix time; "
		"0 without TLS)",
		NULL),
	    NULL);
	metrics_on_collect(m, collect, t);
}

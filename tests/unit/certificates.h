/*
 * certificates - CAs and certificates made in memory, for tests
 *
 * P-256 keys; times are relative to now, so that a certificate can have
 * expired.
 */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CERTIFICATE_SIZE 4096

struct certificate {
	char cert[CERTIFICATE_SIZE]; /* PEM */
	char key[CERTIFICATE_SIZE];
};

struct certificate_wish {
	const struct certificate *ca; /* NULL: a CA, signed by itself */
	const char *common_name;
	const char *dns; /* subject alternative name, or NULL */
	uint32_t ipv4;   /* the same, in host order, or 0 */
	bool for_server; /* extended key usage; neither: without any */
	bool for_client;
	int from_days, to_days; /* from now; 0 and 0: yesterday, in 30 days */
};

#define CERTIFICATE_MUST(call)   \
	do {                     \
		if ((call) != 0) \
			abort(); \
	} while (0)

static inline int
certificate_random(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}

static inline void
certificate_time(int days, char out[static 15])
{
	time_t when = time(NULL) + (time_t)days * 86400;
	struct tm tm;

	(void)gmtime_r(&when, &tm);
	(void)strftime(out, 15, "%Y%m%d%H%M%S", &tm);
}

/* Subject alternative names, RFC 5280 section 4.2.1.6. */
static inline void
certificate_add_names(
    mbedtls_x509write_cert *crt, const struct certificate_wish *wish)
{
	unsigned char der[300] = { 0x30, 0 };
	size_t len = 2;

	if (wish->dns != NULL) {
		size_t size = strlen(wish->dns);

		if (size > 100)
			abort();
		der[len++] = 0x82;
		der[len++] = (unsigned char)size;
		memcpy(der + len, wish->dns, size);
		len += size;
	}
	if (wish->ipv4 != 0) {
		der[len++] = 0x87;
		der[len++] = 4;
		for (int shift = 24; shift >= 0; shift -= 8)
			der[len++] = (unsigned char)(wish->ipv4 >> shift);
	}
	der[1] = (unsigned char)(len - 2);
	if (len > 2)
		CERTIFICATE_MUST(mbedtls_x509write_crt_set_extension(crt,
		    MBEDTLS_OID_SUBJECT_ALT_NAME,
		    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, der,
		    len));
}

/* Extended key usage, section 4.2.1.12. */
static inline void
certificate_add_usage(
    mbedtls_x509write_cert *crt, const struct certificate_wish *wish)
{
	static const unsigned char usage[] = { 0x06, 8, 0x2B, 6, 1, 5, 5, 7,
		3 };
	unsigned char der[30] = { 0x30, 0 };
	size_t len = 2;

	for (unsigned char purpose = 1; purpose <= 2; purpose++) {
		if (!(purpose == 1 ? wish->for_server : wish->for_client))
			continue;
		memcpy(der + len, usage, sizeof usage);
		len += sizeof usage;
		der[len++] = purpose;
	}
	der[1] = (unsigned char)(len - 2);
	if (len > 2)
		CERTIFICATE_MUST(mbedtls_x509write_crt_set_extension(crt,
		    MBEDTLS_OID_EXTENDED_KEY_USAGE,
		    MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der,
		    len));
}

static inline void
certificate_sign(mbedtls_x509write_cert *crt,
    const struct certificate_wish *wish, mbedtls_pk_context *key)
{
	bool dated = wish->from_days != 0 || wish->to_days != 0;
	char name[80];
	char from[15];
	char to[15];
	mbedtls_mpi serial;

	mbedtls_mpi_init(&serial);
	(void)snprintf(name, sizeof name, "CN=%s", wish->common_name);
	certificate_time(dated ? wish->from_days : -1, from);
	certificate_time(dated ? wish->to_days : 30, to);
	mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(crt, key);
	CERTIFICATE_MUST(
	    mbedtls_mpi_fill_random(&serial, 8, certificate_random, NULL));
	CERTIFICATE_MUST(mbedtls_x509write_crt_set_serial(crt, &serial));
	CERTIFICATE_MUST(mbedtls_x509write_crt_set_validity(crt, from, to));
	CERTIFICATE_MUST(mbedtls_x509write_crt_set_subject_name(crt, name));
	CERTIFICATE_MUST(mbedtls_x509write_crt_set_basic_constraints(
	    crt, wish->ca == NULL, -1));
	certificate_add_names(crt, wish);
	certificate_add_usage(crt, wish);
	mbedtls_mpi_free(&serial);
}

static inline void
certificate_make(struct certificate *out, const struct certificate_wish *wish)
{
	mbedtls_x509write_cert crt;
	mbedtls_x509_crt ca;
	mbedtls_pk_context key;
	mbedtls_pk_context ca_key;
	char issuer[256];

	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509_crt_init(&ca);
	mbedtls_pk_init(&key);
	mbedtls_pk_init(&ca_key);
	CERTIFICATE_MUST(mbedtls_pk_setup(
	    &key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)));
	CERTIFICATE_MUST(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1,
	    mbedtls_pk_ec(key), certificate_random, NULL));
	certificate_sign(&crt, wish, &key);
	if (wish->ca == NULL) {
		(void)snprintf(
		    issuer, sizeof issuer, "CN=%s", wish->common_name);
		mbedtls_x509write_crt_set_issuer_key(&crt, &key);
	} else {
		CERTIFICATE_MUST(mbedtls_x509_crt_parse(&ca,
		    (const unsigned char *)wish->ca->cert,
		    strlen(wish->ca->cert) + 1));
		CERTIFICATE_MUST(mbedtls_pk_parse_key(&ca_key,
		    (const unsigned char *)wish->ca->key,
		    strlen(wish->ca->key) + 1, NULL, 0));
		if (mbedtls_x509_dn_gets(issuer, sizeof issuer, &ca.subject) <
		    0)
			abort();
		mbedtls_x509write_crt_set_issuer_key(&crt, &ca_key);
	}
	CERTIFICATE_MUST(mbedtls_x509write_crt_set_issuer_name(&crt, issuer));
	CERTIFICATE_MUST(
	    mbedtls_x509write_crt_pem(&crt, (unsigned char *)out->cert,
		sizeof out->cert, certificate_random, NULL));
	CERTIFICATE_MUST(mbedtls_pk_write_key_pem(
	    &key, (unsigned char *)out->key, sizeof out->key));
	mbedtls_pk_free(&ca_key);
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&ca);
	mbedtls_x509write_crt_free(&crt);
}

#endif

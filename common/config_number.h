/*
 * config_number - numbers, durations and sizes as configuration writes them
 *
 * Pure.
 */
#ifndef COMMON_CONFIG_NUMBER_H
#define COMMON_CONFIG_NUMBER_H

#include "common/config.h"

#define CONFIG_NUMBER_SIZE 32 /* of config_number_format()'s text */

enum config_number_status {
	CONFIG_NUMBER_OK,
	CONFIG_NUMBER_MALFORMED,
	CONFIG_NUMBER_TOO_LARGE, /* over 64 bits */
};

/*
 * A duration as Go writes it, in ms: one or more numbers, each with an
 * optional fraction and a unit of h, m, s, ms, us or ns; "0" needs no unit.
 * Rounded to the nearest ms, but never from more than nothing to 0, which
 * often means "off".
 */
enum config_number_status config_number_duration(const char *text, uint64_t *ms)
    __attribute__((warn_unused_result));

/* A number of bytes, plain or in K, KiB, M, MiB, G, GiB: powers of 1024. */
enum config_number_status config_number_size(const char *text, uint64_t *bytes)
    __attribute__((warn_unused_result));

/* Digits of base 8 or 10, nothing else. */
enum config_number_status config_number_whole(const char *text, unsigned base,
    uint64_t *out) __attribute__((warn_unused_result));

/*
 * Write value as an option of that type would be written, in the largest unit
 * that divides it: 300000 ms as "5m", 0660 as "0660".
 */
void config_number_format(
    enum config_type type, uint64_t value, char out[static CONFIG_NUMBER_SIZE]);

#endif

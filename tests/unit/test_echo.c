// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "exch/echo.h"

/* A time with the upper half of the milliseconds in use. */
#define NOW_US (0x123456789aULL * 1000)

static const uint8_t address[] = {192, 0, 2, 1, 0x16, 0x33};
static const uint8_t identifier[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const cps_echo_use_t outer = {CPS_ECHO_OUTER, {address, sizeof address}};
static const cps_echo_use_t inner = {CPS_ECHO_INNER, {identifier, sizeof identifier}};

typedef struct fixture {
    cps_crypto_t crypto;
    cps_echo_key_t key; /* 00 01 02 ... 1f */
} fixture_t;

static void set_up(fixture_t *f)
{
    assert_ok(cps_crypto_openssl_init(&f->crypto));
    for (uint8_t i = 0; i < sizeof f->key.key; i++)
        f->key.key[i] = i;
}

static cps_err_t check(fixture_t *f, cps_time_us_t now_us, const cps_echo_use_t *use, cps_bytes_t value)
{
    uint64_t age_us;
    return cps_echo_check(&f->key, &f->crypto, now_us, use, value, &age_us);
}

/* Expected values by Python's hmac. */
static void value_is_time_and_mac(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    uint8_t value[CPS_ECHO_LEN];
    cps_bytes_t view = cps_bytes(value, sizeof value);
    assert_ok(cps_echo_make(&f.key, &f.crypto, NOW_US + 999, &outer, value));
    assert_bytes(hex("3456789a4455feacf31bdbf3"), view);
    for (size_t bit = 0; bit < 8 * sizeof value; bit++) {
        value[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &outer, view));
        value[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_ok(check(&f, NOW_US, &outer, view));
    assert_ok(cps_echo_make(&f.key, &f.crypto, NOW_US, &inner, value));
    assert_bytes(hex("3456789aef80a84b5a945f4c"), view);
    cps_crypto_openssl_fini(&f.crypto);
}

static void value_is_for_one_purpose_and_binding(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    uint8_t value[CPS_ECHO_LEN];
    cps_bytes_t view = cps_bytes(value, sizeof value);
    assert_ok(cps_echo_make(&f.key, &f.crypto, NOW_US, &outer, value));
    uint8_t moved[sizeof address];
    cps_echo_use_t other = {CPS_ECHO_OUTER, cps_bytes(moved, sizeof moved)};
    for (size_t bit = 0; bit < 8 * sizeof moved; bit++) {
        memcpy(moved, address, sizeof moved);
        moved[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &other, view));
    }
    other = (cps_echo_use_t){CPS_ECHO_OUTER, cps_bytes(address, sizeof address - 1)};
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &other, view));
    other = (cps_echo_use_t){CPS_ECHO_INNER, outer.binding};
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &other, view));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &outer, cps_bytes(value, sizeof value - 1)));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &outer, cps_bytes(NULL, 0)));
    uint8_t longer[CPS_ECHO_LEN + 1] = {0};
    memcpy(longer, value, sizeof value);
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &outer, cps_bytes(longer, sizeof longer)));
    cps_crypto_openssl_fini(&f.crypto);
}

static void age_is_told_from_the_millisecond_on(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    static const cps_time_us_t made_us[] = {0, 1, 999, 1000, 4294967295999, 4294967296000, NOW_US, NOW_US + 500};
    static const cps_time_us_t later_us[] = {0, 1, 999, 1000, 10000000, 4294967295000};
    for (size_t i = 0; i < sizeof made_us / sizeof made_us[0]; i++) {
        uint8_t value[CPS_ECHO_LEN];
        assert_ok(cps_echo_make(&f.key, &f.crypto, made_us[i], &inner, value));
        for (size_t j = 0; j < sizeof later_us / sizeof later_us[0]; j++) {
            cps_time_us_t start_us = made_us[i] / 1000 * 1000;
            uint64_t age_us = 1;
            assert_ok(cps_echo_check(&f.key, &f.crypto, start_us + later_us[j], &inner, cps_bytes(value, sizeof value),
                                     &age_us));
            assert_true(age_us == later_us[j]);
        }
    }
    cps_crypto_openssl_fini(&f.crypto);
}

/* From 2^32 ms on the low bits are the same again: no later time takes the value. Nor does an earlier one. */
static void value_of_another_round_is_refused(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    uint8_t value[CPS_ECHO_LEN];
    cps_bytes_t view = cps_bytes(value, sizeof value);
    const cps_time_us_t round_us = 4294967296000;
    assert_ok(cps_echo_make(&f.key, &f.crypto, NOW_US, &inner, value));
    for (uint64_t rounds = 1; rounds < 20; rounds++)
        assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US + rounds * round_us, &inner, view));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US + round_us + 5000, &inner, view));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US - 1000, &inner, view));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US - round_us, &inner, view));
    assert_err(CPS_ERR_NOT_FRESH, check(&f, 0, &inner, view));
    cps_crypto_openssl_fini(&f.crypto);
}

static void another_key_takes_no_value(void **state)
{
    (void)state;
    fixture_t f;
    set_up(&f);
    uint8_t value[CPS_ECHO_LEN];
    assert_ok(cps_echo_make(&f.key, &f.crypto, NOW_US, &inner, value));
    cps_rng_t rng = cps_crypto_rng(&f.crypto);
    cps_echo_key_t old = f.key;
    cps_echo_key_draw(&f.key, &rng); /* as after a restart */
    assert_memory_not_equal(&old, &f.key, sizeof old);
    assert_err(CPS_ERR_NOT_FRESH, check(&f, NOW_US, &inner, cps_bytes(value, sizeof value)));
    cps_crypto_openssl_fini(&f.crypto);
}

static const cps_case_t cases[] = {
    {"ECHO-30", "a value is the time and an HMAC over time, purpose and address", value_is_time_and_mac},
    {"", "a value of another purpose, address or length is refused", value_is_for_one_purpose_and_binding},
    {"", "the age counts from the millisecond in which the value was made", age_is_told_from_the_millisecond_on},
    {"", "a value of 2^32 ms ago or more, or of the future, is refused", value_of_another_round_is_refused},
    {"", "values under another key are refused", another_key_takes_no_value},
};

CPS_RUN("echo", cases)

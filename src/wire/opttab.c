// SPDX-License-Identifier: Apache-2.0
/* One list makes the table, the places and the index by number, so that they cannot differ. */
#include "wire/opttab.h"

#define NOWHERE  0U
#define REQUEST  CPS_OPT_IN_REQUEST
#define RESPONSE CPS_OPT_IN_RESPONSE
#define BOTH     (CPS_OPT_IN_REQUEST | CPS_OPT_IN_RESPONSE)

/* number, name, format, shortest, longest, where defined, where repeatable, OSCORE class; numbers rise.
 * Lengths: RFC 7252 table 4, RFC 7641 §2, RFC 7959 §2.1 and §4, RFC 7967 §2, RFC 8613 §2, RFC 8768 §3, RFC 9175 §2.2.1
 * and §3.2.1, RFC 9177 §4.1. Classes: RFC 8613 figure 5, RFC 9175 and 9177 the same sections, RFC 9668 §3.1; Hop-Limit
 * has to be seen by every proxy, so it is class U (PRX-20). */
#define OPTIONS(ROW)                                                                                                   \
    ROW(IF_MATCH, "If-Match", OPAQUE, 0, 8, REQUEST, REQUEST, E)                                                       \
    ROW(URI_HOST, "Uri-Host", STRING, 1, 255, REQUEST, NOWHERE, U)                                                     \
    ROW(ETAG, "ETag", OPAQUE, 1, 8, BOTH, REQUEST, E) /* RFC 7252 §5.10.6.1: one in a response */                     \
    ROW(IF_NONE_MATCH, "If-None-Match", EMPTY, 0, 0, REQUEST, NOWHERE, E)                                              \
    ROW(OBSERVE, "Observe", UINT, 0, 3, BOTH, NOWHERE, EU)                                                             \
    ROW(URI_PORT, "Uri-Port", UINT, 0, 2, REQUEST, NOWHERE, U)                                                         \
    ROW(LOCATION_PATH, "Location-Path", STRING, 0, 255, RESPONSE, RESPONSE, E)                                         \
    ROW(OSCORE, "OSCORE", OPAQUE, 0, 255, BOTH, NOWHERE, U)                                                            \
    ROW(URI_PATH, "Uri-Path", STRING, 0, 255, REQUEST, REQUEST, E)                                                     \
    ROW(CONTENT_FORMAT, "Content-Format", UINT, 0, 2, BOTH, NOWHERE, E)                                                \
    ROW(MAX_AGE, "Max-Age", UINT, 0, 4, RESPONSE, NOWHERE, EU)                                                         \
    ROW(URI_QUERY, "Uri-Query", STRING, 0, 255, REQUEST, REQUEST, E)                                                   \
    ROW(HOP_LIMIT, "Hop-Limit", UINT, 1, 1, REQUEST, NOWHERE, U)                                                       \
    ROW(ACCEPT, "Accept", UINT, 0, 2, REQUEST, NOWHERE, E)                                                             \
    ROW(Q_BLOCK1, "Q-Block1", UINT, 0, 3, BOTH, NOWHERE, EU)                                                           \
    ROW(LOCATION_QUERY, "Location-Query", STRING, 0, 255, RESPONSE, RESPONSE, E)                                       \
    ROW(EDHOC, "EDHOC", EMPTY, 0, UINT16_MAX, REQUEST, NOWHERE, U) /* RFC 9668 §3.1: a value is ignored */            \
    ROW(BLOCK2, "Block2", UINT, 0, 3, BOTH, NOWHERE, EU)                                                               \
    ROW(BLOCK1, "Block1", UINT, 0, 3, BOTH, NOWHERE, EU)                                                               \
    ROW(SIZE2, "Size2", UINT, 0, 4, BOTH, NOWHERE, EU)                                                                 \
    ROW(Q_BLOCK2, "Q-Block2", UINT, 0, 3, BOTH, REQUEST, EU) /* RFC 9177 §4.4: asks for several blocks again */       \
    ROW(PROXY_URI, "Proxy-Uri", STRING, 1, 1034, REQUEST, NOWHERE, U)                                                  \
    ROW(PROXY_SCHEME, "Proxy-Scheme", STRING, 1, 255, REQUEST, NOWHERE, U)                                             \
    ROW(SIZE1, "Size1", UINT, 0, 4, BOTH, NOWHERE, EU)                                                                 \
    ROW(ECHO, "Echo", OPAQUE, 1, 40, BOTH, NOWHERE, EU)                                                                \
    ROW(NO_RESPONSE, "No-Response", UINT, 0, 1, REQUEST, NOWHERE, EU)                                                  \
    ROW(REQUEST_TAG, "Request-Tag", OPAQUE, 0, 8, REQUEST, REQUEST, EU)

#define PLACE(id, ...) AT_##id,
enum place { OPTIONS(PLACE) PLACES };

#define ROW(id, name, format, min, max, where, repeatable, class)                                                      \
    [AT_##id] = {CPS_OPT_##id, name, CPS_OPT_FORMAT_##format, min, max, where, repeatable, CPS_OPT_CLASS_##class},
static const cps_opt_row_t rows[PLACES] = {OPTIONS(ROW)};

/* The place plus one of each number; zero where there is no row. */
#define INDEX(id, ...) [CPS_OPT_##id] = AT_##id + 1,
static const uint8_t places[CPS_OPT_REQUEST_TAG + 1] = {OPTIONS(INDEX)};

_Static_assert(PLACES <= 64, "a set has one bit a row");

static inline unsigned place_after(uint16_t number)
{
    return number < sizeof places / sizeof places[0] ? places[number] : 0;
}

const cps_opt_row_t *cps_opttab_find(uint16_t number)
{
    unsigned place = place_after(number);
    return place == 0 ? NULL : &rows[place - 1];
}

const cps_opt_row_t *cps_opttab_at(size_t place) { return place < PLACES ? &rows[place] : NULL; }

cps_opt_class_t cps_opttab_class(uint16_t number)
{
    const cps_opt_row_t *row = cps_opttab_find(number);
    return row == NULL ? CPS_OPT_CLASS_E : (cps_opt_class_t)row->oscore; /* RFC 8613 §4.1 */
}

cps_opt_set_t cps_opt_set_of(const uint16_t *numbers, size_t count)
{
    cps_opt_set_t set = {0};
    for (size_t i = 0; i < count; i++) {
        unsigned place = place_after(numbers[i]);
        if (place != 0)
            set.bits |= UINT64_C(1) << (place - 1);
    }
    return set;
}

bool cps_opt_set_has(cps_opt_set_t set, uint16_t number)
{
    unsigned place = place_after(number);
    return place != 0 && (set.bits >> (place - 1) & 1U) != 0;
}

static inline unsigned where_of(uint8_t code)
{
    if (cps_code_is_request(code))
        return CPS_OPT_IN_REQUEST;
    return cps_code_is_response(code) ? CPS_OPT_IN_RESPONSE : NOWHERE;
}

/* Whether one option may stand in a message: defined there (§5.4), of legal length (§5.4.3), no extra copy (§5.4.5). */
static inline bool is_regular(const cps_opt_row_t *row, unsigned where, size_t len, unsigned nth)
{
    return (row->where & where) != 0 && len >= row->min_len && len <= row->max_len &&
           (nth == 0 || (row->repeatable & where) != 0);
}

static inline cps_opt_verdict_t judge(cps_opt_set_t handled, unsigned where, const cps_option_t *option, unsigned nth)
{
    unsigned place = place_after(option->number);
    if (place != 0 && (handled.bits >> (place - 1) & 1U) != 0 &&
        is_regular(&rows[place - 1], where, option->value.len, nth))
        return CPS_OPT_TAKE;
    return cps_opt_is_critical(option->number) ? CPS_OPT_REFUSE : CPS_OPT_IGNORE; /* §5.4.1 */
}

cps_opt_verdict_t cps_opt_judge(cps_opt_set_t handled, uint8_t code, const cps_option_t *option, unsigned nth)
{
    return judge(handled, where_of(code), option, nth);
}

cps_err_t cps_opt_check(cps_opt_set_t handled, uint8_t code, cps_bytes_t options, uint16_t *bad)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    unsigned where = where_of(code);
    uint32_t last = UINT32_MAX;
    unsigned nth = 0;
    for (cps_option_t option; cps_opt_next(&walk, &option); last = option.number) {
        nth = option.number == last ? nth + 1 : 0; /* copies stand side by side: numbers never fall */
        if (judge(handled, where, &option, nth) == CPS_OPT_REFUSE) {
            *bad = option.number;
            return CPS_ERR_BAD_OPTION;
        }
    }
    return CPS_OK;
}

static bool is_dot_segment(const cps_option_t *option)
{
    if (option->number != CPS_OPT_URI_PATH && option->number != CPS_OPT_LOCATION_PATH)
        return false;
    return cps_bytes_equal(option->value, CPS_BYTES_LIT(".")) || cps_bytes_equal(option->value, CPS_BYTES_LIT(".."));
}

cps_err_t cps_opt_check_send(uint8_t code, const cps_option_t *list, size_t count, uint16_t *bad)
{
    cps_opt_set_t seen = {0};
    for (size_t i = 0; i < count; i++) {
        unsigned place = place_after(list[i].number);
        if (place == 0)
            continue;
        uint64_t bit = UINT64_C(1) << (place - 1);
        unsigned nth = (seen.bits & bit) != 0;
        seen.bits |= bit;
        if (is_dot_segment(&list[i]) || !is_regular(&rows[place - 1], where_of(code), list[i].value.len, nth)) {
            *bad = list[i].number;
            return CPS_ERR_BAD_OPTION;
        }
    }
    return CPS_OK;
}

bool cps_msg_option(const cps_msg_t *msg, uint16_t number, cps_bytes_t *value)
{
    const cps_opt_row_t *row = cps_opttab_find(number);
    unsigned where = where_of(msg->code);
    cps_opt_walk_t walk = cps_opt_walk(msg->options);
    unsigned nth = 0;
    if (row == NULL)
        return false;
    for (cps_option_t option; cps_opt_next(&walk, &option) && option.number <= number;) {
        if (option.number != number)
            continue;
        if (is_regular(row, where, option.value.len, nth++)) {
            *value = option.value;
            return true;
        }
    }
    return false;
}

bool cps_msg_option_uint(const cps_msg_t *msg, uint16_t number, uint32_t *value)
{
    cps_bytes_t bytes;
    return cps_msg_option(msg, number, &bytes) && cps_opt_uint(bytes, value) == CPS_OK;
}

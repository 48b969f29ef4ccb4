// SPDX-License-Identifier: Apache-2.0
/* A datagram: what is accepted is written back the same, and every consumer of its options copes with them.
 *
 * covers: src/wire/msg.c src/wire/opt.c src/wire/opttab.c */
#include "fuzz.h"

#include "wire/uri.h"

static uint8_t scratch[1U << 20U];

static cps_opt_set_t everything(void)
{
    uint16_t numbers[64];
    size_t count = 0;
    for (const cps_opt_row_t *row; (row = cps_opttab_at(count)) != NULL;)
        numbers[count++] = row->number;
    return cps_opt_set_of(numbers, count);
}

/* Whatever a checked message hands out is legal. */
static void check_options(const cps_msg_t *msg)
{
    uint16_t bad = 0;
    cps_err_t err = cps_opt_check(everything(), msg->code, msg->options, &bad);
    demand(err == CPS_OK || (err == CPS_ERR_BAD_OPTION && cps_opt_is_critical(bad)));
    const cps_opt_row_t *row;
    for (size_t i = 0; (row = cps_opttab_at(i)) != NULL; i++) {
        cps_bytes_t value;
        uint32_t number;
        bool is_there = cps_msg_option(msg, row->number, &value);
        demand(!is_there || (value.len >= row->min_len && value.len <= row->max_len));
        demand(!is_there || cps_opt_count(msg->options, row->number) > 0);
        if (is_there && row->format == CPS_OPT_FORMAT_UINT)
            demand(cps_msg_option_uint(msg, row->number, &number));
    }
}

static void join(const cps_msg_t *msg)
{
    cps_uri_base_t base = {.scheme = CPS_SCHEME_COAP, .addr = {.family = CPS_FAMILY_IPV4, .port = 5683}};
    cps_writer_t w = cps_writer(scratch, sizeof scratch);
    cps_uri_t uri;
    if (cps_uri_join(msg->options, &base, &w) == CPS_OK)
        demand(cps_uri_parse(cps_written(&w), &uri, NULL) == CPS_OK);
    w = cps_writer(scratch, sizeof scratch);
    if (cps_uri_join_location(msg->options, &w) == CPS_OK)
        demand(scratch[0] == '/' && (cps_written(&w).len == 1 || scratch[1] != '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_msg_t msg;
    if (cps_msg_parse(cps_bytes(data, size), &msg) != CPS_OK)
        return 0;
    cps_writer_t w = cps_writer(scratch, sizeof scratch);
    cps_msg_write(&w, &msg);
    demand(cps_bytes_equal(cps_written(&w), cps_bytes(data, size)) && cps_msg_len(&msg) == size);
    check_options(&msg);
    join(&msg);
    return 0;
}

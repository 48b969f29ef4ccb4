// SPDX-License-Identifier: Apache-2.0
/* Options and payload: a list in any order is written in the one order that the parser takes.
 *
 * covers: src/wire/opt.c src/wire/opttab.c */
#include "fuzz.h"

#include "wire/opttab.h"

#define LIST_MAX 64U

static uint8_t scratch[1U << 20U];

static size_t read_list(cps_bytes_t options, cps_option_t *list)
{
    cps_opt_walk_t walk = cps_opt_walk(options);
    size_t count = 0;
    for (cps_option_t option; cps_opt_next(&walk, &option); count++)
        if (count < LIST_MAX)
            list[count] = option;
    demand(!walk.r.failed); /* what was split walks to its end */
    return count;
}

static cps_bytes_t write_list(cps_option_t *list, size_t count)
{
    cps_writer_t w = cps_writer(scratch, sizeof scratch);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    cps_opt_put_list(&ow, list, count);
    demand(!w.failed);
    return cps_written(&w);
}

/* A list that may be sent is taken by who handles all of its options. */
static void check(cps_bytes_t options, const cps_option_t *list, size_t count, uint8_t code)
{
    uint16_t numbers[LIST_MAX];
    uint16_t bad;
    bool known = true;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = list[i].number;
        known = known && cps_opttab_find(numbers[i]) != NULL;
    }
    if (known && cps_opt_check_send(code, list, count, &bad) == CPS_OK)
        demand(cps_opt_check(cps_opt_set_of(numbers, count), code, options, &bad) == CPS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_bytes_t options;
    cps_bytes_t payload;
    cps_option_t list[LIST_MAX];
    if (cps_opt_split(cps_bytes(data, size), &options, &payload) != CPS_OK)
        return 0;
    demand(options.len + payload.len + (payload.len > 0) == size);
    size_t count = read_list(options, list);
    if (count > LIST_MAX)
        return 0;
    demand(cps_bytes_equal(write_list(list, count), options));
    check(options, list, count, CPS_PUT);
    check(options, list, count, CPS_CONTENT);
    for (size_t i = 0; i < count / 2; i++) { /* turned round it is sorted again, with equal numbers turned round */
        cps_option_t first = list[i];
        list[i] = list[count - 1 - i];
        list[count - 1 - i] = first;
    }
    cps_bytes_t turned = write_list(list, count);
    demand(turned.len == options.len && read_list(turned, list) == count);
    return 0;
}

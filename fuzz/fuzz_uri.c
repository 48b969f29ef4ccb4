// SPDX-License-Identifier: Apache-2.0
/* A line with a pattern and a line with a URI: options of a URI join to one that has the same options.
 *
 * covers: src/wire/uri_parse.c src/wire/uri_options.c src/wire/uri_join.c src/wire/uri_ip.c src/wire/uri_text.c */
#include "fuzz.h"

#include "wire/uri.h"

#define LIST_MAX 64U

static uint8_t stores[2][1U << 16U];
static uint8_t encoded[1U << 16U];
static uint8_t text[1U << 20U];

static cps_err_t split(const cps_uri_t *uri, unsigned side, cps_option_t *list, size_t *count)
{
    cps_writer_t w = cps_writer(stores[side], sizeof stores[side]);
    *count = 0;
    cps_uri_parts_t parts = {.destination_port = 1, .host = true, .port = true};
    return cps_uri_to_options(uri, parts, &w, list, LIST_MAX, count);
}

static void round_trip(const cps_uri_t *uri)
{
    cps_option_t lists[2][LIST_MAX];
    size_t counts[2];
    cps_uri_t again;
    if (split(uri, 0, lists[0], &counts[0]) != CPS_OK)
        return;
    cps_writer_t w = cps_writer(encoded, sizeof encoded);
    cps_opt_writer_t ow = cps_opt_writer(&w);
    for (size_t i = 0; i < counts[0]; i++) /* they stand in order as they are */
        cps_opt_put(&ow, lists[0][i].number, lists[0][i].value);
    cps_writer_t out = cps_writer(text, sizeof text);
    cps_uri_base_t base = {.scheme = uri->scheme};
    demand(!w.failed && cps_uri_join(cps_written(&w), &base, &out) == CPS_OK);
    demand(cps_uri_parse(cps_written(&out), &again, NULL) == CPS_OK);
    demand(again.scheme == uri->scheme && again.port == uri->port && strcmp(again.host, uri->host) == 0);
    demand(split(&again, 1, lists[1], &counts[1]) == CPS_OK && counts[0] == counts[1]);
    for (size_t i = 0; i < counts[0]; i++) {
        demand(lists[0][i].number == lists[1][i].number);
        demand(cps_bytes_equal(lists[0][i].value, lists[1][i].value));
    }
}

static void address(cps_bytes_t bytes)
{
    cps_addr_t addr = {0};
    cps_addr_t back = {0};
    char written[64];
    if (!cps_ip_parse(bytes, addr.ip, &addr.family))
        return;
    cps_writer_t w = cps_writer(written, sizeof written);
    cps_uri_write_addr(&w, &addr);
    demand(!w.failed);
    size_t brackets = addr.family == CPS_FAMILY_IPV6;
    cps_bytes_t inside = cps_bytes(written + brackets, cps_written(&w).len - 2 * brackets);
    demand(cps_ip_parse(inside, back.ip, &back.family) && memcmp(&addr, &back, sizeof addr) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_bytes_t rest = cps_bytes(data, size);
    cps_bytes_t pattern = fuzz_cut(&rest, '\n');
    const char *reason = NULL;
    unsigned specificity = 0;
    cps_uri_t uri;
    address(pattern);
    bool is_pattern = cps_uri_pattern_check(pattern, &reason) == CPS_OK;
    demand(is_pattern == (reason == NULL));
    if (cps_uri_parse(rest, &uri, NULL) != CPS_OK)
        return 0;
    bool matches = cps_uri_match(pattern, &uri, &specificity);
    demand(!matches || (is_pattern && specificity != 0));
    round_trip(&uri);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* A filter, a zero byte and a document: what the writer takes of the document is read back the same.
 *
 * covers: src/wire/link_match.c src/wire/link_read.c src/wire/link_write.c */
#include "fuzz.h"

#include "wire/link.h"

#define NAME_MAX_LEN 64U

static uint8_t scratch[1U << 18U];
static uint8_t value[1U << 16U];
static uint8_t back[1U << 16U];

/* An attribute's value without its escapes. */
static cps_bytes_t unescaped(const cps_link_attr_t *attr, uint8_t *buf, size_t len)
{
    cps_writer_t w = cps_writer(buf, len);
    if (!attr->quoted)
        return attr->value;
    demand(cps_link_unescape(attr->value, &w) == CPS_OK);
    return cps_written(&w);
}

/* Write one attribute on a link of its own, and read it. */
static void round_trip(const cps_link_t *link, const cps_link_attr_t *attr)
{
    char name[NAME_MAX_LEN + 1] = "";
    cps_link_t again;
    cps_link_attr_t read;
    cps_err_t err;
    if (attr->name.len > NAME_MAX_LEN || attr->value.len > sizeof value)
        return;
    memcpy(name, attr->name.ptr, attr->name.len);
    cps_bytes_t wanted = unescaped(attr, value, sizeof value);
    cps_writer_t w = cps_writer(scratch, sizeof scratch);
    cps_link_writer_t lw = cps_link_writer(&w);
    cps_link_begin(&lw, link->target);
    if (attr->has_value)
        cps_link_attr(&lw, name, wanted);
    else
        cps_link_flag(&lw, name);
    if (cps_link_writer_err(&lw) != CPS_OK)
        return;
    cps_bytes_t rest = cps_written(&w);
    demand(cps_link_next(&rest, &again, &err) && rest.len == 0);
    demand(cps_bytes_equal(again.target, link->target) && cps_link_get(&again, name, &read));
    demand(cps_bytes_equal(read.name, attr->name));
    if (read.has_value)
        demand(cps_bytes_equal(unescaped(&read, back, sizeof back), wanted));
}

static void check_link(const cps_link_t *link, cps_bytes_t filter)
{
    cps_bytes_t rest = link->attributes;
    cps_link_attr_t attr;
    cps_err_t err;
    while (cps_link_attr_next(&rest, &attr, &err))
        round_trip(link, &attr);
    demand(err == CPS_OK && rest.len == 0); /* a link that was read is whole */
    (void)cps_link_matches(link, filter);
    demand(cps_link_matches(link, cps_bytes_str("href=*")));
    (void)cps_link_context(link);
    uint16_t format;
    if (cps_link_get(link, "ct", &attr))
        while (cps_link_ct_next(&attr.value, &format)) {
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_bytes_t rest = cps_bytes(data, size);
    cps_bytes_t filter = fuzz_cut(&rest, 0);
    cps_link_t link;
    cps_err_t err;
    while (cps_link_next(&rest, &link, &err))
        check_link(&link, filter);
    return 0;
}

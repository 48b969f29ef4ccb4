// SPDX-License-Identifier: Apache-2.0
#include "sim/relay_record.h"

#include "sim/addr.h"
#include "sim/rule_text.h"

static void put_oscore(cps_json_t *j, const cps_oscopt_t *o)
{
    if (o->partial_iv.len != 0)
        cps_json_hex(j, "partial_iv", o->partial_iv);
    if (o->has_kid_context)
        cps_json_hex(j, "kid_context", o->kid_context);
    if (o->has_kid)
        cps_json_hex(j, "kid", o->kid);
}

static void put_coap(cps_json_t *j, const cps_look_t *look)
{
    char code[8];
    snprintf(code, sizeof code, "%u.%02u", cps_code_class(look->msg.code), cps_code_detail(look->msg.code));
    cps_json_str(j, "type", cps_rule_text_type_name(look->msg.type));
    cps_json_str(j, "code", code);
    cps_json_num(j, "mid", look->msg.mid);
    cps_json_hex(j, "token", look->msg.token);
    cps_json_bool(j, "oscore", look->oscore);
    if (look->oscore)
        put_oscore(j, &look->oscopt);
}

void cps_relay_put_record(cps_json_t *j, const cps_relay_t *relay, const cps_record_t *record, bool whole)
{
    char addr[CPS_SIMADDR_TEXT_MAX];
    cps_look_t look;
    cps_look_at(record->parcel.bytes, &look);
    cps_json_num(j, "index", record->index);
    cps_json_num(j, "time_us", record->time_us + relay->wall_us);
    cps_json_num(j, "leg", record->parcel.leg);
    cps_json_str(j, "dir", record->parcel.dir == CPS_FOE_UP ? "up" : "down");
    cps_json_str(j, "from", cps_simaddr_text(&record->parcel.from, addr));
    cps_json_str(j, "to", cps_simaddr_text(&record->parcel.to, addr));
    cps_json_num(j, "length", record->parcel.bytes.len);
    cps_json_str(j, "fate", cps_foe_fate_name((cps_foe_fate_t)record->note));
    cps_json_bool(j, "coap", look.coap);
    if (look.coap)
        put_coap(j, &look);
    if (whole)
        cps_json_hex(j, "bytes", record->parcel.bytes);
}

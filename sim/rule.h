// SPDX-License-Identifier: Apache-2.0
/* What the foe does to which datagrams: a rule joins a matcher and an action. A rule is plain memory that can be
 * copied; the bytes that it names stand in its own blob. */
#ifndef CPS_SIM_RULE_H
#define CPS_SIM_RULE_H

#include "sim/look.h"
#include "sim/parcel.h"

#define CPS_FOE_LABEL_MAX    32U   /* with the final zero */
#define CPS_FOE_BLOB_MAX     2048U /* bytes that one rule can name */
#define CPS_FOE_EDITS_MAX    8U
#define CPS_FOE_MATCH_ANYPOS INT32_MIN

/** A piece of the blob of a rule. */
typedef struct cps_slice {
    uint16_t at;
    uint16_t len;
} cps_slice_t;

/** Which fields of a matcher count; all of them have to fit. */
typedef enum cps_foe_field {
    CPS_FOE_DIR,        /**< `dir` */
    CPS_FOE_LEG,        /**< `leg` */
    CPS_FOE_FROM,       /**< `from`: without address or port any of them */
    CPS_FOE_TO,         /**< `to` */
    CPS_FOE_TYPE,       /**< `type`; this and what follows fit only well-formed CoAP */
    CPS_FOE_CODE,       /**< `code` */
    CPS_FOE_MID,        /**< `mid` */
    CPS_FOE_TOKEN,      /**< `token`, may be empty */
    CPS_FOE_OSCORE,     /**< `oscore`: whether there is an OSCORE option */
    CPS_FOE_KID,        /**< `kid`, may be empty but has to be there */
    CPS_FOE_PARTIAL_IV, /**< `partial_iv` as it stands in the option */
    CPS_FOE_SIZE,       /**< `size_min` to `size_max` bytes of UDP payload; also for what is not CoAP */
    CPS_FOE_PATTERN,    /**< `pattern` at `pattern_at`; the same */
    CPS_FOE_FIELD_COUNT
} cps_foe_field_t;

typedef struct cps_foe_match {
    uint32_t fields; /**< bits 1 << cps_foe_field_t */
    uint32_t skip;   /**< leave so many matching datagrams alone first */
    uint32_t times;  /**< then act on so many; 0: on all */
    cps_addr_t from;
    cps_addr_t to;
    uint16_t leg;
    uint16_t mid;
    uint8_t dir;  /**< cps_foe_dir_t */
    uint8_t type; /**< cps_type_t */
    uint8_t code;
    bool oscore;
    cps_slice_t token;
    cps_slice_t kid;
    cps_slice_t partial_iv;
    cps_slice_t pattern;
    int32_t pattern_at; /**< offset, from the end where negative; CPS_FOE_MATCH_ANYPOS: anywhere */
    uint32_t size_min;
    uint32_t size_max;
} cps_foe_match_t;

/**
 * What a rule does. The first rule that fits and passes, drops or holds decides, and later rules are not asked; the
 * other actions are done besides, in the order of the rules. Where none decides, the datagram passes.
 */
typedef enum cps_foe_action {
    CPS_FOE_PASS,
    CPS_FOE_DROP,
    CPS_FOE_HOLD,      /**< put aside as `label` */
    CPS_FOE_DELAY,     /**< pass `delay_us` later */
    CPS_FOE_DUPLICATE, /**< `copies` more, each `delay_us` after the one before */
    CPS_FOE_MODIFY,    /**< `edits` */
    CPS_FOE_RELEASE,   /**< what is held as `label`, `delay_us` from now; behind the datagram that fits */
    CPS_FOE_REPLAY,    /**< record `index`, or this datagram where 0, as recorded; from `from` where it has a family */
    CPS_FOE_INJECT,    /**< `bytes` from `from` to `to` */
    CPS_FOE_ACTION_COUNT
} cps_foe_action_t;

/** One change to a datagram. An edit that does not fit the datagram leaves it as it is. */
typedef enum cps_foe_edit_kind {
    CPS_FOE_EDIT_XOR,      /**< `bytes` at `at` */
    CPS_FOE_EDIT_PUT,      /**< `bytes` over what stands at `at` */
    CPS_FOE_EDIT_TRUNCATE, /**< to `at` bytes; a negative number cuts so many off the end */
    CPS_FOE_EDIT_APPEND,   /**< `bytes` */
    CPS_FOE_EDIT_TYPE,     /**< `number` */
    CPS_FOE_EDIT_CODE,     /**< `number` */
    CPS_FOE_EDIT_MID,      /**< `number` */
    CPS_FOE_EDIT_TOKEN,    /**< `bytes` */
    CPS_FOE_EDIT_OPTION,   /**< option `number` once, with `bytes`, in the place of all copies */
    CPS_FOE_EDIT_STRIP,    /**< all copies of option `number` */
    CPS_FOE_EDIT_PAYLOAD,  /**< `bytes` in the place of the payload */
    CPS_FOE_EDIT_COUNT
} cps_foe_edit_kind_t;

typedef struct cps_foe_edit {
    uint8_t kind; /**< cps_foe_edit_kind_t */
    uint16_t number;
    int32_t at; /**< offset, from the end where negative */
    cps_slice_t bytes;
} cps_foe_edit_t;

typedef struct cps_foe_rule {
    cps_foe_match_t match;
    uint8_t action; /**< cps_foe_action_t */
    bool other;     /**< replay and inject: `from` is for the driver to fill in with an address of its own */
    uint16_t leg;   /**< inject */
    uint8_t dir;    /**< inject: cps_foe_dir_t */
    char label[CPS_FOE_LABEL_MAX];
    uint64_t delay_us;
    uint64_t index;
    uint32_t copies;
    cps_addr_t from;
    cps_addr_t to;
    cps_slice_t bytes;
    uint32_t edit_count;
    cps_foe_edit_t edits[CPS_FOE_EDITS_MAX];
    uint16_t blob_used;
    uint8_t blob[CPS_FOE_BLOB_MAX];
} cps_foe_rule_t;

/** Put bytes into the blob of a rule. CPS_ERR_NO_SPACE. */
CPS_MUST_USE cps_err_t cps_foe_rule_keep(cps_foe_rule_t *rule, cps_bytes_t bytes, cps_slice_t *out);

/** The bytes of a slice; live as long as the rule. */
static inline cps_bytes_t cps_foe_rule_bytes(const cps_foe_rule_t *rule, cps_slice_t slice)
{
    return cps_bytes(rule->blob + slice.at, slice.len);
}

/** Whether the matcher of a rule fits a datagram, `skip` and `times` aside. `look` is of the same datagram. */
bool cps_foe_rule_fits(const cps_foe_rule_t *rule, const cps_parcel_t *parcel, const cps_look_t *look);

/** A datagram under edit: `len` bytes of a buffer that holds `cap`. */
typedef struct cps_foe_draft {
    uint8_t *bytes;
    uint8_t *spare; /**< as large; its content is lost */
    size_t len;
    size_t cap;
} cps_foe_draft_t;

/** Do one edit of a rule; false where it does not fit, with the draft as it was. */
bool cps_foe_edit_apply(const cps_foe_rule_t *rule, const cps_foe_edit_t *edit, cps_foe_draft_t *draft);

#endif /* CPS_SIM_RULE_H */

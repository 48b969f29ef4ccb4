// SPDX-License-Identifier: Apache-2.0
/* The table of errors: one row an error, in the order of cps_err_t (checked by tests/unit/test_base.c). */
#include <coapsule/error.h>

typedef struct errrow {
    const char *name;
    const char *text;
    uint8_t exit;
    uint8_t reaction;
    uint8_t code;
    const char *diagnostic;
} errrow_t;

#define LOCAL(name, lower, exit, text)                   [CPS_ERR_##name] = {lower, text, exit, CPS_REACT_NONE, 0, NULL}
#define PEER(name, lower, exit, text, react, code, diag) [CPS_ERR_##name] = {lower, text, exit, react, code, diag}

static const errrow_t rows[CPS_ERR_COUNT] = {
    [CPS_OK] = {"ok", "done", 0, CPS_REACT_NONE, 0, NULL},
    LOCAL(ARGUMENT, "argument", 2, "a call was made with an argument that it does not take"),
    LOCAL(MEMORY, "memory", 3, "the system has no memory left"),
    PEER(NO_SPACE, "no_space", 3, "the buffer is too small", CPS_REACT_CODE, CPS_REQUEST_ENTITY_TOO_LARGE, NULL),
    PEER(FULL, "full", 3, "a limit of the configuration is reached", CPS_REACT_CODE, CPS_SERVICE_UNAVAILABLE, NULL),
    PEER(BUSY, "busy", 3, "the queue is full: try again later", CPS_REACT_CODE, CPS_SERVICE_UNAVAILABLE, NULL),
    LOCAL(WAIT, "wait", 3, "waiting for the store"),
    LOCAL(NOT_FOUND, "not_found", 2, "there is no such thing"),
    LOCAL(EXISTS, "exists", 2, "it exists already"),
    LOCAL(STALE, "stale", 2, "what the handle named is over"),
    LOCAL(CANCELED, "canceled", 3, "ended by the caller"),
    LOCAL(UNSUPPORTED, "unsupported", 2, "this build does not offer that"),
    LOCAL(CALLED_INSIDE, "called_inside", 2, "a blocking call cannot be made inside a handler"),
    LOCAL(CONFIG, "config", 2, "the configuration is wrong"),
    LOCAL(WEAK_SECRET, "weak_secret", 2, "the Master Secret has fewer than 16 bytes; --weak takes it all the same"),
    LOCAL(EXPOSED_SECRET, "exposed_secret", 2, "a file with secrets can be read by others; chmod 600 closes it"),
    LOCAL(UNKNOWN_NUMBER, "unknown_number", 2,
          "the next sequence number of this key cannot be known; say --unused if it never sent, or --next-sequence N"),
    LOCAL(BAD_URI, "bad_uri", 2, "not an absolute coap URI"),
    LOCAL(BAD_ID, "bad_id", 2, "Sender ID and Recipient ID are equal, or one is too long for the algorithm"),
    LOCAL(TOO_MANY, "too_many", 2, "four contexts share this Recipient ID and ID Context already"),
    PEER(FORMAT, "format", 3, "message format error", CPS_REACT_RESET, 0, NULL),
    PEER(VERSION, "version", 3, "unknown CoAP version", CPS_REACT_DROP, 0, NULL),
    PEER(BAD_OPTION, "bad_option", 3, "a critical option is not understood", CPS_REACT_CODE, CPS_BAD_OPTION, NULL),
    PEER(CBOR, "cbor", 3, "not the CBOR that is expected", CPS_REACT_CODE, CPS_BAD_REQUEST, NULL),
    PEER(OSCORE_DECODE, "oscore_decode", 7, "the OSCORE option is malformed", CPS_REACT_CODE, CPS_BAD_OPTION,
         "Failed to decode COSE"),
    PEER(NO_CONTEXT, "no_context", 7, "no security context fits this message", CPS_REACT_CODE, CPS_UNAUTHORIZED,
         "Security context not found"),
    PEER(REPLAY, "replay", 7, "the message was accepted before, or is too old to tell", CPS_REACT_CODE,
         CPS_UNAUTHORIZED, "Replay detected"),
    PEER(DECRYPT, "decrypt", 7, "the message does not verify: altered, or another key", CPS_REACT_CODE, CPS_BAD_REQUEST,
         "Decryption failed"),
    PEER(WINDOW_UNKNOWN, "window_unknown", 7, "the replay window was lost; Echo has to recover it", CPS_REACT_CODE,
         CPS_UNAUTHORIZED, NULL),
    PEER(NOT_FRESH, "not_fresh", 7, "the request is not proven fresh", CPS_REACT_CODE, CPS_UNAUTHORIZED, NULL),
    LOCAL(SEQ_EXHAUSTED, "seq_exhausted", 8, "the key has used all its sequence numbers; make a new one"),
    LOCAL(ALGORITHM, "algorithm", 2, "algorithm not supported"),
    PEER(CRYPTO, "crypto", 3, "the cryptographic library failed", CPS_REACT_CODE, CPS_INTERNAL_SERVER_ERROR, NULL),
    PEER(UNPROTECTED, "unprotected", 7, "unprotected where only sealed messages are taken", CPS_REACT_CODE,
         CPS_UNAUTHORIZED, NULL),
    LOCAL(STATE_LOST, "state_lost", 8,
          "the sequence state of this key is not in this store, so it does not send; "
          "use key rekey, key import --next-sequence N, or key new"),
    LOCAL(IN_USE, "in_use", 8, "the context is in use by another process"),
    LOCAL(RETIRED, "retired", 8, "this key was exported; this copy does not send any more"),
    LOCAL(STORE, "store", 3, "the store cannot promise durability, so nothing is sent"),
    LOCAL(STORE_FULL, "store_full", 3, "no space left for the store, so nothing is sent until there is"),
    LOCAL(STORE_FORMAT, "store_format", 3, "the store was written by a newer version and is left as it is"),
    LOCAL(STORE_CORRUPT, "store_corrupt", 3, "the store is damaged"),
    LOCAL(IO, "io", 3, "a file or socket operation failed"),
    LOCAL(ADDRESS_IN_USE, "address_in_use", 3, "the address is in use by another program"),
    LOCAL(RESOLVE, "resolve", 3, "the name could not be resolved"),
    LOCAL(UNREACHABLE, "unreachable", 3, "the network says that the peer cannot be reached"),
    PEER(TOO_LARGE, "too_large", 3, "it does not fit one message", CPS_REACT_CODE, CPS_REQUEST_ENTITY_TOO_LARGE, NULL),
    LOCAL(TIMEOUT, "timeout", 6, "no answer"),
    PEER(SILENT, "silent", 6, "the peer has not answered lately, and RFC 7252 lets it be asked again only later",
         CPS_REACT_CODE, CPS_GATEWAY_TIMEOUT, NULL),
    LOCAL(RESET, "reset", 6, "the peer rejected the message"),
    LOCAL(OUTCOME_UNKNOWN, "outcome_unknown", 6, "no genuine answer: the request may or may not have been carried out"),
    LOCAL(BODY_CHANGED, "body_changed", 6,
          "the body changed while it was carried, or its blocks do not fit together; no part of it counts"),
    LOCAL(SECURITY, "security", 7, "could not be sealed, opened or proven fresh; nothing was delivered"),
    PEER(FORBIDDEN, "forbidden", 7, "not allowed", CPS_REACT_CODE, CPS_FORBIDDEN, NULL),
};

static const errrow_t *row_of(cps_err_t err)
{
    static const errrow_t unknown = {"unknown", "unknown error", 3, CPS_REACT_NONE, 0, NULL};
    return (unsigned)err < (unsigned)CPS_ERR_COUNT ? &rows[err] : &unknown;
}

const char *cps_err_text(cps_err_t err) { return row_of(err)->text; }

const char *cps_err_name(cps_err_t err) { return row_of(err)->name; }

int cps_err_exit(cps_err_t err) { return row_of(err)->exit; }

cps_reaction_t cps_err_reaction(cps_err_t err) { return (cps_reaction_t)row_of(err)->reaction; }

uint8_t cps_err_code(cps_err_t err) { return row_of(err)->code; }

const char *cps_err_diagnostic(cps_err_t err) { return row_of(err)->diagnostic; }

// SPDX-License-Identifier: Apache-2.0
/**
 * @file
 * The one list of errors. Zero is success; each has a name, a sentence that a person can act on, the exit code of
 * the `coapsule` command, and what a peer sees of it (src/base/err.c holds the table).
 */
#ifndef COAPSULE_ERROR_H
#define COAPSULE_ERROR_H

#include <coapsule/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What went wrong. */
typedef enum cps_err {
    CPS_OK = 0,
    /* how the library is used */
    CPS_ERR_ARGUMENT,      /**< the caller broke the contract of the call */
    CPS_ERR_MEMORY,        /**< no memory from the system */
    CPS_ERR_NO_SPACE,      /**< the buffer or arena given is too small */
    CPS_ERR_FULL,          /**< a pool is at its configured limit */
    CPS_ERR_BUSY,          /**< a bounded queue is full for now */
    CPS_ERR_WAIT,          /**< not yet: a job or lease has to come back first */
    CPS_ERR_NOT_FOUND,     /**< no such thing */
    CPS_ERR_EXISTS,        /**< there is one already */
    CPS_ERR_STALE,         /**< a handle of something that is over */
    CPS_ERR_CANCELED,      /**< ended by the caller */
    CPS_ERR_UNSUPPORTED,   /**< known, but not in this build or composition */
    CPS_ERR_CALLED_INSIDE, /**< a blocking call made inside a handler */
    /* configuration */
    CPS_ERR_CONFIG,         /**< a configuration or credential file is wrong */
    CPS_ERR_WEAK_SECRET,    /**< a Master Secret under 16 bytes without leave */
    CPS_ERR_EXPOSED_SECRET, /**< a file with secrets that others can read */
    CPS_ERR_UNKNOWN_NUMBER, /**< key material whose next sequence number cannot be known */
    CPS_ERR_BAD_URI,        /**< not an absolute coap or coaps URI */
    CPS_ERR_BAD_ID,         /**< Sender and Recipient ID equal, or one too long for the algorithm */
    CPS_ERR_TOO_MANY,       /**< a fifth context for one (kid, kid context) */
    /* what a peer sent */
    CPS_ERR_FORMAT,     /**< message format error (RFC 7252 §3) */
    CPS_ERR_VERSION,    /**< another version than 1: dropped in silence */
    CPS_ERR_BAD_OPTION, /**< unrecognised critical option, or one of illegal length */
    CPS_ERR_CBOR,       /**< not the deterministic CBOR that is expected */
    /* OSCORE (RFC 8613 §8.2) */
    CPS_ERR_OSCORE_DECODE,  /**< "Failed to decode COSE" */
    CPS_ERR_NO_CONTEXT,     /**< "Security context not found" */
    CPS_ERR_REPLAY,         /**< "Replay detected" */
    CPS_ERR_DECRYPT,        /**< "Decryption failed" */
    CPS_ERR_WINDOW_UNKNOWN, /**< replay window lost: Echo has to recover it (appendix B.1.2) */
    CPS_ERR_NOT_FRESH,      /**< the request has to prove its freshness (RFC 9175) */
    CPS_ERR_SEQ_EXHAUSTED,  /**< no sequence number left in this context */
    CPS_ERR_ALGORITHM,      /**< algorithm not supported */
    CPS_ERR_CRYPTO,         /**< the cryptographic library failed */
    CPS_ERR_UNPROTECTED,    /**< an unprotected message where a sealed one is due */
    /* key state and store */
    CPS_ERR_STATE_LOST,    /**< key material without sequence state in this store */
    CPS_ERR_IN_USE,        /**< the context belongs to another process now */
    CPS_ERR_RETIRED,       /**< this copy of the key was exported and does not send any more */
    CPS_ERR_STORE,         /**< the store cannot promise durability */
    CPS_ERR_STORE_FULL,    /**< no space left for the store */
    CPS_ERR_STORE_FORMAT,  /**< the store was written by a newer version */
    CPS_ERR_STORE_CORRUPT, /**< the store is damaged */
    /* local and network */
    CPS_ERR_IO,             /**< a file or socket operation failed */
    CPS_ERR_ADDRESS_IN_USE, /**< the port is taken */
    CPS_ERR_RESOLVE,        /**< the name has no address, or look-up did not end in time */
    CPS_ERR_UNREACHABLE,    /**< the network says that the peer cannot be reached */
    CPS_ERR_TOO_LARGE,      /**< does not fit one message */
    /* how an exchange ended */
    CPS_ERR_TIMEOUT,         /**< no answer; the request was not sealed */
    CPS_ERR_SILENT,          /**< the peer did not answer lately: it may not be asked again so soon */
    CPS_ERR_RESET,           /**< the peer rejected the message with Reset */
    CPS_ERR_OUTCOME_UNKNOWN, /**< no genuine answer: the request may or may not have been carried out */
    CPS_ERR_BODY_CHANGED,    /**< the body changed while it was carried, or its blocks do not fit together */
    CPS_ERR_SECURITY,        /**< could not be sealed, opened or proven fresh: nothing was delivered */
    CPS_ERR_FORBIDDEN,       /**< the policy of the resource says no */
    CPS_ERR_COUNT            /**< the number of errors; never returned */
} cps_err_t;

/** What a peer sees of an error in what it sent. */
typedef enum cps_reaction {
    CPS_REACT_NONE,  /**< nothing: not caused by a message */
    CPS_REACT_DROP,  /**< silence */
    CPS_REACT_RESET, /**< RST to a CON, silence to anything else */
    CPS_REACT_CODE   /**< a response with cps_err_code() */
} cps_reaction_t;

/** The sentence for a person, e.g. "context in use by another process". Static text, never NULL. Any thread. */
CPS_API const char *cps_err_text(cps_err_t err);

/** The name without prefix in lower case, e.g. "outcome_unknown": stable, for logs and JSON. Any thread. */
CPS_API const char *cps_err_name(cps_err_t err);

/** The exit code of the command: 0, 2 usage, 3 local, 6 no answer, 7 security, 8 key state. Any thread. */
CPS_API int cps_err_exit(cps_err_t err);

/** What a peer sees. Any thread. */
CPS_API cps_reaction_t cps_err_reaction(cps_err_t err);

/** The response code where the reaction is CPS_REACT_CODE, else CPS_EMPTY. Any thread. */
CPS_API uint8_t cps_err_code(cps_err_t err);

/** The diagnostic text of that response (RFC 8613 §8.2 names some), or NULL for none. Any thread. */
CPS_API const char *cps_err_diagnostic(cps_err_t err);

#ifdef __cplusplus
}
#endif

#endif /* COAPSULE_ERROR_H */

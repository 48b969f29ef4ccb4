// SPDX-License-Identifier: Apache-2.0
/* key import: takes a key whose next number is known, and no other (OPS-6). A file that says that its key is fresh is
 * marked as used before the keyring takes the key, so that two imports never start at the same number (OPS-8). */
#include "cli/cmd_key_make.h"
#include "host/cred_foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX          65536U
#define CREDENTIAL_PREFIX "credential:"

/* Where the material is. */
typedef struct source {
    char path[CPS_KEYRING_PATH_MAX];
    const char *shown;           /* in sentences; NULL: the path */
    const char *folder;          /* $CREDENTIALS_DIRECTORY, or NULL */
    int fd;                      /* of what came by standard input, else -1 */
    const cps_cred_form_t *form; /* of another program, else NULL */
} source_t;

/* ---- where it is ---- */

/* Standard input goes through a file in memory, so that it is read like any other. */
static int take_input(const cps_key_ask_t *ask, source_t *source)
{
    char buf[4096];
    size_t total = 0;
    ssize_t got;
    source->fd = memfd_create("credential", MFD_CLOEXEC);
    source->shown = "standard input";
    if (source->fd < 0 || fchmod(source->fd, 0600) != 0)
        return cps_key_fail(ask, CPS_ERR_IO, "no file in memory: %s", strerror(errno));
    while ((got = read(STDIN_FILENO, buf, sizeof buf)) > 0 && (total += (size_t)got) <= FILE_MAX)
        if (write(source->fd, buf, (size_t)got) != got)
            break;
    cps_wipe(buf, sizeof buf);
    if (got < 0)
        return cps_key_fail(ask, CPS_ERR_IO, "standard input: %s", strerror(errno));
    if (got > 0)
        return cps_key_fail(ask, CPS_ERR_CONFIG, "standard input: too long for a credential");
    snprintf(source->path, sizeof source->path, "/proc/self/fd/%d", source->fd);
    return 0;
}

static int check_form(const cps_key_ask_t *ask)
{
    struct stat at;
    if (stat(ask->word, &at) == 0 && S_ISDIR(at.st_mode))
        return cps_usage(ask->command, "%s: a folder; one of aiocoap is imported as aiocoap:%s", ask->word, ask->word);
    return 0;
}

static int find_source(const cps_key_ask_t *ask, source_t *source)
{
    const char *word = ask->word;
    size_t prefix = strlen(CREDENTIAL_PREFIX);
    source->folder = getenv("CREDENTIALS_DIRECTORY");
    source->form = cps_cred_form_of(word, &word);
    if (source->form == NULL)
        word = ask->word;
    if (strcmp(word, "-") == 0 && source->form == NULL)
        return take_input(ask, source);
    if (source->form != NULL || strncmp(word, CREDENTIAL_PREFIX, prefix) != 0) {
        snprintf(source->path, sizeof source->path, "%s", word);
        return 0;
    }
    if (source->folder == NULL || source->folder[0] != '/')
        return cps_usage(ask->command,
                         "CREDENTIALS_DIRECTORY is not set: systemd sets it for a service with LoadCredential=");
    if (strchr(word + prefix, '/') != NULL || word[prefix] == '\0' || word[prefix] == '.')
        return cps_usage(ask->command, "\"%s\" is no name of a credential", word + prefix);
    snprintf(source->path, sizeof source->path, "%s/%s", source->folder, word + prefix);
    return 0;
}

/* ---- its next number ---- */

typedef struct number {
    cps_store_state_t state;
    bool by_file; /* the file says that the key is fresh, and has to be marked */
} number_t;

static int read_number(const cps_key_ask_t *ask, const cps_cred_t *cred, const char *shown, number_t *number)
{
    *number = (number_t){.state = {.window_known = true}};
    if (ask->unused && ask->next != NULL)
        return cps_usage(ask->command, "--unused and --next-sequence say two things: give one of them");
    if (ask->next != NULL) { /* what it has received is not known: Echo recovers the window (RFC 8613 B.1.2) */
        number->state.window_known = false;
        if (cps_arg_number(ask->next, CPS_STORE_NUMBER_MAX, &number->state.next))
            return 0;
        return cps_usage(ask->command, "\"%s\" is no sequence number: 0 to 2^40", ask->next);
    }
    if (ask->unused)
        return 0;
    number->by_file = (cred->fresh || cred->has_next) && !cred->used;
    if (number->by_file && cred->has_next)
        number->state = (cps_store_state_t){.next = cred->next}; /* and what the peer has sent is not known */
    if (number->by_file)
        return 0;
    if (ask->rekey) { /* never sends with what it is (2^40 is no number), only with what is derived */
        number->state = (cps_store_state_t){.next = CPS_STORE_NUMBER_MAX};
        return 0;
    }
    return cps_key_fail(
        ask, CPS_ERR_UNKNOWN_NUMBER,
        "%s: %s, so its next sequence number cannot be known; say --next-sequence N with a number above all "
        "that it has sent, --unused if it never sent anything, or --rekey to derive fresh keys with the peer",
        shown, cred->used ? "marked as used" : "not made by coapsule key new");
}

/* ---- taking it ---- */

/* The file is marked on disk before the keyring takes the key. One that cannot be marked is taken where its number was
 * said. */
static int mark(const cps_key_ask_t *ask, const source_t *source, bool needed)
{
    cps_conf_t file;
    if (source->fd >= 0 && needed)
        return cps_key_fail(ask, CPS_ERR_UNKNOWN_NUMBER,
                            "%s cannot be marked as used; say --unused if the key never sent anything, or "
                            "--next-sequence N",
                            source->shown);
    if (source->fd >= 0)
        return 0;
    cps_conf_init(&file, source->path);
    cps_err_t err = source->form != NULL ? source->form->mark_used(&file) : cps_cred_mark_used(&file);
    int status = err == CPS_OK || !needed ? 0 : cps_key_say_file(ask, &file, source->shown);
    cps_conf_fini(&file);
    return status == 0 ? 0 : cps_err_exit(CPS_ERR_UNKNOWN_NUMBER);
}

static int add(const cps_key_ask_t *ask, const source_t *source, cps_cred_t *cred, cps_store_t *store)
{
    number_t number;
    cps_store_key_t other;
    const char *shown = source->shown != NULL ? source->shown : source->path;
    int status = read_number(ask, cred, shown, &number);
    if (status != 0)
        return status;
    cps_err_t err = store->table->key_get(store, cred->key.name, &other);
    cps_wipe(&other, sizeof other);
    if (err == CPS_OK)
        return cps_key_fail(ask, CPS_ERR_EXISTS, "there is a key named %s already; choose another name with --name",
                            cred->key.name);
    if (err == CPS_ERR_NOT_FOUND && (status = mark(ask, source, number.by_file)) != 0)
        return status;
    if (err == CPS_ERR_NOT_FOUND)
        err = store->table->key_add(store, &cred->key, &number.state);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_store_detail());
    cps_key_say_added("imported", &cred->key);
    return 0;
}

static int identify(const cps_key_ask_t *ask, cps_store_key_t *key)
{
    cps_crypto_t crypto;
    cps_err_t err = cps_crypto_openssl_init(&crypto);
    if (err != CPS_OK)
        return cps_key_fail(ask, err, "%s", cps_err_text(err));
    err = cps_key_identify(&crypto, key);
    cps_crypto_openssl_fini(&crypto);
    return err == CPS_OK ? 0 : cps_key_say_material(ask, err, key);
}

static int take(const cps_key_ask_t *ask, const source_t *source, cps_cred_t *cred)
{
    cps_store_t *store = NULL;
    if (ask->name != NULL)
        snprintf(cred->key.name, sizeof cred->key.name, "%s", ask->name);
    cred->key.rekey = ask->rekey;
    if (cred->key.name[0] == '\0')
        return cps_usage(ask->command, "what is it to be called? --name NAME");
    if (ask->pattern != NULL)
        snprintf(cred->key.pattern, sizeof cred->key.pattern, "%s", ask->pattern);
    int status = cps_key_check_pattern(ask, cred->key.pattern[0] != '\0' ? cred->key.pattern : NULL);
    if (status == 0)
        status = identify(ask, &cred->key);
    if (status == 0)
        status = cps_key_open(ask, true, false, &store);
    if (status != 0)
        return status;
    if (cred->key.secret_len < 16)
        fprintf(stderr, "%s: warning: a Master Secret of %u bytes can be guessed\n", ask->command,
                cred->key.secret_len);
    status = add(ask, source, cred, store);
    store->table->close(store);
    return status;
}

int cps_key_import(const cps_key_ask_t *ask)
{
    source_t source = {.fd = -1};
    cps_conf_t file;
    cps_cred_t cred;
    int status = cps_key_check_name(ask, ask->name);
    if (status == 0)
        status = cps_key_check_pattern(ask, ask->pattern);
    if (status == 0)
        status = check_form(ask);
    if (status == 0)
        status = find_source(ask, &source);
    if (status != 0)
        return status;
    const cps_cred_options_t options = {.weak = ask->weak, .credentials_directory = source.folder};
    cps_conf_init(&file, source.path);
    cps_err_t err =
        source.form != NULL ? source.form->read(&file, &options, &cred) : cps_cred_read(&file, &options, &cred);
    status = err == CPS_OK ? take(ask, &source, &cred) : cps_key_say_file(ask, &file, source.shown);
    cps_wipe(&cred, sizeof cred);
    cps_conf_fini(&file);
    if (source.fd >= 0)
        close(source.fd);
    return status;
}

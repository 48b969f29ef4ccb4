// SPDX-License-Identifier: Apache-2.0
/* `coapsule key` and `coapsule store`: finds the subcommand and reads its options. */
#include "cli/cmd_key.h"

#include "cli/cmd.h"
#include "crypto/provider.h"
#include "wire/uri.h"

#include <stdarg.h>
#include <stddef.h>

/* An option: where in cps_key_ask_t its value or flag goes. */
typedef struct optionrow {
    cps_arg_row_t arg;
    size_t offset;
} optionrow_t;

#define AT(member) offsetof(cps_key_ask_t, member)

/* One list for all: which subcommand takes which stands in its row. */
enum option {
    OPTION_STATE,
    OPTION_PEER,
    OPTION_FOR,
    OPTION_ALGORITHM,
    OPTION_HKDF,
    OPTION_WINDOW,
    OPTION_ID_CONTEXT,
    OPTION_OUTPUT,
    OPTION_NAME,
    OPTION_UNUSED,
    OPTION_NEXT,
    OPTION_WEAK,
    OPTION_SECRET,
    OPTION_NO_REKEY,
    OPTION_REKEY,
    OPTION_AGAIN,
    OPTION_SKIP,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_COUNT
};

static const optionrow_t options[OPTION_COUNT] = {
    [OPTION_STATE] = {{0, "state", "FILE", "the keyring", false}, AT(state)},
    [OPTION_PEER] = {{0, "peer", "PEER", "what the other end is called", false}, AT(peer)},
    [OPTION_FOR] = {{0, "for", "PATTERN", "URIs it is used for, as in coap://door.local/**", false}, AT(pattern)},
    [OPTION_ALGORITHM] = {{0, "algorithm", "NAME", "AEAD (AES-CCM-16-64-128)", false}, AT(algorithm)},
    [OPTION_HKDF] = {{0, "hkdf", "HASH", "sha256 or sha512 (sha256)", false}, AT(hkdf)},
    [OPTION_WINDOW] = {{0, "window", "N", "size of the replay window, 0 to 64 (32)", false}, AT(window)},
    [OPTION_ID_CONTEXT] = {{0, "id-context", "HEX", "ID Context", false}, AT(id_context)},
    [OPTION_OUTPUT] = {{'o', "output", "FILE", "the file to write (NAME-for-PEER.cred, NAME.cred)", false}, AT(output)},
    [OPTION_NAME] = {{0, "name", "NAME", "call it so, whatever the file says", false}, AT(name)},
    [OPTION_UNUSED] = {{0, "unused", NULL, "it never sent anything anywhere: start at 0", false}, AT(unused)},
    [OPTION_NEXT] = {{0, "next-sequence", "N", "it has sent only numbers below N", false}, AT(next)},
    [OPTION_WEAK] = {{0, "weak", NULL, "take a Master Secret of fewer than 16 bytes", false}, AT(weak)},
    [OPTION_SECRET] = {{0, "secret", NULL, "show the secret too", false}, AT(secret)},
    [OPTION_NO_REKEY] = {{0, "no-rekey", NULL, "the peer cannot ask for fresh keys (RFC 8613 B.2)", false},
                         AT(no_rekey)},
    [OPTION_REKEY] = {{0, "rekey", NULL, "derive fresh keys with the first request", false}, AT(rekey)},
    [OPTION_AGAIN] = {{0, "again", NULL, "the file of an earlier export was lost before it was imported", false},
                      AT(again)},
    [OPTION_SKIP] = {{0, "skip", "N", "at most so many numbers were used under any key since the copy", false},
                     AT(skip)},
    [OPTION_JSON] = {{0, "json", NULL, "as JSON", false}, AT(json)},
    [OPTION_HELP] = {{'h', "help", NULL, NULL, false}, AT(help)},
};

#define TAKES(option) (1U << (unsigned)(option))

typedef struct subrow {
    const char *name;
    const char *word; /* what its one word is called; NULL: none */
    const char *summary;
    unsigned takes;
    int (*run)(const cps_key_ask_t *ask);
} subrow_t;

static const subrow_t subcommands[] = {
    {"new", "NAME", "make a key: ours goes into the keyring, the peer's into a file",
     TAKES(OPTION_PEER) | TAKES(OPTION_FOR) | TAKES(OPTION_ALGORITHM) | TAKES(OPTION_HKDF) | TAKES(OPTION_WINDOW) |
         TAKES(OPTION_ID_CONTEXT) | TAKES(OPTION_OUTPUT) | TAKES(OPTION_NO_REKEY),
     cps_key_new},
    {"list", NULL, "the keys of the keyring", TAKES(OPTION_JSON), cps_key_list},
    {"show", "NAME", "one key", TAKES(OPTION_SECRET), cps_key_show},
    {"import", "FILE", "take a key from a .cred file, - (standard input) or credential:NAME",
     TAKES(OPTION_NAME) | TAKES(OPTION_UNUSED) | TAKES(OPTION_NEXT) | TAKES(OPTION_REKEY) | TAKES(OPTION_WEAK) |
         TAKES(OPTION_FOR),
     cps_key_import},
    {"rekey", "NAME", "derive fresh keys from the same secret (RFC 8613 B.2) with the next request", 0, cps_key_rekey},
    {"export", "NAME", "write a key to a file for another keyring; here it is retired",
     TAKES(OPTION_OUTPUT) | TAKES(OPTION_AGAIN), cps_key_export},
    {"backup", "FILE", "copy the keyring without its numbers: what is restored has to be rekeyed", 0, cps_key_backup},
    {"restore", "FILE", "make a keyring of a backup, where there is none", TAKES(OPTION_REKEY), cps_key_restore},
    {"remove", "NAME", "forget a key; its sequence numbers are kept, so that it never starts anew", 0, cps_key_remove},
};

static const subrow_t store_commands[] = {
    {"check", NULL, "say whether a keyring is sound, and change nothing", 0, cps_store_cmd_check},
    {"adopt", NULL, "take a keyring that was moved to another disk, or restored whole, for the only one",
     TAKES(OPTION_SKIP), cps_store_cmd_adopt},
};

/* `coapsule key` or `coapsule store`. */
typedef struct group {
    const char *name;
    const subrow_t *rows;
    size_t count;
    const char *example;
} group_t;

static const group_t key_group = {"key", subcommands, sizeof subcommands / sizeof subcommands[0],
                                  "coapsule key new phone --peer door --for 'coap://door.local/**'"};
static const group_t store_group = {"store", store_commands, sizeof store_commands / sizeof store_commands[0],
                                    "coapsule store check --state /var/lib/coapsule/door.db"};

#define SUB_MAX (sizeof subcommands / sizeof subcommands[0])

static int help(const group_t *group)
{
    printf("usage: coapsule %s COMMAND ...\n\n", group->name);
    for (size_t i = 0; i < group->count; i++)
        printf("  %s %-7s %-5s %s\n", group->name, group->rows[i].name,
               group->rows[i].word != NULL ? group->rows[i].word : "", group->rows[i].summary);
    printf("\n  coapsule %s COMMAND --help    its options\n\n  %s\n", group->name, group->example);
    return 0;
}

/* The options of a subcommand, as a table of their own; `places` says which each is. */
static size_t rows_of(const subrow_t *sub, cps_arg_row_t rows[OPTION_COUNT], size_t places[OPTION_COUNT])
{
    unsigned takes = sub->takes | TAKES(OPTION_STATE) | TAKES(OPTION_HELP);
    size_t count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((takes & TAKES(i)) == 0)
            continue;
        places[count] = i;
        rows[count++] = options[i].arg;
    }
    return count;
}

static int sub_help(const char *command, const subrow_t *sub, const cps_arg_row_t *rows, size_t count)
{
    printf("usage: %s%s%s [options]\n\n%s.\n\n", command, sub->word != NULL ? " " : "",
           sub->word != NULL ? sub->word : "", sub->summary);
    cps_args_help(rows, count);
    return 0;
}

static void take(cps_key_ask_t *ask, const optionrow_t *row, const char *value)
{
    char *member = (char *)ask + row->offset;
    if (row->arg.value != NULL)
        memcpy(member, &value, sizeof value);
    else
        *(bool *)member = true;
}

static int run(const group_t *group, const subrow_t *sub, int argc, char **argv)
{
    char command[32];
    cps_arg_row_t rows[OPTION_COUNT];
    size_t places[OPTION_COUNT];
    size_t count = rows_of(sub, rows, places);
    snprintf(command, sizeof command, "coapsule %s %s", group->name, sub->name);
    cps_key_ask_t ask = {.command = command};
    cps_args_t args = cps_args_begin(command, rows, count, argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    while ((got = cps_args_next(&args, &arg)) == CPS_ARG_GOT) {
        if (arg.row != NULL)
            take(&ask, &options[places[arg.row - rows]], arg.value);
        else if (ask.word == NULL && sub->word != NULL)
            ask.word = arg.value;
        else
            return cps_usage(command, "\"%s\" is one word too many", arg.value);
    }
    if (got == CPS_ARG_WRONG)
        return CPS_EXIT_USAGE;
    if (ask.help)
        return sub_help(command, sub, rows, count);
    if (sub->word != NULL && ask.word == NULL)
        return cps_usage(command, "%s is missing", sub->word);
    return sub->run(&ask);
}

static int dispatch(const group_t *group, int argc, char **argv)
{
    char command[32];
    const char *names[SUB_MAX];
    snprintf(command, sizeof command, "coapsule %s", group->name);
    if (argc < 2)
        return cps_usage(command, "which command? %s --help lists them", command);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(group);
    for (size_t i = 0; i < group->count; i++) {
        names[i] = group->rows[i].name;
        if (strcmp(argv[1], names[i]) == 0)
            return run(group, &group->rows[i], argc - 1, argv + 1);
    }
    const char *near = cps_nearest(argv[1], names, group->count);
    if (near != NULL)
        return cps_usage(command, "there is no command \"%s\"; did you mean %s", argv[1], near);
    return cps_usage(command, "there is no command \"%s\"; %s --help lists those there are", argv[1], command);
}

int cps_cmd_key(int argc, char **argv) { return dispatch(&key_group, argc, argv); }

int cps_cmd_store(int argc, char **argv) { return dispatch(&store_group, argc, argv); }

/* ---- what the subcommands share ---- */

int cps_key_fail(const cps_key_ask_t *ask, cps_err_t err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", ask->command);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return cps_err_exit(err);
}

int cps_key_open(const cps_key_ask_t *ask, bool create, bool read_only, cps_store_t **out)
{
    char path[CPS_KEYRING_PATH_MAX];
    *out = NULL;
    int status = cps_keyring_path(ask->command, ask->state, path);
    if (status == 0 && create && ask->state == NULL)
        status = cps_keyring_make_folders(ask->command, path);
    if (status != 0)
        return status;
    cps_store_options_t how = {.path = path, .create = create, .read_only = read_only};
    cps_err_t err = cps_store_sqlite_open(out, &how);
    return err == CPS_OK ? 0 : cps_key_fail(ask, err, "%s", cps_store_detail());
}

int cps_key_check_name(const cps_key_ask_t *ask, const char *name)
{
    if (name == NULL || cps_cred_name_valid(name))
        return 0;
    return cps_usage(ask->command, "\"%s\" is no name: up to %u letters, digits, \".\", \"_\", \"-\" and \"@\"", name,
                     CPS_STORE_NAME_MAX);
}

int cps_key_check_pattern(const cps_key_ask_t *ask, const char *pattern)
{
    const char *reason = NULL;
    if (pattern == NULL)
        return 0;
    if (strlen(pattern) > CPS_STORE_PATTERN_MAX)
        return cps_usage(ask->command, "the pattern is longer than %u bytes", CPS_STORE_PATTERN_MAX);
    if (cps_uri_pattern_check(cps_bytes_str(pattern), &reason) != CPS_OK)
        return cps_usage(ask->command, "pattern \"%s\": %s", pattern, reason);
    return 0;
}

const char *cps_key_id(const cps_store_bytes_t *id, char out[2 * CPS_STORE_BYTES_MAX + 8])
{
    if (id->len == 0 || !cps_hex_encode(cps_bytes(id->data, id->len), out, 2 * CPS_STORE_BYTES_MAX + 8))
        memcpy(out, "empty", sizeof "empty");
    return out;
}

const char *cps_key_algorithm(const cps_store_key_t *key)
{
    const cps_aead_t *aead = cps_aead_find(key->aead);
    return aead != NULL ? aead->name : "unknown";
}

const char *cps_key_hash(const cps_store_key_t *key) { return key->hash == CPS_HASH_SHA512 ? "SHA-512" : "SHA-256"; }

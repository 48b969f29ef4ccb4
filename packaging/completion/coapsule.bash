# SPDX-License-Identifier: Apache-2.0
# Completion of coapsule for bash. What there is is asked of the command itself, whose help comes from the tables that it
# reads its arguments by.

# The words of a help text: commands, or with --options the options; with --files those whose value is a file.
_coapsule_words() {
    local kind=$1
    shift
    coapsule "$@" 2>/dev/null | awk -v kind="$kind" '
        /^$/ { if (seen) exit; next }
        !/^  / { next }
        kind == "commands" { word = $1 == "key" ? $2 : $1; print word; seen = 1; next }
        /^  (-.|  )[ ,]/ {
            seen = 1
            value = ""
            count = 0
            for (i = 1; i <= NF && ($i ~ /^-/ || (count && $i ~ /^[A-Z,]+$/)); i++)
                if ($i ~ /^-/) { name = $i; sub(/,$/, "", name); names[++count] = name } else value = $i
            for (i = 1; i <= count; i++)
                if (kind == "options" || (kind == "files" && value ~ /^(FILE|KEYRING)$/) ||
                    (kind == "values" && value != "" && value !~ /^(FILE|KEYRING)$/))
                    print names[i]
        }'
}

_coapsule() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local -a command=("${COMP_WORDS[1]}")
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "$(_coapsule_words commands --help) help --help --version" -- "$cur"))
        return
    fi
    if [ "${command[0]}" = help ]; then
        COMPREPLY=($(compgen -W "$(_coapsule_words commands --help) events" -- "$cur"))
        return
    fi
    if [ "${command[0]}" = key ]; then
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W "$(_coapsule_words commands key --help) --help" -- "$cur"))
            return
        fi
        command+=("${COMP_WORDS[2]}")
    fi
    case $prev in
    -*)
        if _coapsule_words values "${command[@]}" --help | grep -qxe "$prev"; then
            return
        fi
        if _coapsule_words files "${command[@]}" --help | grep -qxe "$prev"; then
            COMPREPLY=($(compgen -f -- "$cur"))
            return
        fi
        ;;
    esac
    case $cur in
    -*) COMPREPLY=($(compgen -W "$(_coapsule_words options "${command[@]}" --help)" -- "$cur")) ;;
    *)
        case ${command[*]} in
        serve | proxy | doctor | "key import") COMPREPLY=($(compgen -f -- "$cur")) ;;
        key\ *) COMPREPLY=($(compgen -W "$(coapsule key list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$cur")) ;;
        esac
        ;;
    esac
}
complete -o filenames -F _coapsule coapsule

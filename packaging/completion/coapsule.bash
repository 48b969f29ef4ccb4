# SPDX-License-Identifier: Apache-2.0
# Completion of coapsule for bash. Generated from the tables of the command: tools/generate --write
_coapsule() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local options='' files='' values=''
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W 'get put post delete fetch patch ipatch discover ping key serve proxy doctor help --help --version' -- "$cur"))
        return
    fi
    if [ "$command" = help ]; then
        COMPREPLY=($(compgen -W 'get put post delete fetch patch ipatch discover ping key serve proxy doctor events' -- "$cur"))
        return
    fi
    if [ "$command" = key ]; then
        if [ "$COMP_CWORD" = 2 ]; then
            COMPREPLY=($(compgen -W 'new list show import rekey remove --help' -- "$cur"))
            return
        fi
        command="key ${COMP_WORDS[2]}"
    fi
    case $command in
    'get') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'put') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'post') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'delete') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'fetch') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'patch') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'ipatch') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'discover') options='-m --method -e --payload -f --file -o --output -t --content-format -A --accept -O --option -N --non -P --proxy --proxy-uri -T --token -B --timeout -v --verbose -q --quiet --json --credential --plain --sealed --state --again --if-match --if-none-match --etag --no-response --raw' files='-f|--file|-o|--output|--state' values='-m|--method|-e|--payload|-t|--content-format|-A|--accept|-O|--option|-P|--proxy|--proxy-uri|-T|--token|-B|--timeout|--credential|--if-match|--etag' ;;
    'ping') options='-c --count -B --timeout -q --quiet' files='' values='-c|--count|-B|--timeout' ;;
    'serve') options='--check-config --dump-config --help-config --listen --state -h --help' files='--state' values='--listen' ;;
    'proxy') options='--check-config --dump-config --help-config -h --help' files='' values='' ;;
    'doctor') options='--state -h --help' files='--state' values='' ;;
    'key new') options='--state --peer --for --algorithm --hkdf --window --id-context -o --output --no-rekey' files='--state|-o|--output' values='--peer|--for|--algorithm|--hkdf|--window|--id-context' ;;
    'key list') options='--state --json' files='--state' values='' ;;
    'key show') options='--state --secret' files='--state' values='' ;;
    'key import') options='--state --for --name --unused --next-sequence --weak' files='--state' values='--for|--name|--next-sequence' ;;
    'key rekey') options='--state' files='--state' values='' ;;
    'key remove') options='--state' files='--state' values='' ;;
    esac
    case "|$values|" in *"|$prev|"*) return ;; esac
    case "|$files|" in *"|$prev|"*) COMPREPLY=($(compgen -f -- "$cur")); return ;; esac
    case $cur in
    -*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
    *) case $command in
        'key show' | 'key remove')
            COMPREPLY=($(compgen -W "$(coapsule key list 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$cur")) ;;
        serve | proxy | 'key import') COMPREPLY=($(compgen -f -- "$cur")) ;;
        esac ;;
    esac
}
complete -o filenames -F _coapsule coapsule

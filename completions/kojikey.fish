# kojikey completion for fish. Made by: python -m kojikey.cli.completion fish

# The words before the cursor, without the program.
function __kojikey_words
    set -l words (commandline -opc)
    set -e words[1]
    string join \n -- $words
end

# True where no command was typed yet.
function __kojikey_at_start
    set -l words (__kojikey_words)
    not string match -qv -- '-*' $words
end

# True within a command, or right after a group of commands: __kojikey_in store, __kojikey_in store init
function __kojikey_in
    set -l words (__kojikey_words)
    set -l length (count $argv)
    test (count $words) -ge $length; or return 1
    set -l first $words[1..$length]
    test "$first" = "$argv"
end

# True right after a group of commands.
function __kojikey_at_group
    __kojikey_in $argv; and test (count (__kojikey_words)) -eq (count $argv)
end

# How many arguments a command has so far; $argv[1] is its length in words, the rest are options that take a value.
function __kojikey_arguments
    set -l words (__kojikey_words)
    set -l count 0
    set -l skip $argv[1]
    for word in $words
        if test $skip -gt 0
            set skip (math $skip - 1)
        else if contains -- $word $argv[2..-1]
            set skip 1
        else if not string match -q -- '-*' $word
            set count (math $count + 1)
        end
    end
    echo $count
end

# The account and the store that were typed so far, for what depends on them.
function __kojikey_context
    set -l words (__kojikey_words)
    set -l take 0
    for word in $words
        if test $take -eq 1; or string match -qr -- '^--(account|store)=' $word
            echo $word
            set take 0
        else if contains -- $word --account -a --store -s
            echo $word
            set take 1
        end
    end
end

function __kojikey_offer
    set -l program (commandline -opc)[1]
    if string match -q -- '~/*' $program
        set program $HOME(string sub -s 2 -- $program)
    end
    set -l context (__kojikey_context)
    # An option whose value is under the cursor: nothing is known of it yet.
    if contains -- "$context[-1]" --account -a --store -s
        set -e context[-1]
    end
    # Only plain words are offered, whatever the program says.
    $program complete $argv[1] $context </dev/null 2>/dev/null | string match -r -- '^[A-Za-z0-9][A-Za-z0-9._@+:/-]*$'
end

# Where the program begins that `run` starts: its place among the words, nothing where it has not begun.
function __kojikey_program
    set -l words (__kojikey_words)
    set -l skip 1
    set -l place 0
    for word in $words
        set place (math $place + 1)
        if test $skip -gt 0
            set skip (math $skip - 1)
        else if test "$word" = --
            math $place + 1
            return
        else if contains -- $word $argv
            set skip 1
        else if not string match -q -- '-*' $word
            echo $place
            return
        end
    end
    return 1
end

function __kojikey_pass_on
    set -l words (__kojikey_words)
    set -l begin (__kojikey_program $argv); or set -l begin (math (count $words) + 1)
    set -l typed (commandline -ct)
    set -l own
    if test $begin -le (count $words)
        set own $words[$begin..-1]
    end
    set -l line (string join ' ' -- (string escape -- $own) $typed)
    complete -C "$line"
end

complete -c kojikey -f
complete -c kojikey -n __kojikey_at_start -a add -d 'read a key, test it, then save it'
complete -c kojikey -n __kojikey_at_start -a test -d 'ask the providers whether keys work, and record the outcome'
complete -c kojikey -n __kojikey_at_start -a check -d 'check, in the store alone, whether an account has the keys that a job needs'
complete -c kojikey -n __kojikey_at_start -a list -d 'show the keys, masked, and where the built-in allocation is used'
complete -c kojikey -n __kojikey_at_start -a rotate -d 'replace a key: save the new one as staged, test it, promote it'
complete -c kojikey -n __kojikey_at_start -a set -d 'change a key\'s label, dates, models, capabilities or base URL'
complete -c kojikey -n __kojikey_at_start -a remove -d 'delete a key with all its versions'
complete -c kojikey -n __kojikey_at_start -a run -d 'start a program with the account\'s keys in its environment'
complete -c kojikey -n __kojikey_at_start -a get -d 'print a key (only with --reveal)'
complete -c kojikey -n __kojikey_at_start -a import -d 'save the keys in .env files, JSON files and the environment'
complete -c kojikey -n __kojikey_at_start -a export -d 'print keys in a format that another program reads (only with --reveal)'
complete -c kojikey -n __kojikey_at_start -a providers -d 'show the supported providers: pages, variables, and what a test checks'
complete -c kojikey -n __kojikey_at_start -a history -d 'show a key\'s versions, with their times, fingerprints and test outcomes'
complete -c kojikey -n __kojikey_at_start -a unlock -d 'ask for the store\'s passphrase now, then not again for some hours'
complete -c kojikey -n __kojikey_at_start -a lock -d 'drop the KEKs that unlock keeps, of all stores'
complete -c kojikey -n __kojikey_at_start -a audit -d 'show what happened to the keys, or verify that nobody changed this record'
complete -c kojikey -n __kojikey_at_start -a scan -d 'look for the store\'s keys in files, in git, and in what is about to be committed'
complete -c kojikey -n __kojikey_at_start -a sandbox -d 'play the providers on a loopback port, to try kojikey without an account'
complete -c kojikey -n __kojikey_at_start -a completion -d 'print the completion script of a shell'
complete -c kojikey -n __kojikey_at_start -a doctor -d 'check the whole set-up, and say how to fix what is wrong'
complete -c kojikey -n __kojikey_at_start -a help -d 'explain a command, or the exit codes (kojikey help exit-codes)'
complete -c kojikey -n __kojikey_at_start -a store -d 'create, describe, choose and re-key stores'
complete -c kojikey -n __kojikey_at_start -a config -d 'read and change config.toml'
complete -c kojikey -n __kojikey_at_start -a account -d 'list accounts, disable their keys, remove them'
complete -c kojikey -n __kojikey_at_start -l help -s h -d 'show help'
complete -c kojikey -n __kojikey_at_start -l version -s V -d 'show the version'
complete -c kojikey -n '__kojikey_at_group store' -a init -d 'create a store with a chosen key-encryption key'
complete -c kojikey -n '__kojikey_at_group store' -a info -d 'show what and where the store is, and who can open it'
complete -c kojikey -n '__kojikey_at_group store' -a rekey -d 'move the store to another key-encryption key'
complete -c kojikey -n '__kojikey_at_group store' -a recipients -d 'list, add and remove the people who open a store'
complete -c kojikey -n '__kojikey_at_group store' -a list -d 'list the stores that have a name, and which one is used'
complete -c kojikey -n '__kojikey_at_group store' -a use -d 'choose the store that is used where none is named'
complete -c kojikey -n '__kojikey_at_group store' -a copy -d 'copy keys into another store, with their history; deletes nothing'
complete -c kojikey -n '__kojikey_at_group store' -a grant -d 'let a database role see and change an account\'s keys (PostgreSQL)'
complete -c kojikey -n '__kojikey_at_group store' -a revoke -d 'take a database role\'s access to an account away (PostgreSQL)'
complete -c kojikey -n '__kojikey_at_group store' -a policy -d 'print the IAM policy that limits an account\'s owner to the account (DynamoDB)'
complete -c kojikey -n '__kojikey_at_group config' -a path -d 'print the path of config.toml, whether it exists or not'
complete -c kojikey -n '__kojikey_at_group config' -a get -d 'print a setting of config.toml, or all of them'
complete -c kojikey -n '__kojikey_at_group config' -a set -d 'change a setting in config.toml'
complete -c kojikey -n '__kojikey_at_group config' -a unset -d 'remove a setting from config.toml'
complete -c kojikey -n '__kojikey_at_group account' -a list -d 'show the accounts of the store'
complete -c kojikey -n '__kojikey_at_group account' -a disable -d 'disable an account\'s own keys: it falls back to the built-in allocation'
complete -c kojikey -n '__kojikey_at_group account' -a enable -d 'use an account\'s own keys again'
complete -c kojikey -n '__kojikey_at_group account' -a remove -d 'delete an account\'s keys and its data key, for good'

complete -c kojikey -n '__kojikey_in add' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in add' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in add' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in add' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in add' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in add' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in add' -l stdin -d 'read the key from standard input'
complete -c kojikey -n '__kojikey_in add' -l from-env -x -a '(set -nx)' -d 'read the key from this environment variable'
complete -c kojikey -n '__kojikey_in add' -l from-file -r -F -d 'read the key from this file'
complete -c kojikey -n '__kojikey_in add' -l force-shape -d 'accept a key whose shape belongs to another provider'
complete -c kojikey -n '__kojikey_in add' -l base-url -x -d 'a regional or enterprise endpoint (https; http only for loopback)'
complete -c kojikey -n '__kojikey_in add' -l model -x -d 'a model that the key must reach; may be repeated'
complete -c kojikey -n '__kojikey_in add' -l capability -x -a '(__kojikey_offer capability)' -d 'what the key must be allowed to do; may be repeated'
complete -c kojikey -n '__kojikey_in add' -l label -x -d 'a note to tell keys apart'
complete -c kojikey -n '__kojikey_in add' -l expires -x -d 'when the key expires: a date, or a span, for example 90d'
complete -c kojikey -n '__kojikey_in add' -l rotate-after -x -d 'how long until a rotation is due (default 90d), or never'
complete -c kojikey -n '__kojikey_in add' -l no-test -d 'do not ask the provider; save the key untested'
complete -c kojikey -n '__kojikey_in add' -l allow-limited -d 'also save a key that is limited'
complete -c kojikey -n '__kojikey_in add' -l allow-unverified -d 'also save a key that could not be judged'
complete -c kojikey -n '__kojikey_in add' -l timeout -x -d 'seconds to wait for each request (default 10)'
complete -c kojikey -n '__kojikey_in add' -l deep -d 'also send the smallest paid request, which alone shows billing and quota'
complete -c kojikey -n '__kojikey_in add' -l batch -r -F -d 'many keys: JSON lines of account, provider and key (-: standard input)'
complete -c kojikey -n '__kojikey_in add' -l dry-run -d 'with --batch: only show what would happen'
complete -c kojikey -n '__kojikey_in add' -l jsonl -d 'print one JSON result per line as it arrives'
complete -c kojikey -n '__kojikey_in add' -l concurrency -x -d 'how many keys to test at once (default 16)'
complete -c kojikey -n '__kojikey_in add' -l rate -x -d 'requests per second to each provider'
complete -c kojikey -n '__kojikey_in add' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in add; and test (__kojikey_arguments 1 --account -a --store -s --from-env --from-file --base-url --model --capability --label --expires --rotate-after --timeout --batch --concurrency --rate) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in test' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in test' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in test' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in test' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in test' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in test' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in test' -l all -d 'every key of the account (the same as naming no provider)'
complete -c kojikey -n '__kojikey_in test' -l all-accounts -d 'every key of every account'
complete -c kojikey -n '__kojikey_in test' -l verbose -d 'on a terminal, also show the valid ones of more than 50 keys'
complete -c kojikey -n '__kojikey_in test' -l allow-empty -d 'exit 0, not 5, if there is no key to test'
complete -c kojikey -n '__kojikey_in test' -l stdin -d 'read the key from standard input'
complete -c kojikey -n '__kojikey_in test' -l from-env -x -a '(set -nx)' -d 'read the key from this environment variable'
complete -c kojikey -n '__kojikey_in test' -l from-file -r -F -d 'read the key from this file'
complete -c kojikey -n '__kojikey_in test' -l force-shape -d 'accept a key whose shape belongs to another provider'
complete -c kojikey -n '__kojikey_in test' -l base-url -x -d 'a regional or enterprise endpoint (https; http only for loopback)'
complete -c kojikey -n '__kojikey_in test' -l model -x -d 'a model that the key must reach; may be repeated'
complete -c kojikey -n '__kojikey_in test' -l capability -x -a '(__kojikey_offer capability)' -d 'what the key must be allowed to do; may be repeated'
complete -c kojikey -n '__kojikey_in test' -l deep -d 'also send the smallest paid request, which alone shows billing and quota'
complete -c kojikey -n '__kojikey_in test' -l timeout -x -d 'seconds to wait for each request (default 10)'
complete -c kojikey -n '__kojikey_in test' -l concurrency -x -d 'how many keys to test at once (default 16)'
complete -c kojikey -n '__kojikey_in test' -l rate -x -d 'requests per second to each provider'
complete -c kojikey -n '__kojikey_in test' -l jobs -x -d 'worker processes (default: one per core, for more than 2000 keys)'
complete -c kojikey -n '__kojikey_in test' -l shard -x -d 'only the K-th of N parts, so that N machines share the work'
complete -c kojikey -n '__kojikey_in test' -l not-tested-since -x -d 'only keys that were not tested in the last span, for example 24h'
complete -c kojikey -n '__kojikey_in test' -l jsonl -d 'print one JSON result per line as it arrives, then the summary'
complete -c kojikey -n '__kojikey_in test' -l junit -r -F -d 'also write a JUnit report (- for standard output)'
complete -c kojikey -n '__kojikey_in test' -l html -r -F -d 'also write an HTML page: accounts by providers (- for standard output)'
complete -c kojikey -n '__kojikey_in test' -l github -d 'also annotate the workflow run (the default if GITHUB_ACTIONS=true)'
complete -c kojikey -n '__kojikey_in test' -l fail-on -x -a 'rejected limited indeterminate' -d 'the mildest outcome that exits with 3 (default limited)'
complete -c kojikey -n '__kojikey_in test' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in test' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in check' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in check' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in check' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in check' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in check' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in check' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in check' -l all-accounts -d 'the keys of every account'
complete -c kojikey -n '__kojikey_in check' -l require -x -a '(__kojikey_offer provider)' -d 'providers, separated by commas; may be repeated'
complete -c kojikey -n '__kojikey_in check' -l max-age -x -d 'how old a key may be, for example 90d'
complete -c kojikey -n '__kojikey_in check' -l tested-within -x -d 'how long ago its last test may be, for example 7d'
complete -c kojikey -n '__kojikey_in check' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in list' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in list' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in list' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in list' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in list' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in list' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in list' -l all-accounts -d 'the keys of every account'
complete -c kojikey -n '__kojikey_in list' -l failing -d 'only keys that were rejected or limited when last tested, or have expired'
complete -c kojikey -n '__kojikey_in list' -l due -d 'only keys that are due for rotation, or expire within 14 days'
complete -c kojikey -n '__kojikey_in list' -l outcome -x -d 'only keys whose last outcome is O (or untested)'
complete -c kojikey -n '__kojikey_in list' -l sort -x -d 'by age (oldest first), account, provider or tested (longest ago first)'
complete -c kojikey -n '__kojikey_in list' -l csv -d 'print one line per key, for a spreadsheet'
complete -c kojikey -n '__kojikey_in list' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in list' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in rotate' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in rotate' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in rotate' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in rotate' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in rotate' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in rotate' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in rotate' -l resume -d 'test and promote the staged key'
complete -c kojikey -n '__kojikey_in rotate' -l abort -d 'discard the staged key'
complete -c kojikey -n '__kojikey_in rotate' -l rollback -d 'make the previous key current again, after testing it'
complete -c kojikey -n '__kojikey_in rotate' -l retire -d 'drop the previous key once the provider has stopped accepting it'
complete -c kojikey -n '__kojikey_in rotate' -l force -d 'with --retire: drop it even if the provider still accepts it'
complete -c kojikey -n '__kojikey_in rotate' -l mint -d 'create the new key at the provider, with an admin key'
complete -c kojikey -n '__kojikey_in rotate' -l like -x -d 'with --mint: the id of the key to copy the settings from'
complete -c kojikey -n '__kojikey_in rotate' -l parent -x -d 'with --mint: the project, team or service account of the new key'
complete -c kojikey -n '__kojikey_in rotate' -l admin-account -x -a '(__kojikey_offer account)' -d 'whose admin key is used (default: the key\'s own account)'
complete -c kojikey -n '__kojikey_in rotate' -l allow-wider -d 'with --mint: even if the new key may be allowed more than the old one'
complete -c kojikey -n '__kojikey_in rotate' -l propagation -x -d 'how long to wait until the provider knows a new key, or refuses a deleted one'
complete -c kojikey -n '__kojikey_in rotate' -l no-revoke -d 'with --retire or --abort: delete nothing at the provider'
complete -c kojikey -n '__kojikey_in rotate' -l yes -s y -d 'with --retire: do not ask before a key is deleted at the provider'
complete -c kojikey -n '__kojikey_in rotate' -l due -d 'for cron: rotate keys that are due, retire replaced keys, finish what was left'
complete -c kojikey -n '__kojikey_in rotate' -l all-accounts -d 'with --due: the keys of every account'
complete -c kojikey -n '__kojikey_in rotate' -l expiring -x -d 'with --due: also keys that expire within this span (default 14d)'
complete -c kojikey -n '__kojikey_in rotate' -l grace -x -d 'with --due: how long a replaced key is kept (default 24h)'
complete -c kojikey -n '__kojikey_in rotate' -l stdin -d 'read the key from standard input'
complete -c kojikey -n '__kojikey_in rotate' -l from-env -x -a '(set -nx)' -d 'read the key from this environment variable'
complete -c kojikey -n '__kojikey_in rotate' -l from-file -r -F -d 'read the key from this file'
complete -c kojikey -n '__kojikey_in rotate' -l force-shape -d 'accept a key whose shape belongs to another provider'
complete -c kojikey -n '__kojikey_in rotate' -l base-url -x -d 'a regional or enterprise endpoint (https; http only for loopback)'
complete -c kojikey -n '__kojikey_in rotate' -l model -x -d 'a model that the key must reach; may be repeated'
complete -c kojikey -n '__kojikey_in rotate' -l capability -x -a '(__kojikey_offer capability)' -d 'what the key must be allowed to do; may be repeated'
complete -c kojikey -n '__kojikey_in rotate' -l label -x -d 'a note to tell keys apart'
complete -c kojikey -n '__kojikey_in rotate' -l expires -x -d 'when the key expires: a date, or a span, for example 90d'
complete -c kojikey -n '__kojikey_in rotate' -l rotate-after -x -d 'how long until a rotation is due (default 90d), or never'
complete -c kojikey -n '__kojikey_in rotate' -l no-test -d 'do not ask the provider; save the key untested'
complete -c kojikey -n '__kojikey_in rotate' -l allow-limited -d 'also save a key that is limited'
complete -c kojikey -n '__kojikey_in rotate' -l allow-unverified -d 'also save a key that could not be judged'
complete -c kojikey -n '__kojikey_in rotate' -l timeout -x -d 'seconds to wait for each request (default 10)'
complete -c kojikey -n '__kojikey_in rotate' -l deep -d 'also send the smallest paid request, which alone shows billing and quota'
complete -c kojikey -n '__kojikey_in rotate' -l batch -r -F -d 'many keys: JSON lines of account, provider and key (-: standard input)'
complete -c kojikey -n '__kojikey_in rotate' -l dry-run -d 'with --batch or --due: only show what would happen'
complete -c kojikey -n '__kojikey_in rotate' -l jsonl -d 'print one JSON result per line as it arrives'
complete -c kojikey -n '__kojikey_in rotate' -l concurrency -x -d 'how many keys to test at once (default 16)'
complete -c kojikey -n '__kojikey_in rotate' -l rate -x -d 'requests per second to each provider'
complete -c kojikey -n '__kojikey_in rotate' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in rotate; and test (__kojikey_arguments 1 --account -a --store -s --like --parent --admin-account --propagation --expiring --grace --from-env --from-file --base-url --model --capability --label --expires --rotate-after --timeout --batch --concurrency --rate) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in set' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in set' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in set' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in set' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in set' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in set' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in set' -l label -x -d 'a note to tell keys apart'
complete -c kojikey -n '__kojikey_in set' -l expires -x -d 'when the key expires: a date, or a span, for example 90d'
complete -c kojikey -n '__kojikey_in set' -l rotate-after -x -d 'how long until a rotation is due (default 90d), or never'
complete -c kojikey -n '__kojikey_in set' -l model -x -d 'a model that the key must reach; may be repeated'
complete -c kojikey -n '__kojikey_in set' -l capability -x -a '(__kojikey_offer capability)' -d 'what the key must be allowed to do; may be repeated'
complete -c kojikey -n '__kojikey_in set' -l base-url -x -d 'a regional or enterprise endpoint (https; http only for loopback)'
complete -c kojikey -n '__kojikey_in set' -l unset -x -a '(__kojikey_offer setting)' -d 'remove label, expires, rotate-after, model, capability or base-url; may be repeated'
complete -c kojikey -n '__kojikey_in set' -l no-test -d 'do not ask the provider; save the key untested'
complete -c kojikey -n '__kojikey_in set' -l allow-limited -d 'also save a key that is limited'
complete -c kojikey -n '__kojikey_in set' -l allow-unverified -d 'also save a key that could not be judged'
complete -c kojikey -n '__kojikey_in set' -l timeout -x -d 'seconds to wait for each request (default 10)'
complete -c kojikey -n '__kojikey_in set' -l deep -d 'also send the smallest paid request, which alone shows billing and quota'
complete -c kojikey -n '__kojikey_in set' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in set; and test (__kojikey_arguments 1 --account -a --store -s --label --expires --rotate-after --model --capability --base-url --unset --timeout) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in remove' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in remove' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in remove' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in remove' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in remove' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in remove' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in remove' -l yes -s y -d 'do not ask'
complete -c kojikey -n '__kojikey_in remove' -l revoke -d 'delete it at the provider first, with an admin key'
complete -c kojikey -n '__kojikey_in remove' -l admin-account -x -a '(__kojikey_offer account)' -d 'with --revoke: whose admin key is used'
complete -c kojikey -n '__kojikey_in remove' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in remove; and test (__kojikey_arguments 1 --account -a --store -s --admin-account) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in run' -x -a '(__kojikey_pass_on --account -a --store -s --provider -p --env)'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l provider -s p -x -a '(__kojikey_offer provider)' -d 'only this provider\'s key; may be repeated'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l env -x -d 'set this variable to P\'s key; without --provider, set no others; may be repeated'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l mask -d 'stay, and replace keys in CMD\'s output by their masked form'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l require -d 'exit 5 if a named provider (by default one of Koji\'s two) has no key'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l dry-run -d 'show which variables would be set, for which keys; start nothing'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l json -d 'print a failure to start, or the result of --dry-run, as JSON'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in run; and not __kojikey_program --account -a --store -s --provider -p --env >/dev/null' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in get' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in get' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in get' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in get' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in get' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in get' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in get' -l reveal -d 'yes, print the key itself'
complete -c kojikey -n '__kojikey_in get' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in get; and test (__kojikey_arguments 1 --account -a --store -s) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in import' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in import' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in import' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in import' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in import' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in import' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in import' -l env -d 'also the variables of the environment'
complete -c kojikey -n '__kojikey_in import' -l map -x -d 'the key under this name is one of that provider; may be repeated'
complete -c kojikey -n '__kojikey_in import' -l dry-run -d 'only show what would happen; asks nothing'
complete -c kojikey -n '__kojikey_in import' -l rotate -d 'if the account has another key, rotate to the one that was found'
complete -c kojikey -n '__kojikey_in import' -l comment-out -d 'replace the lines of saved keys by a comment, once all are saved'
complete -c kojikey -n '__kojikey_in import' -l no-test -d 'do not ask the provider; save the key untested'
complete -c kojikey -n '__kojikey_in import' -l allow-limited -d 'also save a key that is limited'
complete -c kojikey -n '__kojikey_in import' -l allow-unverified -d 'also save a key that could not be judged'
complete -c kojikey -n '__kojikey_in import' -l timeout -x -d 'seconds to wait for each request (default 10)'
complete -c kojikey -n '__kojikey_in import' -l deep -d 'also send the smallest paid request, which alone shows billing and quota'
complete -c kojikey -n '__kojikey_in import' -l force-shape -d 'accept a key whose shape belongs to another provider'
complete -c kojikey -n '__kojikey_in import' -l concurrency -x -d 'how many keys to test at once (default 16)'
complete -c kojikey -n '__kojikey_in import' -l rate -x -d 'requests per second to each provider'
complete -c kojikey -n '__kojikey_in import' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in import' -r -F

complete -c kojikey -n '__kojikey_in export' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in export' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in export' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in export' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in export' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in export' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in export' -l reveal -d 'yes, print the keys themselves'
complete -c kojikey -n '__kojikey_in export' -l format -x -a 'dotenv shell fish powershell json github k8s docker' -d 'the format (default dotenv)'
complete -c kojikey -n '__kojikey_in export' -l name -x -d 'with --format k8s: the name of the Secret (default kojikey-ACCOUNT)'
complete -c kojikey -n '__kojikey_in export' -l output -r -F -d 'write to a file that nobody else can read, instead of standard output'
complete -c kojikey -n '__kojikey_in export' -l yes -s y -d 'do not ask, and replace the file'
complete -c kojikey -n '__kojikey_in export' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in export' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in providers' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in providers' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in providers' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in providers' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in providers' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in history' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in history' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in history' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in history' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in history' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in history' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in history' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in history; and test (__kojikey_arguments 1 --account -a --store -s) -eq 0' -x -a '(__kojikey_offer provider)'

complete -c kojikey -n '__kojikey_in unlock' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in unlock' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in unlock' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in unlock' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in unlock' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in unlock' -l for -x -d 'for how long: a span, for example 30m, 8h or 1d (default 8h)'
complete -c kojikey -n '__kojikey_in unlock' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in lock' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in lock' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in lock' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in lock' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store init' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store init' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store init' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store init' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store init' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store init' -l kek -x -a '(__kojikey_offer kek)' -d 'where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R'
complete -c kojikey -n '__kojikey_in store init' -l recipient -x -d 'to whom the KEK is sealed: age1…, or \'ssh-ed25519 AAAA… COMMENT\', or @FILE; may be repeated'
complete -c kojikey -n '__kojikey_in store init' -l name -x -d 'keep the URL under this name in config.toml'
complete -c kojikey -n '__kojikey_in store init' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store info' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store info' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store info' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store info' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store info' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store info' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store rekey' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store rekey' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store rekey' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store rekey' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store rekey' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store rekey' -l kek -x -a '(__kojikey_offer kek)' -d 'where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R'
complete -c kojikey -n '__kojikey_in store rekey' -l recipient -x -d 'to whom the KEK is sealed: age1…, or \'ssh-ed25519 AAAA… COMMENT\', or @FILE; may be repeated'
complete -c kojikey -n '__kojikey_in store rekey' -l new-passphrase-file -r -F -d 'a file whose first line is the new passphrase'
complete -c kojikey -n '__kojikey_in store rekey' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store recipients' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store recipients' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store recipients' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store recipients' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store recipients' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store recipients' -l recipient -x -d 'remove: a recipient to keep whose public key needs a plugin; may be repeated'
complete -c kojikey -n '__kojikey_in store recipients' -l yes -s y -d 'accept: do not ask'
complete -c kojikey -n '__kojikey_in store recipients' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store list' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store list' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store list' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store list' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store use' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store use' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store use' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store use' -l rotate-here -d 'this store, and not the one it was copied from, rotates keys at their providers'
complete -c kojikey -n '__kojikey_in store use' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in store use; and test (__kojikey_arguments 2 ) -eq 0' -x -a '(__kojikey_offer store)'

complete -c kojikey -n '__kojikey_in store copy' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store copy' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store copy' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store copy' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store copy' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store copy' -l to -x -a '(__kojikey_offer store)' -d 'the store to copy to, which must exist'
complete -c kojikey -n '__kojikey_in store copy' -l account -s a -x -a '(__kojikey_offer account)' -d 'only this account; may be repeated'
complete -c kojikey -n '__kojikey_in store copy' -l dry-run -d 'show what would be copied, and copy nothing'
complete -c kojikey -n '__kojikey_in store copy' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in store grant' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store grant' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store grant' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store grant' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store grant' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store grant' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in store grant; and test (__kojikey_arguments 2 --store -s) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in store revoke' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store revoke' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store revoke' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store revoke' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store revoke' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store revoke' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in store revoke; and test (__kojikey_arguments 2 --store -s) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in store policy' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in store policy' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in store policy' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in store policy' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in store policy' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in store policy' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in store policy; and test (__kojikey_arguments 2 --store -s) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in account list' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in account list' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in account list' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in account list' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in account list' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in account list' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in account disable' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in account disable' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in account disable' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in account disable' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in account disable' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in account disable' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in account disable; and test (__kojikey_arguments 2 --store -s) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in account enable' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in account enable' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in account enable' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in account enable' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in account enable' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in account enable' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in account enable; and test (__kojikey_arguments 2 --store -s) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in account remove' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in account remove' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in account remove' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in account remove' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in account remove' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in account remove' -l confirm -x -d 'the account\'s name, instead of typing it'
complete -c kojikey -n '__kojikey_in account remove' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in account remove; and test (__kojikey_arguments 2 --store -s --confirm) -eq 0' -x -a '(__kojikey_offer account)'

complete -c kojikey -n '__kojikey_in audit' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in audit' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in audit' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in audit' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in audit' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in audit' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in audit' -l provider -s p -x -a '(__kojikey_offer provider)' -d 'only events of this provider'
complete -c kojikey -n '__kojikey_in audit' -l since -x -d 'only events of the last span, for example 7d'
complete -c kojikey -n '__kojikey_in audit' -l all-accounts -d 'the events of every account (as without --account)'
complete -c kojikey -n '__kojikey_in audit' -l verify -d 'recompute the chain and open every key; exit 8: something was changed outside kojikey'
complete -c kojikey -n '__kojikey_in audit' -l accept -d 'with --verify: accept an older state, for example that of a restored backup'
complete -c kojikey -n '__kojikey_in audit' -l yes -s y -d 'with --accept: do not ask'
complete -c kojikey -n '__kojikey_in audit' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in scan' -l git -d 'every object of git\'s database, reachable or not, instead of files'
complete -c kojikey -n '__kojikey_in scan' -l staged -d 'what is about to be committed, instead of files'
complete -c kojikey -n '__kojikey_in scan' -l any -d 'also text that has the shape of a provider\'s key, but is not in the store'
complete -c kojikey -n '__kojikey_in scan' -l all-accounts -d 'the keys of every account'
complete -c kojikey -n '__kojikey_in scan' -l sarif -r -F -d 'also write the matches to FILE (or -), as SARIF 2.1.0'
complete -c kojikey -n '__kojikey_in scan' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in scan' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in scan' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in scan' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in scan' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in scan' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in scan' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in sandbox' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in sandbox' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in sandbox' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in sandbox' -l port -x -d 'the port (default: a free one)'
complete -c kojikey -n '__kojikey_in sandbox' -l tour -d 'run the whole loop against it in a throwaway store, showing each command'
complete -c kojikey -n '__kojikey_in sandbox' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in config path' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in config path' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in config path' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in config path' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in config get' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in config get' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in config get' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in config get' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in config get; and test (__kojikey_arguments 2 ) -eq 0' -x -a '(__kojikey_offer config)'

complete -c kojikey -n '__kojikey_in config set' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in config set' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in config set' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in config set' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in config set; and test (__kojikey_arguments 2 ) -eq 0' -x -a '(__kojikey_offer config)'

complete -c kojikey -n '__kojikey_in config unset' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in config unset' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in config unset' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in config unset' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in config unset; and test (__kojikey_arguments 2 ) -eq 0' -x -a '(__kojikey_offer config)'

complete -c kojikey -n '__kojikey_in completion' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in completion' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in completion' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in completion' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in completion; and test (__kojikey_arguments 1 ) -eq 0' -x -a '(__kojikey_offer shell)'

complete -c kojikey -n '__kojikey_in doctor' -l account -s a -x -a '(__kojikey_offer account)' -d 'whose key it is (default: KOJIKEY_ACCOUNT, then \'default\')'
complete -c kojikey -n '__kojikey_in doctor' -l store -s s -x -a '(__kojikey_offer store)' -d 'the store, by name or URL (default: KOJIKEY_STORE, then \'local\')'
complete -c kojikey -n '__kojikey_in doctor' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in doctor' -l no-input -d 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'
complete -c kojikey -n '__kojikey_in doctor' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in doctor' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in doctor' -l help -s h -d 'show help'

complete -c kojikey -n '__kojikey_in help' -l json -d 'print one JSON document on stdout, even on failure'
complete -c kojikey -n '__kojikey_in help' -l quiet -s q -d 'print only results, warnings and errors'
complete -c kojikey -n '__kojikey_in help' -l no-color -d 'no colour (also: NO_COLOR)'
complete -c kojikey -n '__kojikey_in help' -l help -s h -d 'show help'
complete -c kojikey -n '__kojikey_in help' -x -a '(__kojikey_offer topic)'

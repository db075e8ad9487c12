# kojikey completion for PowerShell. Made by: python -m kojikey.cli.completion powershell

Register-ArgumentCompleter -Native -CommandName kojikey -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commands = @{
        '' = @{ Words = @('add', 'test', 'check', 'list', 'rotate', 'set', 'remove', 'run', 'get', 'import', 'export', 'providers', 'history', 'unlock', 'lock', 'audit', 'scan', 'sandbox', 'completion', 'doctor', 'help', 'store', 'config', 'account', '--help', '--version'); About = @{'add' = 'read a key, test it, then save it'; 'test' = 'ask the providers whether keys work, and record the outcome'; 'check' = 'check, in the store alone, whether an account has the keys that a job needs'; 'list' = 'show the keys, masked, and where the built-in allocation is used'; 'rotate' = 'replace a key: save the new one as staged, test it, promote it'; 'set' = 'change a key''s label, dates, models, capabilities or base URL'; 'remove' = 'delete a key with all its versions'; 'run' = 'start a program with the account''s keys in its environment'; 'get' = 'print a key (only with --reveal)'; 'import' = 'save the keys in .env files, JSON files and the environment'; 'export' = 'print keys in a format that another program reads (only with --reveal)'; 'providers' = 'show the supported providers: pages, variables, and what a test checks'; 'history' = 'show a key''s versions, with their times, fingerprints and test outcomes'; 'unlock' = 'ask for the store''s passphrase now, then not again for some hours'; 'lock' = 'drop the KEKs that unlock keeps, of all stores'; 'audit' = 'show what happened to the keys, or verify that nobody changed this record'; 'scan' = 'look for the store''s keys in files, in git, and in what is about to be committed'; 'sandbox' = 'play the providers on a loopback port, to try kojikey without an account'; 'completion' = 'print the completion script of a shell'; 'doctor' = 'check the whole set-up, and say how to fix what is wrong'; 'help' = 'explain a command, or the exit codes (kojikey help exit-codes)'; 'store' = 'create, describe, choose and re-key stores'; 'config' = 'read and change config.toml'; 'account' = 'list accounts, disable their keys, remove them'; '--help' = 'show help'; '--version' = 'show the version'} }
        'store' = @{ Words = @('init', 'info', 'rekey', 'recipients', 'list', 'use', 'copy', 'grant', 'revoke', 'policy'); About = @{'init' = 'create a store with a chosen key-encryption key'; 'info' = 'show what and where the store is, and who can open it'; 'rekey' = 'move the store to another key-encryption key'; 'recipients' = 'list, add and remove the people who open a store'; 'list' = 'list the stores that have a name, and which one is used'; 'use' = 'choose the store that is used where none is named'; 'copy' = 'copy keys into another store, with their history; deletes nothing'; 'grant' = 'let a database role see and change an account''s keys (PostgreSQL)'; 'revoke' = 'take a database role''s access to an account away (PostgreSQL)'; 'policy' = 'print the IAM policy that limits an account''s owner to the account (DynamoDB)'} }
        'config' = @{ Words = @('path', 'get', 'set', 'unset'); About = @{'path' = 'print the path of config.toml, whether it exists or not'; 'get' = 'print a setting of config.toml, or all of them'; 'set' = 'change a setting in config.toml'; 'unset' = 'remove a setting from config.toml'} }
        'account' = @{ Words = @('list', 'disable', 'enable', 'remove'); About = @{'list' = 'show the accounts of the store'; 'disable' = 'disable an account''s own keys: it falls back to the built-in allocation'; 'enable' = 'use an account''s own keys again'; 'remove' = 'delete an account''s keys and its data key, for good'} }
        'add' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--stdin', '--from-env', '--from-file', '--force-shape', '--base-url', '--model', '--capability', '--label', '--expires', '--rotate-after', '--no-test', '--allow-limited', '--allow-unverified', '--timeout', '--deep', '--batch', '--dry-run', '--jsonl', '--concurrency', '--rate', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--stdin' = 'read the key from standard input'; '--from-env' = 'read the key from this environment variable'; '--from-file' = 'read the key from this file'; '--force-shape' = 'accept a key whose shape belongs to another provider'; '--base-url' = 'a regional or enterprise endpoint (https; http only for loopback)'; '--model' = 'a model that the key must reach; may be repeated'; '--capability' = 'what the key must be allowed to do; may be repeated'; '--label' = 'a note to tell keys apart'; '--expires' = 'when the key expires: a date, or a span, for example 90d'; '--rotate-after' = 'how long until a rotation is due (default 90d), or never'; '--no-test' = 'do not ask the provider; save the key untested'; '--allow-limited' = 'also save a key that is limited'; '--allow-unverified' = 'also save a key that could not be judged'; '--timeout' = 'seconds to wait for each request (default 10)'; '--deep' = 'also send the smallest paid request, which alone shows billing and quota'; '--batch' = 'many keys: JSON lines of account, provider and key (-: standard input)'; '--dry-run' = 'with --batch: only show what would happen'; '--jsonl' = 'print one JSON result per line as it arrives'; '--concurrency' = 'how many keys to test at once (default 16)'; '--rate' = 'requests per second to each provider'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--from-env' = 'variable'; '--from-file' = 'file'; '--base-url' = ''; '--model' = ''; '--capability' = 'capability'; '--label' = ''; '--expires' = ''; '--rotate-after' = ''; '--timeout' = ''; '--batch' = 'file'; '--concurrency' = ''; '--rate' = ''}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'test' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--all', '--all-accounts', '--verbose', '--allow-empty', '--stdin', '--from-env', '--from-file', '--force-shape', '--base-url', '--model', '--capability', '--deep', '--timeout', '--concurrency', '--rate', '--jobs', '--shard', '--not-tested-since', '--jsonl', '--junit', '--html', '--github', '--fail-on', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--all' = 'every key of the account (the same as naming no provider)'; '--all-accounts' = 'every key of every account'; '--verbose' = 'on a terminal, also show the valid ones of more than 50 keys'; '--allow-empty' = 'exit 0, not 5, if there is no key to test'; '--stdin' = 'read the key from standard input'; '--from-env' = 'read the key from this environment variable'; '--from-file' = 'read the key from this file'; '--force-shape' = 'accept a key whose shape belongs to another provider'; '--base-url' = 'a regional or enterprise endpoint (https; http only for loopback)'; '--model' = 'a model that the key must reach; may be repeated'; '--capability' = 'what the key must be allowed to do; may be repeated'; '--deep' = 'also send the smallest paid request, which alone shows billing and quota'; '--timeout' = 'seconds to wait for each request (default 10)'; '--concurrency' = 'how many keys to test at once (default 16)'; '--rate' = 'requests per second to each provider'; '--jobs' = 'worker processes (default: one per core, for more than 2000 keys)'; '--shard' = 'only the K-th of N parts, so that N machines share the work'; '--not-tested-since' = 'only keys that were not tested in the last span, for example 24h'; '--jsonl' = 'print one JSON result per line as it arrives, then the summary'; '--junit' = 'also write a JUnit report (- for standard output)'; '--html' = 'also write an HTML page: accounts by providers (- for standard output)'; '--github' = 'also annotate the workflow run (the default if GITHUB_ACTIONS=true)'; '--fail-on' = 'the mildest outcome that exits with 3 (default limited)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--from-env' = 'variable'; '--from-file' = 'file'; '--base-url' = ''; '--model' = ''; '--capability' = 'capability'; '--timeout' = ''; '--concurrency' = ''; '--rate' = ''; '--jobs' = ''; '--shard' = ''; '--not-tested-since' = ''; '--junit' = 'file'; '--html' = 'file'; '--fail-on' = 'choices:rejected limited indeterminate'}
            Argument = 'provider'
            Many = $true
            PassesOn = $false
        }
        'check' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--all-accounts', '--require', '--max-age', '--tested-within', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--all-accounts' = 'the keys of every account'; '--require' = 'providers, separated by commas; may be repeated'; '--max-age' = 'how old a key may be, for example 90d'; '--tested-within' = 'how long ago its last test may be, for example 7d'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--require' = 'provider'; '--max-age' = ''; '--tested-within' = ''}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'list' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--all-accounts', '--failing', '--due', '--outcome', '--sort', '--csv', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--all-accounts' = 'the keys of every account'; '--failing' = 'only keys that were rejected or limited when last tested, or have expired'; '--due' = 'only keys that are due for rotation, or expire within 14 days'; '--outcome' = 'only keys whose last outcome is O (or untested)'; '--sort' = 'by age (oldest first), account, provider or tested (longest ago first)'; '--csv' = 'print one line per key, for a spreadsheet'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--outcome' = ''; '--sort' = ''}
            Argument = 'provider'
            Many = $true
            PassesOn = $false
        }
        'rotate' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--resume', '--abort', '--rollback', '--retire', '--force', '--mint', '--like', '--parent', '--admin-account', '--allow-wider', '--propagation', '--no-revoke', '--yes', '-y', '--due', '--all-accounts', '--expiring', '--grace', '--stdin', '--from-env', '--from-file', '--force-shape', '--base-url', '--model', '--capability', '--label', '--expires', '--rotate-after', '--no-test', '--allow-limited', '--allow-unverified', '--timeout', '--deep', '--batch', '--dry-run', '--jsonl', '--concurrency', '--rate', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--resume' = 'test and promote the staged key'; '--abort' = 'discard the staged key'; '--rollback' = 'make the previous key current again, after testing it'; '--retire' = 'drop the previous key once the provider has stopped accepting it'; '--force' = 'with --retire: drop it even if the provider still accepts it'; '--mint' = 'create the new key at the provider, with an admin key'; '--like' = 'with --mint: the id of the key to copy the settings from'; '--parent' = 'with --mint: the project, team or service account of the new key'; '--admin-account' = 'whose admin key is used (default: the key''s own account)'; '--allow-wider' = 'with --mint: even if the new key may be allowed more than the old one'; '--propagation' = 'how long to wait until the provider knows a new key, or refuses a deleted one'; '--no-revoke' = 'with --retire or --abort: delete nothing at the provider'; '--yes' = 'with --retire: do not ask before a key is deleted at the provider'; '-y' = 'with --retire: do not ask before a key is deleted at the provider'; '--due' = 'for cron: rotate keys that are due, retire replaced keys, finish what was left'; '--all-accounts' = 'with --due: the keys of every account'; '--expiring' = 'with --due: also keys that expire within this span (default 14d)'; '--grace' = 'with --due: how long a replaced key is kept (default 24h)'; '--stdin' = 'read the key from standard input'; '--from-env' = 'read the key from this environment variable'; '--from-file' = 'read the key from this file'; '--force-shape' = 'accept a key whose shape belongs to another provider'; '--base-url' = 'a regional or enterprise endpoint (https; http only for loopback)'; '--model' = 'a model that the key must reach; may be repeated'; '--capability' = 'what the key must be allowed to do; may be repeated'; '--label' = 'a note to tell keys apart'; '--expires' = 'when the key expires: a date, or a span, for example 90d'; '--rotate-after' = 'how long until a rotation is due (default 90d), or never'; '--no-test' = 'do not ask the provider; save the key untested'; '--allow-limited' = 'also save a key that is limited'; '--allow-unverified' = 'also save a key that could not be judged'; '--timeout' = 'seconds to wait for each request (default 10)'; '--deep' = 'also send the smallest paid request, which alone shows billing and quota'; '--batch' = 'many keys: JSON lines of account, provider and key (-: standard input)'; '--dry-run' = 'with --batch or --due: only show what would happen'; '--jsonl' = 'print one JSON result per line as it arrives'; '--concurrency' = 'how many keys to test at once (default 16)'; '--rate' = 'requests per second to each provider'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--like' = ''; '--parent' = ''; '--admin-account' = 'account'; '--propagation' = ''; '--expiring' = ''; '--grace' = ''; '--from-env' = 'variable'; '--from-file' = 'file'; '--base-url' = ''; '--model' = ''; '--capability' = 'capability'; '--label' = ''; '--expires' = ''; '--rotate-after' = ''; '--timeout' = ''; '--batch' = 'file'; '--concurrency' = ''; '--rate' = ''}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'set' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--label', '--expires', '--rotate-after', '--model', '--capability', '--base-url', '--unset', '--no-test', '--allow-limited', '--allow-unverified', '--timeout', '--deep', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--label' = 'a note to tell keys apart'; '--expires' = 'when the key expires: a date, or a span, for example 90d'; '--rotate-after' = 'how long until a rotation is due (default 90d), or never'; '--model' = 'a model that the key must reach; may be repeated'; '--capability' = 'what the key must be allowed to do; may be repeated'; '--base-url' = 'a regional or enterprise endpoint (https; http only for loopback)'; '--unset' = 'remove label, expires, rotate-after, model, capability or base-url; may be repeated'; '--no-test' = 'do not ask the provider; save the key untested'; '--allow-limited' = 'also save a key that is limited'; '--allow-unverified' = 'also save a key that could not be judged'; '--timeout' = 'seconds to wait for each request (default 10)'; '--deep' = 'also send the smallest paid request, which alone shows billing and quota'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--label' = ''; '--expires' = ''; '--rotate-after' = ''; '--model' = ''; '--capability' = 'capability'; '--base-url' = ''; '--unset' = 'setting'; '--timeout' = ''}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'remove' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--yes', '-y', '--revoke', '--admin-account', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--yes' = 'do not ask'; '-y' = 'do not ask'; '--revoke' = 'delete it at the provider first, with an admin key'; '--admin-account' = 'with --revoke: whose admin key is used'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--admin-account' = 'account'}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'run' = @{
            Options = @('--account', '-a', '--store', '-s', '--provider', '-p', '--env', '--mask', '--require', '--dry-run', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--provider' = 'only this provider''s key; may be repeated'; '-p' = 'only this provider''s key; may be repeated'; '--env' = 'set this variable to P''s key; without --provider, set no others; may be repeated'; '--mask' = 'stay, and replace keys in CMD''s output by their masked form'; '--require' = 'exit 5 if a named provider (by default one of Koji''s two) has no key'; '--dry-run' = 'show which variables would be set, for which keys; start nothing'; '--json' = 'print a failure to start, or the result of --dry-run, as JSON'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--provider' = 'provider'; '-p' = 'provider'; '--env' = ''}
            Argument = ''
            Many = $true
            PassesOn = $true
        }
        'get' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--reveal', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--reveal' = 'yes, print the key itself'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'import' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--env', '--map', '--dry-run', '--rotate', '--comment-out', '--no-test', '--allow-limited', '--allow-unverified', '--timeout', '--deep', '--force-shape', '--concurrency', '--rate', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--env' = 'also the variables of the environment'; '--map' = 'the key under this name is one of that provider; may be repeated'; '--dry-run' = 'only show what would happen; asks nothing'; '--rotate' = 'if the account has another key, rotate to the one that was found'; '--comment-out' = 'replace the lines of saved keys by a comment, once all are saved'; '--no-test' = 'do not ask the provider; save the key untested'; '--allow-limited' = 'also save a key that is limited'; '--allow-unverified' = 'also save a key that could not be judged'; '--timeout' = 'seconds to wait for each request (default 10)'; '--deep' = 'also send the smallest paid request, which alone shows billing and quota'; '--force-shape' = 'accept a key whose shape belongs to another provider'; '--concurrency' = 'how many keys to test at once (default 16)'; '--rate' = 'requests per second to each provider'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--map' = ''; '--timeout' = ''; '--concurrency' = ''; '--rate' = ''}
            Argument = 'file'
            Many = $true
            PassesOn = $false
        }
        'export' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--reveal', '--format', '--name', '--output', '--yes', '-y', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--reveal' = 'yes, print the keys themselves'; '--format' = 'the format (default dotenv)'; '--name' = 'with --format k8s: the name of the Secret (default kojikey-ACCOUNT)'; '--output' = 'write to a file that nobody else can read, instead of standard output'; '--yes' = 'do not ask, and replace the file'; '-y' = 'do not ask, and replace the file'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--format' = 'choices:dotenv shell fish powershell json github k8s docker'; '--name' = ''; '--output' = 'file'}
            Argument = 'provider'
            Many = $true
            PassesOn = $false
        }
        'providers' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'provider'
            Many = $true
            PassesOn = $false
        }
        'history' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'}
            Argument = 'provider'
            Many = $false
            PassesOn = $false
        }
        'unlock' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--for', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--for' = 'for how long: a span, for example 30m, 8h or 1d (default 8h)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--for' = ''}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'lock' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store init' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--kek', '--recipient', '--name', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--kek' = 'where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R'; '--recipient' = 'to whom the KEK is sealed: age1…, or ''ssh-ed25519 AAAA… COMMENT'', or @FILE; may be repeated'; '--name' = 'keep the URL under this name in config.toml'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--kek' = 'kek'; '--recipient' = ''; '--name' = ''}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store info' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store rekey' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--kek', '--recipient', '--new-passphrase-file', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--kek' = 'where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R'; '--recipient' = 'to whom the KEK is sealed: age1…, or ''ssh-ed25519 AAAA… COMMENT'', or @FILE; may be repeated'; '--new-passphrase-file' = 'a file whose first line is the new passphrase'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--kek' = 'kek'; '--recipient' = ''; '--new-passphrase-file' = 'file'}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store recipients' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--recipient', '--yes', '-y', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--recipient' = 'remove: a recipient to keep whose public key needs a plugin; may be repeated'; '--yes' = 'accept: do not ask'; '-y' = 'accept: do not ask'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--recipient' = ''}
            Argument = ''
            Many = $true
            PassesOn = $false
        }
        'store list' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store use' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--rotate-here', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--rotate-here' = 'this store, and not the one it was copied from, rotates keys at their providers'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'store'
            Many = $false
            PassesOn = $false
        }
        'store copy' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--to', '--account', '-a', '--dry-run', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--to' = 'the store to copy to, which must exist'; '--account' = 'only this account; may be repeated'; '-a' = 'only this account; may be repeated'; '--dry-run' = 'show what would be copied, and copy nothing'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--to' = 'store'; '--account' = 'account'; '-a' = 'account'}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'store grant' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'store revoke' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'store policy' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'account list' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'account disable' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'account enable' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'account remove' = @{
            Options = @('--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--confirm', '--help', '-h')
            About = @{'--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--confirm' = 'the account''s name, instead of typing it'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--store' = 'store'; '-s' = 'store'; '--confirm' = ''}
            Argument = 'account'
            Many = $false
            PassesOn = $false
        }
        'audit' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--provider', '-p', '--since', '--all-accounts', '--verify', '--accept', '--yes', '-y', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--provider' = 'only events of this provider'; '-p' = 'only events of this provider'; '--since' = 'only events of the last span, for example 7d'; '--all-accounts' = 'the events of every account (as without --account)'; '--verify' = 'recompute the chain and open every key; exit 8: something was changed outside kojikey'; '--accept' = 'with --verify: accept an older state, for example that of a restored backup'; '--yes' = 'with --accept: do not ask'; '-y' = 'with --accept: do not ask'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'; '--provider' = 'provider'; '-p' = 'provider'; '--since' = ''}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'scan' = @{
            Options = @('--git', '--staged', '--any', '--all-accounts', '--sarif', '--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--git' = 'every object of git''s database, reachable or not, instead of files'; '--staged' = 'what is about to be committed, instead of files'; '--any' = 'also text that has the shape of a provider''s key, but is not in the store'; '--all-accounts' = 'the keys of every account'; '--sarif' = 'also write the matches to FILE (or -), as SARIF 2.1.0'; '--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--sarif' = 'file'; '--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'}
            Argument = ''
            Many = $true
            PassesOn = $false
        }
        'sandbox' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--port', '--tour', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--port' = 'the port (default: a free one)'; '--tour' = 'run the whole loop against it in a throwaway store, showing each command'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--port' = ''}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'config path' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'config get' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'config'
            Many = $false
            PassesOn = $false
        }
        'config set' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'config'
            Many = $false
            PassesOn = $false
        }
        'config unset' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'config'
            Many = $false
            PassesOn = $false
        }
        'completion' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'shell'
            Many = $false
            PassesOn = $false
        }
        'doctor' = @{
            Options = @('--account', '-a', '--store', '-s', '--json', '--no-input', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--account' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '-a' = 'whose key it is (default: KOJIKEY_ACCOUNT, then ''default'')'; '--store' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '-s' = 'the store, by name or URL (default: KOJIKEY_STORE, then ''local'')'; '--json' = 'print one JSON document on stdout, even on failure'; '--no-input' = 'never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{'--account' = 'account'; '-a' = 'account'; '--store' = 'store'; '-s' = 'store'}
            Argument = ''
            Many = $false
            PassesOn = $false
        }
        'help' = @{
            Options = @('--json', '--quiet', '-q', '--no-color', '--help', '-h')
            About = @{'--json' = 'print one JSON document on stdout, even on failure'; '--quiet' = 'print only results, warnings and errors'; '-q' = 'print only results, warnings and errors'; '--no-color' = 'no colour (also: NO_COLOR)'; '--help' = 'show help'; '-h' = 'show help'}
            Values = @{}
            Argument = 'topic'
            Many = $true
            PassesOn = $false
        }
    }

    # The words before the cursor, without the program.
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text } | Select-Object -Skip 1)
    $program = $commandAst.CommandElements[0].Extent.Text

    function Offer($values, $about) {
        foreach ($value in $values) {
            if ($value -and $value.StartsWith($wordToComplete)) {
                $text = if ($about -and $about[$value]) { $about[$value] } else { $value }
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
            }
        }
    }

    function OfKind($kind, $context) {
        if ($kind -eq 'variable') { Offer @((Get-ChildItem env:).Name) }
        elseif ($kind -like 'choices:*') { Offer @($kind.Substring(8).Split(' ')) }
        elseif ($kind -and $kind -ne 'file') {
            # Only plain words are offered, whatever the program says.
            $found = @(& $program complete $kind @context 2>$null)
            Offer @($found | Where-Object { $_ -cmatch '^[A-Za-z0-9][A-Za-z0-9._@+:/-]*$' })
        }
    }

    if ($words.Count -eq 0) { return Offer @($commands[''].Words) $commands[''].About }
    $name = $words[0]
    $at = 1
    if (-not $commands.ContainsKey($name)) { return }
    if ($commands[$name].Words) {
        if ($words.Count -eq 1) { return Offer @($commands[$name].Words) $commands[$name].About }
        $name = "$name $($words[1])"
        $at = 2
        if (-not $commands.ContainsKey($name)) { return }
    }

    $takes = $commands[$name]
    $context = @()
    $arguments = 0
    $pending = $null
    for (; $at -lt $words.Count; $at++) {
        $word = $words[$at]
        if ($null -ne $pending) {
            if ($pending -in '--account', '-a', '--store', '-s') { $context += $pending, $word }
            $pending = $null
        }
        elseif ($word -eq '--') { if ($takes.PassesOn) { return } }
        elseif ($takes.Values.ContainsKey($word)) { $pending = $word }
        elseif (-not $word.StartsWith('-')) { if ($takes.PassesOn) { return }; $arguments++ }
    }
    if ($null -ne $pending) { return OfKind $takes.Values[$pending] $context }
    if ($wordToComplete.StartsWith('-')) { return Offer @($takes.Options) $takes.About }
    if ($takes.Many -or $arguments -eq 0) { return OfKind $takes.Argument $context }
}

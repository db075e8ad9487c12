# kojikey completion for bash. Made by: python -m kojikey.cli.completion bash

# What a command takes: its options, the kind of each option's value, and the kind of its arguments.
_kojikey_takes() {
  case "$1" in
    '') words='add test check list rotate set remove run get import export providers history unlock lock audit scan sandbox completion doctor help store config account' options='--help -h --version -V' ;;
    store) words='init info rekey recipients list use copy grant revoke policy' ;;
    config) words='path get set unset' ;;
    account) words='list disable enable remove' ;;
    'add')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --stdin --from-env --from-file --force-shape --base-url --model --capability --label --expires --rotate-after --no-test --allow-limited --allow-unverified --timeout --deep --batch --dry-run --jsonl --concurrency --rate --help -h'
      values=' --account=account -a=account --store=store -s=store --from-env=variable --from-file=file --base-url= --model= --capability=capability --label= --expires= --rotate-after= --timeout= --batch=file --concurrency= --rate= '
      argument='provider'
      ;;
    'test')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --all --all-accounts --verbose --allow-empty --stdin --from-env --from-file --force-shape --base-url --model --capability --deep --timeout --concurrency --rate --jobs --shard --not-tested-since --jsonl --junit --html --github --fail-on --help -h'
      values=' --account=account -a=account --store=store -s=store --from-env=variable --from-file=file --base-url= --model= --capability=capability --timeout= --concurrency= --rate= --jobs= --shard= --not-tested-since= --junit=file --html=file --fail-on=choices:rejected,limited,indeterminate '
      argument='provider' many=1
      ;;
    'check')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --all-accounts --require --max-age --tested-within --help -h'
      values=' --account=account -a=account --store=store -s=store --require=provider --max-age= --tested-within= '
      argument=''
      ;;
    'list')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --all-accounts --failing --due --outcome --sort --csv --help -h'
      values=' --account=account -a=account --store=store -s=store --outcome= --sort= '
      argument='provider' many=1
      ;;
    'rotate')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --resume --abort --rollback --retire --force --mint --like --parent --admin-account --allow-wider --propagation --no-revoke --yes -y --due --all-accounts --expiring --grace --stdin --from-env --from-file --force-shape --base-url --model --capability --label --expires --rotate-after --no-test --allow-limited --allow-unverified --timeout --deep --batch --dry-run --jsonl --concurrency --rate --help -h'
      values=' --account=account -a=account --store=store -s=store --like= --parent= --admin-account=account --propagation= --expiring= --grace= --from-env=variable --from-file=file --base-url= --model= --capability=capability --label= --expires= --rotate-after= --timeout= --batch=file --concurrency= --rate= '
      argument='provider'
      ;;
    'set')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --label --expires --rotate-after --model --capability --base-url --unset --no-test --allow-limited --allow-unverified --timeout --deep --help -h'
      values=' --account=account -a=account --store=store -s=store --label= --expires= --rotate-after= --model= --capability=capability --base-url= --unset=setting --timeout= '
      argument='provider'
      ;;
    'remove')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --yes -y --revoke --admin-account --help -h'
      values=' --account=account -a=account --store=store -s=store --admin-account=account '
      argument='provider'
      ;;
    'run')
      options='--account -a --store -s --provider -p --env --mask --require --dry-run --json --no-input --quiet -q --no-color --help -h'
      values=' --account=account -a=account --store=store -s=store --provider=provider -p=provider --env= '
      argument='' many=1 passes=1
      ;;
    'get')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --reveal --help -h'
      values=' --account=account -a=account --store=store -s=store '
      argument='provider'
      ;;
    'import')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --env --map --dry-run --rotate --comment-out --no-test --allow-limited --allow-unverified --timeout --deep --force-shape --concurrency --rate --help -h'
      values=' --account=account -a=account --store=store -s=store --map= --timeout= --concurrency= --rate= '
      argument='file' many=1
      ;;
    'export')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --reveal --format --name --output --yes -y --help -h'
      values=' --account=account -a=account --store=store -s=store --format=choices:dotenv,shell,fish,powershell,json,github,k8s,docker --name= --output=file '
      argument='provider' many=1
      ;;
    'providers')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='provider' many=1
      ;;
    'history')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --account=account -a=account --store=store -s=store '
      argument='provider'
      ;;
    'unlock')
      options='--store -s --json --no-input --quiet -q --no-color --for --help -h'
      values=' --store=store -s=store --for= '
      argument=''
      ;;
    'lock')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument=''
      ;;
    'store init')
      options='--store -s --json --no-input --quiet -q --no-color --kek --recipient --name --help -h'
      values=' --store=store -s=store --kek=kek --recipient= --name= '
      argument=''
      ;;
    'store info')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument=''
      ;;
    'store rekey')
      options='--store -s --json --no-input --quiet -q --no-color --kek --recipient --new-passphrase-file --help -h'
      values=' --store=store -s=store --kek=kek --recipient= --new-passphrase-file=file '
      argument=''
      ;;
    'store recipients')
      options='--store -s --json --no-input --quiet -q --no-color --recipient --yes -y --help -h'
      values=' --store=store -s=store --recipient= '
      argument='' many=1
      ;;
    'store list')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument=''
      ;;
    'store use')
      options='--json --quiet -q --no-color --rotate-here --help -h'
      values='  '
      argument='store'
      ;;
    'store copy')
      options='--store -s --json --no-input --quiet -q --no-color --to --account -a --dry-run --help -h'
      values=' --store=store -s=store --to=store --account=account -a=account '
      argument=''
      ;;
    'store grant')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument='account'
      ;;
    'store revoke')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument='account'
      ;;
    'store policy')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument='account'
      ;;
    'account list')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument=''
      ;;
    'account disable')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument='account'
      ;;
    'account enable')
      options='--store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --store=store -s=store '
      argument='account'
      ;;
    'account remove')
      options='--store -s --json --no-input --quiet -q --no-color --confirm --help -h'
      values=' --store=store -s=store --confirm= '
      argument='account'
      ;;
    'audit')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --provider -p --since --all-accounts --verify --accept --yes -y --help -h'
      values=' --account=account -a=account --store=store -s=store --provider=provider -p=provider --since= '
      argument=''
      ;;
    'scan')
      options='--git --staged --any --all-accounts --sarif --account -a --store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --sarif=file --account=account -a=account --store=store -s=store '
      argument='' many=1
      ;;
    'sandbox')
      options='--json --quiet -q --no-color --port --tour --help -h'
      values=' --port= '
      argument=''
      ;;
    'config path')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument=''
      ;;
    'config get')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='config'
      ;;
    'config set')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='config'
      ;;
    'config unset')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='config'
      ;;
    'completion')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='shell'
      ;;
    'doctor')
      options='--account -a --store -s --json --no-input --quiet -q --no-color --help -h'
      values=' --account=account -a=account --store=store -s=store '
      argument=''
      ;;
    'help')
      options='--json --quiet -q --no-color --help -h'
      values='  '
      argument='topic' many=1
      ;;
  esac
}

# Offers the lines of standard input that begin with the word under the cursor. `compgen -W` would expand them: only
# what the shell takes as a plain word is offered, whatever the program says. With $1 it may begin with a dash.
_kojikey_among() {
  local LC_ALL=C line plain="^[A-Za-z0-9$1][A-Za-z0-9._@+:/-]*\$"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == "$current"* && $line =~ $plain ]]; then COMPREPLY+=("$line"); fi
  done
}

# Offers words of this script that are separated by spaces.
_kojikey_words() {
  local -a listed
  IFS=' ' read -r -a listed <<<"$1"
  _kojikey_among - < <(printf '%s\n' "${listed[@]}")
}

# Offers the values of a kind for the word under the cursor.
_kojikey_offer() {
  case "$1" in
    '') ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    variable) mapfile -t COMPREPLY < <(compgen -A export -- "$current") ;;
    choices:*) _kojikey_words "${1#choices:}" ;;
    *)
      _kojikey_among "" < <("$program" complete "$1" "${context[@]}" </dev/null 2>/dev/null)
      if [[ $1 == kek ]]; then compopt -o nospace 2>/dev/null; fi
      ;;
  esac
}

# Completes what another program is given, from word $1 on.
_kojikey_pass_on() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$current")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

_kojikey() {
  local program="${1/#\~/$HOME}" current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"
  local words="" options="" values="" argument="" many="" passes="" command="${COMP_WORDS[1]}" index=2 word
  local -a context=()
  COMPREPLY=()
  _kojikey_takes ""
  if ((COMP_CWORD == 1)); then
    _kojikey_words "$words $options"
    return
  fi
  words=""
  _kojikey_takes "$command"
  if [[ -n $words ]]; then
    if ((COMP_CWORD == 2)); then
      _kojikey_words "$words"
      return
    fi
    command="$command ${COMP_WORDS[2]}" index=3
    _kojikey_takes "$command"
  fi

  # bash makes words of its own of --option=value and file:path
  [[ $current == "=" || $current == ":" ]] && current=""
  if [[ $before == "=" ]]; then before="${COMP_WORDS[COMP_CWORD - 2]}"; fi
  if [[ $before == ":" && ${COMP_WORDS[COMP_CWORD - 2]} == file ]]; then _kojikey_offer file; return; fi

  local arguments=0 plain=""
  for ((; index < COMP_CWORD; index++)); do
    word="${COMP_WORDS[index]}"
    if [[ -z $plain && $word == -- ]]; then
      plain=1
      if [[ -n $passes ]]; then _kojikey_pass_on $((index + 1)); return; fi
    elif [[ -z $plain && $word == -* ]]; then
      if [[ $values == *" $word="* ]]; then
        [[ ${COMP_WORDS[index + 1]} == "=" ]] && ((index++))
        ((index++))
        case "$word" in
          --account | -a | --store | -s) context+=("$word" "${COMP_WORDS[index]}") ;;
        esac
      fi
    elif [[ -n $passes ]]; then
      _kojikey_pass_on "$index"
      return
    else
      ((arguments++))
    fi
  done
  # An option whose value is under the cursor has lost it to the context above: nothing is known of it yet.
  if ((index > COMP_CWORD && ${#context[@]})); then context=("${context[@]:0:${#context[@]} - 2}"); fi

  if [[ -z $plain && $values == *" $before="* ]]; then
    local kind="${values#* "$before"=}"
    kind="${kind%% *}"
    _kojikey_offer "${kind//,/ }"
  elif [[ -z $plain && $current == -* ]]; then
    _kojikey_words "$options"
  elif [[ -n $passes ]]; then
    _kojikey_pass_on "$COMP_CWORD"
  elif [[ -n $many ]] || ((arguments == 0)); then
    _kojikey_offer "$argument"
  fi
}

complete -F _kojikey kojikey

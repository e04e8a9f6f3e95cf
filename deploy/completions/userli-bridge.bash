# bash completion for userli-bridge and its daemons; they are asked what they take.

_userli_bridge_words() { # PATTERN COMMAND…
	local pattern=$1
	shift
	"$@" --help 2>/dev/null | sed -nE "$pattern"
}

_userli_bridge() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} words=''

	COMPREPLY=()
	case $before in
	--via) words='socketmap backend userli' ;;
	--addr | --timeout | -w) return ;;
	--admin | --config | --postfix)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	*)
		if [ "$COMP_CWORD" -eq 1 ]; then
			words="--help --version $(_userli_bridge_words \
				'/^Commands:/,/^$/ s/^  ([a-z-]+) .*/\1/p' "${COMP_WORDS[0]}")"
		elif [ "$command" = query ] && [ "$COMP_CWORD" -eq 2 ]; then
			words='alias domain mailbox senders'
		elif [[ $word == -* ]]; then
			words="--help $(_userli_bridge_words 's/^  (--[a-z-]+) .*/\1/p' \
				"${COMP_WORDS[0]}" "$command")"
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

_userli_bridge_daemon() {
	local word=${COMP_WORDS[COMP_CWORD]}

	COMPREPLY=()
	if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --config ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(
		_userli_bridge_words 's/^  (--[a-wyz][a-z-]+) .*/\1/p' "${COMP_WORDS[0]}"
		_userli_bridge_words 's/^  ([A-Z][A-Z0-9_]+) .*/--\1/p' "${COMP_WORDS[0]}" |
			tr 'A-Z_' 'a-z-'
	)" -- "$word")
}

complete -F _userli_bridge userli-bridge
complete -F _userli_bridge_daemon userli-bridge-frontend userli-bridge-backend
